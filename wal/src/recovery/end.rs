//! From where to look for the end of a log, and what it means where it was found.
//!
//! Read-only. Promise: damage to what was acknowledged is an error with its place, never an end.

use std::fmt;

use super::folder::Folder;
use super::table::Verdict;
use super::walk::{Step, Walked, walk};
use crate::error::LogError;
use crate::format::{Frame, FrameKind, SegmentFault, SegmentHeader};
use crate::look::Format;
use crate::lsn::{Geometry, Lsn};

/// What the opener knows about a log from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenHint {
    /// Where to start looking for the end: a frame's start or exact end that is known to be
    /// durable. [`Lsn::ZERO`] means the oldest segment that is kept.
    pub scan_from: Lsn,
    /// A position that is known to have been durable; [`Lsn::ZERO`] when none is.
    pub known_durable: Lsn,
    /// Which log it is. `None`: that of the first file in the folder that can be read, be it a stray
    /// one of another log.
    pub identity: Option<LogIdentity>,
}

/// What tells one log from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogIdentity {
    /// The log's id.
    pub id: [u8; 16],
    /// Bytes of a segment.
    pub segment_bytes: u64,
}

impl fmt::Display for LogIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("log ")?;
        for byte in self.id {
            write!(f, "{byte:02x}")?;
        }
        write!(f, " (segments of {} bytes)", self.segment_bytes)
    }
}

/// What the log's bytes are read by, and where the walk to its end begins.
///
/// # Errors
/// As [`Log::open`](crate::Log::open).
pub(crate) fn start(folder: &Folder, hint: &OpenHint) -> Result<(Format, Lsn), LogError> {
    let format = format_by(folder, hint.identity)?;
    let from = start_of_walk(folder, &format, hint.scan_from)?;
    check_known_segments(folder, &format, from)?;
    Ok((format, from))
}

/// Walks to the end, and refuses one that is none.
///
/// # Errors
/// As [`Log::open`](crate::Log::open).
pub(crate) fn find(
    folder: &Folder,
    format: &Format,
    from: Lsn,
    known_durable: Lsn,
) -> Result<Walked, LogError> {
    refuse_damage(folder, format, walk(folder, format, from, known_durable, &mut |_| {})?)
}

/// The same for a writer, who must know the frame before the end to go on from it: a walk that
/// began at the very end is done again from the segment's start. The data frames from `from` on are shown
/// to `seen`.
///
/// # Errors
/// As [`Log::open`](crate::Log::open).
pub(crate) fn find_with_chain(
    folder: &Folder,
    format: &Format,
    from: Lsn,
    known_durable: Lsn,
    seen: &mut dyn FnMut(&Frame),
) -> Result<Walked, LogError> {
    let mut visit = |step: Step<'_>| match step {
        Step::Frame(frame) if frame.header.kind == FrameKind::Data => seen(frame),
        Step::Frame(_) | Step::Segment(_) => {}
    };
    let walked = walk(folder, format, from, known_durable, &mut visit)?;
    let segment = format.geometry.segment(Lsn(walked.end.0.saturating_sub(1)));
    if walked.chain.crc.is_some() || !folder.segments.contains(&segment) {
        return refuse_damage(folder, format, walked);
    }
    let known_durable = known_durable.max(walked.end);
    find(folder, format, format.geometry.base(segment), known_durable)
}

/// Learns id and segment size, or says why that cannot be.
pub(crate) fn learn_format(folder: &Folder) -> Result<Format, LogError> {
    if let Some(format) = folder.format()? {
        return Ok(format);
    }
    let Some(segment) = folder.segments.first().copied() else { return Err(LogError::NotFound) };
    match folder.header(segment)? {
        Err(SegmentFault::Newer(version)) => Err(LogError::Newer { segment, version }),
        _ if folder.is_unfinished()? => Err(LogError::NotFound),
        _ => Err(LogError::Rotten { lsn: Lsn::ZERO, segment, offset: 0 }),
    }
}

/// As [`learn_format`], for who knows which log it is to be: a stray file in front of it does not pass
/// for the log, and the log's own files for stray ones. If none is of that log the files are right by
/// themselves; it is for the caller to say that they are not his.
fn format_by(folder: &Folder, identity: Option<LogIdentity>) -> Result<Format, LogError> {
    let learnt = learn_format(folder)?;
    let known = identity
        .and_then(|known| Some(Format::new(Geometry::new(known.segment_bytes)?, known.id)))
        .filter(|known| *known != learnt);
    let Some(known) = known else { return Ok(learnt) };
    for segment in &folder.segments {
        if folder.header(*segment)?.is_ok_and(|header| known.owns(&header)) {
            return Ok(known);
        }
    }
    Ok(learnt)
}

fn foreign(format: &Format, header: &SegmentHeader) -> LogError {
    LogError::Foreign {
        segment: header.segment,
        found: LogIdentity { id: header.log_id, segment_bytes: header.segment_bytes },
        expected: format.identity(),
    }
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
            Ok(header) => return Err(foreign(format, &header)),
            Err(SegmentFault::Newer(version)) => return Err(LogError::Newer { segment, version }),
            Err(_) => {
                return Err(LogError::Rotten { lsn: geometry.base(segment), segment, offset: 0 });
            }
        }
    }
    Ok(())
}

fn refuse_damage(folder: &Folder, format: &Format, walked: Walked) -> Result<Walked, LogError> {
    let (lsn, version) = (walked.end, walked.version);
    let (segment, offset) = (format.geometry.segment(lsn), format.geometry.offset(lsn));
    match walked.verdict {
        Verdict::CleanEnd | Verdict::TornEnd => Ok(walked),
        Verdict::Rotten => Err(LogError::Rotten { lsn, segment, offset }),
        Verdict::Missing => Err(LogError::Missing { segment }),
        Verdict::Foreign => match folder.header(segment)? {
            Ok(header) => Err(foreign(format, &header)),
            Err(_) => Err(LogError::Rotten { lsn, segment, offset }),
        },
        Verdict::Newer => Err(LogError::Newer { segment, version }),
        Verdict::GoOn | Verdict::NextSegment => panic!("a walk ends where the chain does"),
    }
}
