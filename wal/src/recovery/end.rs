//! From where to look for the end of a log, and what it means where it was found.
//!
//! Read-only. Promise: damage to what was acknowledged is an error with its place, never an end.

use super::folder::Folder;
use super::table::Verdict;
use super::walk::{Step, Walked, walk};
use crate::error::LogError;
use crate::format::{Frame, FrameKind, SegmentFault};
use crate::look::Format;
use crate::lsn::Lsn;

/// What the opener knows about a log from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenHint {
    /// Where to start looking for the end: a frame's start or exact end that is known to be
    /// durable. [`Lsn::ZERO`] means the oldest segment that is kept.
    pub scan_from: Lsn,
    /// A position that is known to have been durable; [`Lsn::ZERO`] when none is.
    pub known_durable: Lsn,
}

/// What the log's bytes are read by, and where the walk to its end begins.
///
/// # Errors
/// As [`Log::open`](crate::Log::open).
pub(crate) fn start(folder: &Folder, scan_from: Lsn) -> Result<(Format, Lsn), LogError> {
    let format = learn_format(folder)?;
    let from = start_of_walk(folder, &format, scan_from)?;
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
    refuse_damage(format, walk(folder, format, from, known_durable, &mut |_| {})?)
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
        return refuse_damage(format, walked);
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

fn refuse_damage(format: &Format, walked: Walked) -> Result<Walked, LogError> {
    let (lsn, version) = (walked.end, walked.version);
    let (segment, offset) = (format.geometry.segment(lsn), format.geometry.offset(lsn));
    match walked.verdict {
        Verdict::CleanEnd | Verdict::TornEnd => Ok(walked),
        Verdict::Rotten => Err(LogError::Rotten { lsn, segment, offset }),
        Verdict::Missing => Err(LogError::Missing { segment }),
        Verdict::Foreign => Err(LogError::Foreign { segment }),
        Verdict::Newer => Err(LogError::Newer { segment, version }),
        Verdict::GoOn | Verdict::NextSegment => panic!("a walk ends where the chain does"),
    }
}
