//! What is told of a log, in which order and in which words, however it is shown.

use std::io;

use strongroom_wal::inspect::{Finding, FindingKind, SegmentFile, Summary};
use strongroom_wal::{Frame, FrameKind};

use crate::records::Shown;

/// Receives what is found, in this order: one head, frames and findings as they stand in the log,
/// one end.
pub(crate) trait Output {
    fn head(&mut self, head: &Head) -> io::Result<()>;
    fn frame(
        &mut self,
        frame: &Frame,
        segment_size: u64,
        records: Option<&[Shown]>,
    ) -> io::Result<()>;
    fn finding(&mut self, finding: &Finding) -> io::Result<()>;
    fn end(&mut self, summary: &Summary, clean: bool) -> io::Result<()>;
    fn flush(&mut self) -> io::Result<()>;
}

/// What is known before the frames are read.
pub(crate) struct Head {
    pub(crate) log_id: [u8; 16],
    pub(crate) segment_size: u64,
    pub(crate) spares: usize,
    pub(crate) segments: Vec<SegmentFile>,
}

/// What a finding means, for people.
pub(crate) fn explain(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Recycled => "segments were recycled here (no damage)",
        FindingKind::Torn => "unfinished write, never acknowledged; opening the store drops it",
        FindingKind::Rotten => {
            "acknowledged data is damaged; restore the file from a replica or a backup"
        }
        FindingKind::Missing => "a segment is missing; restore it from a replica or a backup",
        FindingKind::Foreign => "segment of another log; move it away",
        FindingKind::Newer => "written by a newer version; use that version",
    }
}

/// One word for a finding.
pub(crate) fn word(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Recycled => "recycled",
        FindingKind::Torn => "torn",
        FindingKind::Rotten => "rotten",
        FindingKind::Missing => "missing",
        FindingKind::Foreign => "foreign",
        FindingKind::Newer => "newer",
    }
}

/// One word for a frame's kind.
pub(crate) fn kind_word(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Data => "data",
        FrameKind::Seal => "seal",
        FrameKind::Close => "close",
    }
}
