//! Reading a log while it is written.
//!
//! Promises: a reader sees durable frames only, each checked whole and against the frame before
//! it; a reader that stands in a recycled segment gets [`ReadError::Gone`], never other bytes.

use std::sync::Arc;

use crate::disk::{Disk, DurableReport};
use crate::error::{LogError, ReadError};
use crate::format::{Frame, FrameKind};
use crate::look::{Chain, Look, look};
use crate::lsn::{BLOCK_BYTES, Lsn};
use crate::options::LogOptions;
use crate::recovery::end::{self, OpenHint};
use crate::recovery::folder::Folder;
use crate::retention::{Held, Hold};
use crate::shared::Shared;

/// A handle for reading; clones share the writer's durable position.
#[derive(Clone)]
pub struct LogReader {
    shared: Arc<Shared>,
}

impl LogReader {
    /// Opens the log of a stopped writer for reading only; nothing on the disk is changed.
    ///
    /// # Errors
    /// As [`Log::open`](crate::Log::open).
    pub fn open(disk: Arc<dyn Disk>, hint: OpenHint) -> Result<Self, LogError> {
        let folder = Folder::list(disk)?;
        let (format, from) = end::start(&folder, &hint)?;
        let end = end::find(&folder, &format, from, hint.known_durable)?.end;
        // Nobody knows who else writes there: plain calls report what maps die of.
        let options = LogOptions { mmap: false, recent_bytes: 0, ..LogOptions::default() };
        let shared = Arc::new(Shared::new(Arc::clone(&folder.disk), format, end, &options));
        for segment in folder.segments.iter().copied().filter(|s| format.geometry.base(*s) < end) {
            shared.keep(segment, None, folder.open_read(segment)?.len()?);
        }
        Ok(Self::new(shared))
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// End of the last durable frame.
    pub fn durable_lsn(&self) -> Lsn {
        self.shared.durable()
    }

    /// First frame still kept.
    pub fn oldest(&self) -> Lsn {
        self.shared.oldest()
    }

    /// Whether every frame is kept from `from` on: a frame's start or exact end, or the base of a
    /// segment.
    pub fn keeps_from(&self, from: Lsn) -> bool {
        let (geometry, oldest) = (self.shared.format.geometry, self.oldest());
        // Where a segment ends no frame follows before the next one's first.
        let at_base = geometry.offset(from) == 0 && from.plus(BLOCK_BYTES) == oldest;
        from >= oldest || at_base
    }

    /// Keeps the log from `lsn` on for `name`, as [`Log::hold`](crate::Log::hold) does.
    pub fn hold(&self, name: &'static str, lsn: Lsn, bound: u64) -> Hold {
        Arc::clone(&self.shared.holds).hold(name, lsn, bound)
    }

    /// As [`Log::holds`](crate::Log::holds).
    pub fn holds(&self) -> Vec<Held> {
        self.shared.holds.list(self.shared.durable())
    }

    /// As [`Log::durable_report`](crate::Log::durable_report).
    pub fn durable_report(&self) -> Option<DurableReport> {
        self.shared.disk.durable_report()
    }

    /// How many segments are kept.
    pub fn segments_len(&self) -> usize {
        self.shared.segments_len()
    }

    /// Bytes of a segment of this log.
    pub fn segment_size(&self) -> u64 {
        self.shared.format.geometry.segment_bytes()
    }

    /// The frames from `from` on: any frame's start or exact end, or the base of a segment.
    pub fn frames(&self, from: Lsn) -> Frames {
        Frames {
            shared: Arc::clone(&self.shared),
            at: from,
            chain: Chain::default(),
            failed: false,
        }
    }

    /// Reads bytes at a position within one segment. They are not checked: the caller has their
    /// digest.
    ///
    /// # Errors
    /// See [`ReadError`]; `buf` is then in doubt.
    pub fn read_bytes(&self, at: Lsn, buf: &mut [u8]) -> Result<(), ReadError> {
        let geometry = self.shared.format.geometry;
        let out_of_segment = || ReadError::OutOfSegment { lsn: at, len: buf.len() };
        let len = u64::try_from(buf.len()).map_err(|_| out_of_segment())?;
        let end = Lsn(at.0.checked_add(len).ok_or_else(out_of_segment)?);
        let durable = self.shared.durable();
        if end > durable {
            return Err(ReadError::Beyond { lsn: end, durable });
        }
        let (segment, offset) = (geometry.segment(at), geometry.offset(at));
        if offset < BLOCK_BYTES || len > geometry.segment_bytes() - offset {
            return Err(out_of_segment());
        }
        let gone = || ReadError::Gone { oldest: self.shared.oldest() };
        if self.shared.recent.read(at, buf) && self.shared.keeps(segment) {
            return Ok(());
        }
        let file = self.shared.file(segment)?.ok_or_else(gone)?;
        let read = file.read_at(offset, buf);
        // The file may have become another segment's while it was read.
        if !self.shared.keeps(segment) {
            return Err(gone());
        }
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(ReadError::Rotten { lsn: at, segment, offset })
            }
            other => Ok(other?),
        }
    }
}

/// Iterator over durable data frames; seals and close markers are passed over.
///
/// `None` means that the durable end is reached; calling `next` later goes on. After an error it
/// stays at `None`.
pub struct Frames {
    shared: Arc<Shared>,
    at: Lsn,
    chain: Chain,
    failed: bool,
}

impl Frames {
    /// The position that is read next.
    pub fn position(&self) -> Lsn {
        self.at
    }

    fn read_next(&mut self) -> Result<Option<Frame>, ReadError> {
        let geometry = self.shared.format.geometry;
        loop {
            let durable = self.shared.durable();
            if geometry.offset(self.at) == 0 && self.at < durable {
                self.at = self.at.plus(BLOCK_BYTES);
            }
            if self.at >= durable {
                return Ok(None);
            }
            let frame = self.read_frame(durable)?;
            self.chain = Chain::after(&frame.header);
            self.at = frame.end();
            match frame.header.kind {
                FrameKind::Data => return Ok(Some(frame)),
                FrameKind::Close => {}
                FrameKind::Seal => self.at = geometry.end(geometry.segment(frame.start())),
            }
        }
    }

    fn read_frame(&self, durable: Lsn) -> Result<Frame, ReadError> {
        let geometry = self.shared.format.geometry;
        let (segment, offset) = (geometry.segment(self.at), geometry.offset(self.at));
        let gone = || ReadError::Gone { oldest: self.shared.oldest() };
        let file = self.shared.file(segment)?.ok_or_else(gone)?;
        let limit = (durable.0 - geometry.base(segment).0).min(geometry.segment_bytes());
        let looked = look(&*file, &self.shared.format, self.at, limit);
        // The file may have become another segment's while it was read.
        if !self.shared.keeps(segment) {
            return Err(gone());
        }
        match looked? {
            Look::Frame(frame)
                if self.chain.accepts(frame.header.prev_crc, frame.header.generation) =>
            {
                Ok(frame)
            }
            _ => Err(ReadError::Rotten { lsn: self.at, segment, offset }),
        }
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read_next();
        self.failed = next.is_err();
        next.transpose()
    }
}
