//! What is told of a log, in which order and in which words, however it is shown.

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

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

/// Whether nobody reads any more what is told.
pub(crate) type Gone = Rc<Cell<bool>>;

/// A stream that may lose its reader: what is written from then on goes nowhere, and is no error.
pub(crate) struct WhileRead<W> {
    out: W,
    gone: Gone,
}

impl<W: Write> WhileRead<W> {
    pub(crate) fn new(out: W, gone: &Gone) -> Self {
        Self { out, gone: Rc::clone(gone) }
    }

    fn unless_gone<T>(
        &mut self,
        otherwise: T,
        write: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.gone.get() {
            return Ok(otherwise);
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone.set(true);
                Ok(otherwise)
            }
            written => written,
        }
    }
}

impl<W: Write> Write for WhileRead<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_gone(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_gone((), Write::flush)
    }
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
