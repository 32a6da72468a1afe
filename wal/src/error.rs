//! What can go wrong with a log, and what to do about it.

use std::io;
use std::sync::Arc;

use crate::lsn::{Lsn, segment_name};
use crate::recovery::end::LogIdentity;

/// Errors of the writer and of opening a log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The options cannot be used; correct them.
    #[error("segment size {segment_bytes} must be a multiple of 4096 from 64 KiB to 2 GiB")]
    SegmentSize {
        /// What was asked for.
        segment_bytes: u64,
    },
    /// There is a log already: open it, or choose an empty folder.
    #[error("the folder holds a log already; open it instead of creating one")]
    Exists,
    /// There is no log: create one, or correct the folder.
    #[error("the folder holds no log")]
    NotFound,
    /// No frame can hold that much: split the batch, or use larger segments.
    #[error("{len} bytes of records do not fit into a frame; the most is {max}")]
    TooLarge {
        /// Payload bytes asked for.
        len: usize,
        /// Most payload bytes in a frame of this log.
        max: usize,
    },
    /// The disk is full. Nothing was written and the log can be used on: make room and try again.
    #[error("no space left for the log; nothing was written, make room and try again")]
    NoSpace,
    /// A write failed, so nothing is known about the end of the log: close it and open it again.
    #[error("the log is poisoned by a failed write ({cause}); open it again")]
    Poisoned {
        /// The failure.
        cause: Arc<io::Error>,
    },
    /// Bytes that were acknowledged are damaged: restore this file from a replica or a backup.
    #[error(
        "acknowledged log is damaged at LSN {lsn}: segment {segment}, offset {offset}; restore it from a replica or a backup"
    )]
    Rotten {
        /// First damaged position.
        lsn: Lsn,
        /// Its segment.
        segment: u64,
        /// Its offset in that segment.
        offset: u64,
    },
    /// A segment that was acknowledged is gone: restore it from a replica or a backup.
    #[error("segment {segment} of the log is missing; restore it from a replica or a backup")]
    Missing {
        /// The segment.
        segment: u64,
    },
    /// A file of another log lies among ours: move it away.
    #[error(
        "{} is a file of {found}, not of {expected}; move it out of the folder",
        segment_name(*segment)
    )]
    Foreign {
        /// The segment.
        segment: u64,
        /// The log that it is of.
        found: LogIdentity,
        /// The log that is opened.
        expected: LogIdentity,
    },
    /// Written by a newer version: use that version.
    #[error("segment {segment} has format version {version}, newer than this build reads")]
    Newer {
        /// The segment.
        segment: u64,
        /// Its version.
        version: u8,
    },
    /// The segment is still written or does not exist; the caller's bookkeeping is wrong.
    #[error("segment {segment} is not a sealed segment of this log and cannot be recycled")]
    NotSealed {
        /// The segment.
        segment: u64,
    },
    /// Somebody within his bound still needs the segment: wait until he is through or too far behind.
    #[error("segment {segment} of the log is still held by {name:?}")]
    Held {
        /// The segment.
        segment: u64,
        /// Who holds it.
        name: &'static str,
    },
    /// Reading or listing failed: look at the disk, then try again.
    #[error("the log cannot be read: {cause}")]
    Io {
        /// The failure.
        cause: Arc<io::Error>,
    },
}

impl From<io::Error> for LogError {
    fn from(cause: io::Error) -> Self {
        Self::Io { cause: Arc::new(cause) }
    }
}

/// Errors of reading a log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The position was recycled: start at `oldest`, or reconcile.
    #[error("this part of the log was recycled; the oldest frame kept is at {oldest}")]
    Gone {
        /// First frame still kept.
        oldest: Lsn,
    },
    /// Not durable yet, or past the end: wait, or correct the position.
    #[error("position {lsn} is beyond the durable end {durable}")]
    Beyond {
        /// End of what was asked for.
        lsn: Lsn,
        /// The durable end.
        durable: Lsn,
    },
    /// The range is not within the frames of one segment; correct the position.
    #[error("{len} bytes at {lsn} are not within one segment")]
    OutOfSegment {
        /// Start of what was asked for.
        lsn: Lsn,
        /// Bytes asked for.
        len: usize,
    },
    /// No sound frame starts here though the log is durable beyond: the position is not that of a
    /// frame, or the frame is damaged; restore it from a replica or a backup.
    #[error("no sound frame at LSN {lsn}: segment {segment}, offset {offset}")]
    Rotten {
        /// The position.
        lsn: Lsn,
        /// Its segment.
        segment: u64,
        /// Its offset in that segment.
        offset: u64,
    },
    /// Reading failed: look at the disk, then try again.
    #[error("the log cannot be read: {cause}")]
    Io {
        /// The failure.
        cause: Arc<io::Error>,
    },
}

impl From<io::Error> for ReadError {
    fn from(cause: io::Error) -> Self {
        Self::Io { cause: Arc::new(cause) }
    }
}
