//! Opening a log again.
//!
//! Opening finds the end of the log, refuses when acknowledged bytes are damaged, drops what was
//! never acknowledged and begins a new generation. Promises: killed at any step, the next opening
//! finds the same frames; nothing is dropped that may have been acknowledged.

use std::io;
use std::sync::Arc;

use super::pool::Pool;
use super::{Active, Log};
use crate::disk::Disk;
use crate::error::LogError;
use crate::format::{BLOCK, Frame};
use crate::look::Format;
use crate::lsn::{BLOCK_BYTES, Lsn, segment_name};
use crate::options::LogOptions;
use crate::recovery::end::{self, OpenHint};
use crate::recovery::folder::Folder;
use crate::recovery::table::Verdict;
use crate::recovery::walk::Walked;
use crate::shared::Shared;

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// The end of the log: everything before it is durable now.
    pub end: Lsn,
    /// What stood at the end.
    pub tail: Tail,
    /// Generation that this opening began.
    pub generation: u64,
    /// Frames passed from `scan_from` to the end, markers included.
    pub frames: u64,
    /// Bytes of those frames.
    pub bytes: u64,
}

/// How the end of a log looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing stood behind the last frame.
    Clean,
    /// An unfinished write stood behind the last frame. It was never acknowledged and is dropped.
    Torn {
        /// Where it stood.
        lsn: Lsn,
        /// Its segment.
        segment: u64,
        /// Its offset in that segment.
        offset: u64,
    },
}

impl Log {
    /// Opens an existing log and makes ready to append. The options' segment size is not used.
    ///
    /// # Errors
    /// [`LogError::NotFound`], [`LogError::Rotten`], [`LogError::Missing`], [`LogError::Foreign`],
    /// [`LogError::Newer`]: nothing was changed. [`LogError::Io`]: try again.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        hint: OpenHint,
    ) -> Result<(Self, OpenReport), LogError> {
        Self::open_seeing(disk, options, hint, &mut |_| {})
    }

    /// As [`Log::open`]; on the way to the end `seen` is shown each data frame from the hint's
    /// `scan_from` on, in order. What it saw is in the log if this succeeds, and counts for nothing
    /// otherwise.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open_seeing(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        hint: OpenHint,
        seen: &mut dyn FnMut(&Frame),
    ) -> Result<(Self, OpenReport), LogError> {
        let folder = Folder::list(disk)?;
        let (format, from) = end::start(&folder, &hint)?;
        settle_cache(&folder, &format, from)?;
        let walked = end::find_with_chain(&folder, &format, from, hint.known_durable, seen)?;
        drop_unacknowledged(&folder, &format, &walked)?;
        Self::continue_at(folder, format, options, &walked)
    }

    fn continue_at(
        folder: Folder,
        format: Format,
        options: LogOptions,
        walked: &Walked,
    ) -> Result<(Self, OpenReport), LogError> {
        let geometry = format.geometry;
        let generation = walked.chain.generation.max(walked.witness.generation) + 1;
        let shared = Arc::new(Shared::new(Arc::clone(&folder.disk), format, walked.end, &options));
        let last = geometry.segment(walked.end);
        let begun = geometry.offset(walked.end) != 0;
        for segment in
            folder.segments.iter().copied().filter(|s| *s < last || (begun && *s == last))
        {
            shared.keep(segment, None, folder.open_read(segment)?.len()?);
        }
        let pool = Pool::new(Arc::clone(&folder.disk), folder.spares, options.spare_segments)?;
        let mut log = Self::assemble(Arc::clone(&shared), options, pool, generation, walked.end);
        log.chain.crc = walked.chain.crc;
        log.last = walked.last;
        if begun {
            let file = folder.disk.open(&segment_name(last))?;
            let reserved = file.len()? / BLOCK_BYTES * BLOCK_BYTES;
            shared.keep(last, Some(Arc::clone(&file)), reserved);
            log.active = Some(Active { segment: last, file, reserved });
        }
        let offset = geometry.offset(walked.end);
        let tail = match walked.verdict {
            Verdict::TornEnd => Tail::Torn { lsn: walked.end, segment: last, offset },
            _ => Tail::Clean,
        };
        let (frames, bytes) = (walked.frames, walked.bytes);
        Ok((log, OpenReport { end: walked.end, tail, generation, frames, bytes }))
    }
}

/// Makes what is about to be read the truth: a killed process may have left bytes in the page
/// cache that are not on the medium, and names in the folder that are not; a failed sync may have left
/// bytes there that never will be.
fn settle_cache(folder: &Folder, format: &Format, from: Lsn) -> io::Result<()> {
    for segment in folder.segments_from(format.geometry.segment(from)) {
        let file = folder.disk.open(&segment_name(segment))?;
        file.sync()?;
        file.drop_cache()?;
        file.read_ahead();
    }
    folder.disk.sync_dir()
}

/// Removes what stands behind the end, so that no later opening can take it for part of the log:
/// whole segments by name, frames by zeros over their first block.
fn drop_unacknowledged(folder: &Folder, format: &Format, walked: &Walked) -> io::Result<()> {
    let geometry = format.geometry;
    let last = geometry.segment(walked.end);
    let begun = geometry.offset(walked.end) != 0;
    let first_dropped = if begun { last + 1 } else { last };
    let dropped: Vec<u64> = folder.segments_from(first_dropped).collect();
    for segment in dropped.iter().rev() {
        folder.disk.remove(&segment_name(*segment))?;
    }
    if !dropped.is_empty() {
        folder.disk.sync_dir()?;
    }
    for lsn in walked.witness.headers.iter().filter(|lsn| geometry.segment(**lsn) == last && begun)
    {
        let file = folder.disk.open(&segment_name(last))?;
        file.write_durable_at(geometry.offset(*lsn), &[0; BLOCK])?;
    }
    Ok(())
}
