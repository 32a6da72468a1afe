//! Creating a log and opening one again.
//!
//! Opening finds the end of the log, refuses when acknowledged bytes are damaged, drops what was
//! never acknowledged and begins a new generation. Promises: killed at any step, the next opening
//! finds the same frames; nothing is dropped that may have been acknowledged.

use std::io;
use std::sync::Arc;

use crate::disk::Disk;
use crate::error::LogError;
use crate::header::{BLOCK, SegmentFault};
use crate::log::{Active, Log};
use crate::look::Format;
use crate::lsn::{BLOCK_BYTES, Geometry, Lsn, segment_name};
use crate::options::LogOptions;
use crate::pool::Pool;
use crate::reader::LogReader;
use crate::recovery::folder::Folder;
use crate::recovery::table::Verdict;
use crate::recovery::{Walked, walk};
use crate::shared::Shared;

/// What the opener knows about a log from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenHint {
    /// Where to start looking for the end: a frame's start or exact end that is known to be
    /// durable. [`Lsn::ZERO`] means the oldest segment that is kept.
    pub scan_from: Lsn,
    /// A position that is known to have been durable; [`Lsn::ZERO`] when none is.
    pub known_durable: Lsn,
}

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
    /// Makes a new log. Folders of other files are fine.
    ///
    /// # Errors
    /// [`LogError::Exists`], [`LogError::SegmentSize`], [`LogError::NoSpace`], or the write that
    /// failed.
    pub fn create(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        log_id: [u8; 16],
    ) -> Result<Self, LogError> {
        let segment_bytes = options.segment_size;
        let geometry =
            Geometry::new(segment_bytes).ok_or(LogError::SegmentSize { segment_bytes })?;
        let folder = Folder::list(disk)?;
        remove_unfinished(&folder)?;
        let format = Format::new(geometry, log_id);
        let disk = Arc::clone(&folder.disk);
        let shared = Arc::new(Shared::new(disk, format, geometry.first_frame(0), options.mmap));
        let pool = Pool::new(folder.disk, folder.spares, options.spare_segments)?;
        let mut log = Self::assemble(shared, options, pool, 1, Lsn::ZERO);
        log.begin_first_segment()?;
        Ok(log)
    }

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
        let folder = Folder::list(disk)?;
        let format = learn_format(&folder)?;
        let from = start_of_walk(&folder, &format, hint.scan_from)?;
        check_known_segments(&folder, &format, from)?;
        settle_cache(&folder, &format, from)?;
        let walked = walk_with_chain(&folder, &format, from, hint.known_durable)?;
        refuse_damage(&format, &walked)?;
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
        let shared =
            Arc::new(Shared::new(Arc::clone(&folder.disk), format, walked.end, options.mmap));
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

impl LogReader {
    /// Opens the log of a stopped writer for reading only; nothing on the disk is changed.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub fn open(disk: Arc<dyn Disk>, hint: OpenHint) -> Result<Self, LogError> {
        let folder = Folder::list(disk)?;
        let format = learn_format(&folder)?;
        let from = start_of_walk(&folder, &format, hint.scan_from)?;
        check_known_segments(&folder, &format, from)?;
        let walked = walk(&folder, &format, from, hint.known_durable)?;
        refuse_damage(&format, &walked)?;
        // Nobody knows who else writes there: plain calls report what maps die of.
        let shared = Arc::new(Shared::new(Arc::clone(&folder.disk), format, walked.end, false));
        let end = walked.end;
        for segment in folder.segments.iter().copied().filter(|s| format.geometry.base(*s) < end) {
            shared.keep(segment, None, folder.open_read(segment)?.len()?);
        }
        Ok(Self::new(shared))
    }
}

/// Removes what a killed `create` left: a first segment that was never begun.
fn remove_unfinished(folder: &Folder) -> Result<(), LogError> {
    match folder.segments.first() {
        None => Ok(()),
        Some(0) if folder.segments.len() == 1 && is_unfinished(folder)? => {
            Ok(folder.disk.remove(&segment_name(0))?)
        }
        Some(_) => Err(LogError::Exists),
    }
}

/// Whether segment 0 has no header and nothing but zeros behind it.
fn is_unfinished(folder: &Folder) -> io::Result<bool> {
    if folder.header(0)?.is_ok() {
        return Ok(false);
    }
    let file = folder.open_read(0)?;
    let (mut at, end) = (BLOCK_BYTES, file.len()?);
    let mut block = [0; BLOCK];
    while at + BLOCK_BYTES <= end {
        file.read_at(at, &mut block)?;
        if block.iter().any(|b| *b != 0) {
            return Ok(false);
        }
        at += BLOCK_BYTES;
    }
    Ok(true)
}

/// Walks to the end. The frame before the end must be known to go on from it, so a walk that
/// began at the very end is done again from the segment's start.
fn walk_with_chain(
    folder: &Folder,
    format: &Format,
    from: Lsn,
    known_durable: Lsn,
) -> io::Result<Walked> {
    let walked = walk(folder, format, from, known_durable)?;
    let segment = format.geometry.segment(Lsn(walked.end.0.saturating_sub(1)));
    if walked.chain.crc.is_some() || !folder.segments.contains(&segment) {
        return Ok(walked);
    }
    let known_durable = known_durable.max(walked.end);
    walk(folder, format, format.geometry.base(segment), known_durable)
}

/// Learns id and segment size, or says why that cannot be.
pub(crate) fn learn_format(folder: &Folder) -> Result<Format, LogError> {
    if let Some(format) = folder.format()? {
        return Ok(format);
    }
    let Some(segment) = folder.segments.first().copied() else { return Err(LogError::NotFound) };
    match folder.header(segment)? {
        Err(SegmentFault::Newer(version)) => Err(LogError::Newer { segment, version }),
        _ if remove_would_be_safe(folder)? => Err(LogError::NotFound),
        _ => Err(LogError::Rotten { lsn: Lsn::ZERO, segment, offset: 0 }),
    }
}

/// Whether the folder holds no more than a log whose creation was cut short.
fn remove_would_be_safe(folder: &Folder) -> io::Result<bool> {
    Ok(folder.segments.iter().eq([&0]) && is_unfinished(folder)?)
}

fn start_of_walk(folder: &Folder, format: &Format, scan_from: Lsn) -> Result<Lsn, LogError> {
    let geometry = format.geometry;
    let oldest = folder.segments.first().copied().unwrap_or(0);
    if scan_from == Lsn::ZERO {
        return Ok(geometry.base(oldest));
    }
    let segment = geometry.segment(scan_from);
    if !geometry.valid_segment(segment) {
        return Err(LogError::Missing { segment });
    }
    if scan_from == geometry.first_frame(segment) {
        // From the header on: it says how the first frame continues the log.
        return Ok(geometry.base(segment));
    }
    Ok(scan_from)
}

/// Segments before the start of the walk were acknowledged, and so was the one that it starts in
/// the middle of: their headers must be sound.
fn check_known_segments(folder: &Folder, format: &Format, from: Lsn) -> Result<(), LogError> {
    let geometry = format.geometry;
    let start = geometry.segment(from);
    let in_the_middle = geometry.offset(from) != 0;
    if in_the_middle && !folder.segments.contains(&start) {
        return Err(LogError::Missing { segment: start });
    }
    for segment in
        folder.segments.iter().copied().take_while(|s| *s < start + u64::from(in_the_middle))
    {
        match folder.header(segment)? {
            Ok(header) if format.owns(&header) => {}
            Ok(_) => return Err(LogError::Foreign { segment }),
            Err(SegmentFault::Newer(version)) => return Err(LogError::Newer { segment, version }),
            Err(_) => {
                return Err(LogError::Rotten { lsn: geometry.base(segment), segment, offset: 0 });
            }
        }
    }
    Ok(())
}

/// Makes what is about to be read the truth: a killed process may have left bytes in the page
/// cache that are not on the medium, a failed sync may have left bytes there that never will be.
fn settle_cache(folder: &Folder, format: &Format, from: Lsn) -> Result<(), LogError> {
    for segment in folder.segments_from(format.geometry.segment(from)) {
        let file = folder.disk.open(&segment_name(segment))?;
        file.sync()?;
        file.drop_cache()?;
    }
    Ok(())
}

fn refuse_damage(format: &Format, walked: &Walked) -> Result<(), LogError> {
    let (lsn, version) = (walked.end, walked.version);
    let (segment, offset) = (format.geometry.segment(lsn), format.geometry.offset(lsn));
    match walked.verdict {
        Verdict::CleanEnd | Verdict::TornEnd => Ok(()),
        Verdict::Rotten => Err(LogError::Rotten { lsn, segment, offset }),
        Verdict::Missing => Err(LogError::Missing { segment }),
        Verdict::Foreign => Err(LogError::Foreign { segment }),
        Verdict::Newer => Err(LogError::Newer { segment, version }),
        Verdict::GoOn | Verdict::NextSegment => panic!("a walk ends where the chain does"),
    }
}

/// Removes what stands behind the end, so that no later opening can take it for part of the log:
/// whole segments by name, frames by zeros over their first block.
fn drop_unacknowledged(folder: &Folder, format: &Format, walked: &Walked) -> Result<(), LogError> {
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
