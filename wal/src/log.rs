//! The single writer of a log.
//!
//! Promises: [`Log::append`] returns `Ok` only when the frame is on the medium; frames are durable
//! in log order; a block that was acknowledged is never written again; after a failed write nothing
//! is acknowledged any more; a full disk is told before anything is written. A process killed at
//! any moment leaves a log that [`Log::open`] continues.

use std::io;
use std::sync::Arc;

use crate::disk::queue::{DirectQueue, Submission, WriteQueue};
use crate::disk::{DiskFile, is_no_space};
use crate::error::LogError;
use crate::frame::{Finished, FrameBuffers, FrameBuilder, FrameSeal};
use crate::header::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, SegmentHeader, padded};
use crate::look::{Chain, Format};
use crate::lsn::{BLOCK_BYTES, Geometry, Lsn};
use crate::pool::Pool;
use crate::reader::LogReader;
use crate::shared::{SegmentInfo, Shared};

/// Default size of a segment, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Default step in which a segment is filled with zeros ahead of the tail, in bytes.
pub const RESERVE_STEP_BYTES_DEFAULT: u64 = 1024 * 1024;

/// Default number of recycled segments that wait to be used again.
pub const SPARE_SEGMENTS_DEFAULT: usize = 2;

/// Largest buffer that is kept for the next frame, in bytes.
const KEPT_BUFFER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Settings of a log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Bytes of a segment. Fixed when the log is created; an existing log keeps its own.
    pub segment_size: u64,
    /// Bytes of zeros written ahead of the tail at a time.
    pub reserve_step: u64,
    /// Recycled segments kept for use again; more are removed.
    pub spare_segments: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_size: SEGMENT_BYTES_DEFAULT,
            reserve_step: RESERVE_STEP_BYTES_DEFAULT,
            spare_segments: SPARE_SEGMENTS_DEFAULT,
        }
    }
}

/// Where an appended frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its start.
    pub start: Lsn,
    /// The position after it.
    pub end: Lsn,
}

/// The segment that is written.
pub(crate) struct Active {
    pub(crate) segment: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    /// Bytes of the file that are allocated and durable zeros or frames.
    pub(crate) reserved: u64,
}

/// The writer. There is one per log; readers come from [`Log::reader`].
pub struct Log {
    pub(crate) shared: Arc<Shared>,
    pub(crate) options: LogOptions,
    pub(crate) pool: Pool,
    pub(crate) queue: Box<dyn WriteQueue>,
    /// `None` until the segment that `next` stands before is begun.
    pub(crate) active: Option<Active>,
    /// Where the next frame goes, or the base of a segment that is not begun.
    pub(crate) next: Lsn,
    pub(crate) chain: Chain,
    pub(crate) generation: u64,
    pub(crate) last: Option<FrameKind>,
    pub(crate) poisoned: Option<Arc<io::Error>>,
    pub(crate) buffers: FrameBuffers,
    pub(crate) tag: u64,
}

impl Log {
    /// The id given when the log was created.
    pub fn id(&self) -> [u8; 16] {
        self.format().log_id
    }

    /// Bytes of a segment of this log.
    pub fn segment_size(&self) -> u64 {
        self.geometry().segment_bytes()
    }

    /// Most payload bytes that a frame can hold, framing of the records included.
    pub fn max_payload(&self) -> usize {
        let room = self.segment_size() - BLOCK_BYTES;
        usize::try_from(room).unwrap_or(usize::MAX) - FRAME_HEADER_BYTES
    }

    /// Counts how often the log was opened.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where the next frame starts if it fits into the current segment.
    pub fn next_lsn(&self) -> Lsn {
        if self.active.is_some() {
            self.next
        } else {
            self.geometry().first_frame(self.geometry().segment(self.next))
        }
    }

    /// End of the last durable frame.
    pub fn durable_lsn(&self) -> Lsn {
        self.shared.durable()
    }

    /// First frame still kept.
    pub fn oldest(&self) -> Lsn {
        self.shared.oldest()
    }

    /// The segments that are kept, in order.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.shared.segments()
    }

    /// A handle for reading while this one writes.
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// Begins a frame, and a new segment when `payload_hint` bytes (see
    /// [`framed_len`](crate::framed_len)) do not fit into the current one. The position of the frame
    /// is fixed and its space is taken from the disk here. Dropping the builder gives the position
    /// back. More than the hint may be pushed, up to the end of the segment.
    ///
    /// # Errors
    /// [`LogError::TooLarge`], [`LogError::NoSpace`] (the log stays usable), [`LogError::Poisoned`].
    pub fn begin_frame(&mut self, payload_hint: usize) -> Result<FrameBuilder, LogError> {
        self.check_poison()?;
        let max = self.max_payload();
        if payload_hint > max {
            return Err(LogError::TooLarge { len: payload_hint, max });
        }
        let bytes = padded(u64::try_from(payload_hint).unwrap_or(u64::MAX));
        if bytes > self.room() {
            self.switch_segment(bytes)?;
        }
        match self.reserve(bytes, BLOCK_BYTES) {
            // The disk is full, but a recycled segment has its space already.
            Err(LogError::NoSpace) if self.pool.has_spare() => self.switch_segment(bytes)?,
            reserved => reserved?,
        }
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX) - FRAME_HEADER_BYTES;
        Ok(FrameBuilder::new(self.next, room, std::mem::take(&mut self.buffers)))
    }

    /// Writes a frame; it is durable when this returns. An empty frame is an idle marker: it tells
    /// recovery that everything before it was durable.
    ///
    /// # Errors
    /// [`LogError::NoSpace`] when more was pushed than announced and the disk is full: nothing was
    /// written and the log stays usable. [`LogError::Poisoned`] when the write failed: the frame
    /// may or may not be found when the log is opened again.
    ///
    /// # Panics
    /// When the frame was not begun at the current position of this log.
    pub fn append(&mut self, frame: FrameBuilder) -> Result<Appended, LogError> {
        self.check_poison()?;
        assert_eq!(frame.start(), self.next, "a frame is appended where it was begun");
        let bytes = padded(u64::try_from(frame.payload_len()).unwrap_or(u64::MAX));
        self.reserve(bytes, BLOCK_BYTES)?;
        let header = self.write(frame, FrameKind::Data)?;
        self.shared.set_durable(header.end());
        Ok(Appended { start: header.lsn, end: header.end() })
    }

    /// Gives back sealed segments that nobody needs any more: the caller knows what is live. Files
    /// wait as spares up to the bound in the options; the others are removed.
    ///
    /// # Errors
    /// [`LogError::NotSealed`] before anything is done; [`LogError::Io`] when a file could not be
    /// moved: it is then out of the readers' sight and comes back when the log is opened again.
    pub fn recycle(&mut self, segments: &[u64]) -> Result<(), LogError> {
        let current = self.geometry().segment(self.next);
        for segment in segments {
            if *segment >= current || !self.shared.keeps(*segment) {
                return Err(LogError::NotSealed { segment: *segment });
            }
        }
        for segment in segments {
            // Out of sight first: a reader checks after reading that the segment is still kept.
            if self.shared.forget(*segment) {
                self.pool.give_back(*segment)?;
            }
        }
        Ok(())
    }

    /// Ends the log in good order, with a marker that says so (a full disk may leave it out).
    /// Dropping the log instead is as safe as a killed process.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] when the log is or becomes poisoned.
    pub fn close(mut self) -> Result<(), LogError> {
        self.check_poison()?;
        let empty = self.active.is_none() || self.last == Some(FrameKind::Close);
        if empty || self.next == self.first_ever() || self.room() < BLOCK_BYTES {
            return Ok(());
        }
        match self.reserve(BLOCK_BYTES, 0) {
            Ok(()) => self.write_marker(FrameKind::Close),
            Err(LogError::NoSpace) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn first_ever(&self) -> Lsn {
        self.geometry().first_frame(0)
    }

    pub(crate) fn format(&self) -> &Format {
        &self.shared.format
    }

    fn geometry(&self) -> Geometry {
        self.shared.format.geometry
    }

    fn check_poison(&self) -> Result<(), LogError> {
        match &self.poisoned {
            Some(cause) => Err(LogError::Poisoned { cause: Arc::clone(cause) }),
            None => Ok(()),
        }
    }

    fn poison(&mut self, error: io::Error) -> LogError {
        let cause = Arc::new(error);
        self.poisoned = Some(Arc::clone(&cause));
        LogError::Poisoned { cause }
    }

    /// A full disk while space was being taken leaves the log as it was; anything else is in doubt.
    fn no_space_or_poison(&mut self, error: io::Error) -> LogError {
        if is_no_space(&error) { LogError::NoSpace } else { self.poison(error) }
    }

    /// Bytes left in the current segment; none when there is no current segment.
    fn room(&self) -> u64 {
        match &self.active {
            Some(active) => self.geometry().end(active.segment).0 - self.next.0,
            None => 0,
        }
    }

    /// Makes sure that the next `bytes` bytes of the current segment are allocated and zero, and
    /// `marker` bytes behind them as far as the segment goes. Data always leaves a block for the
    /// marker that ends the segment or the log, so that a full disk can still go on into a
    /// recycled segment, and close.
    fn reserve(&mut self, bytes: u64, marker: u64) -> Result<(), LogError> {
        let (geometry, next, step) = (self.geometry(), self.next, self.options.reserve_step.max(1));
        let Some(active) = &mut self.active else { return Ok(()) };
        let needed = (geometry.offset(next) + bytes + marker).min(geometry.segment_bytes());
        if needed <= active.reserved {
            return Ok(());
        }
        let stepped = needed.next_multiple_of(step).min(geometry.segment_bytes());
        let mut reserved = stepped;
        let mut result = active.file.reserve(stepped);
        if stepped > needed && result.as_ref().is_err_and(is_no_space) {
            reserved = needed;
            result = active.file.reserve(needed);
        }
        match result {
            Ok(()) => {
                active.reserved = reserved;
                self.shared.keep(active.segment, None, reserved);
                Ok(())
            }
            Err(error) => Err(self.no_space_or_poison(error)),
        }
    }

    /// Ends the current segment and begins the next, with room for a frame of `bytes` bytes.
    ///
    /// The new file is allocated and named first, so that a full disk changes nothing; then comes
    /// the seal, then the new header. Killed in between, recovery finds the end of the old segment
    /// or of the seal, and a file without a header behind it.
    fn switch_segment(&mut self, bytes: u64) -> Result<(), LogError> {
        let geometry = self.geometry();
        let segment = match &self.active {
            Some(active) => active.segment + 1,
            None => geometry.segment(self.next),
        };
        let step = self.options.reserve_step.max(1);
        let needed = (BLOCK_BYTES + bytes + BLOCK_BYTES).min(geometry.segment_bytes());
        let stepped = needed.next_multiple_of(step).min(geometry.segment_bytes());
        let made = match self.pool.make(segment, stepped) {
            Err(error) if is_no_space(&error) && stepped > needed => {
                self.pool.make(segment, needed)
            }
            other => other,
        };
        let made = made.map_err(|error| self.no_space_or_poison(error))?;
        if self.active.is_some()
            && self.room() >= BLOCK_BYTES
            && self.reserve(BLOCK_BYTES, 0).is_ok()
        {
            self.write_marker(FrameKind::Seal)?;
        } else if self.active.is_some() && self.room() > 0 {
            self.pool.unmake(segment);
            return Err(self.check_poison().err().unwrap_or(LogError::NoSpace));
        }
        let header = SegmentHeader {
            log_id: self.id(),
            segment,
            segment_bytes: geometry.segment_bytes(),
            generation: self.generation,
            durable_lsn: geometry.base(segment),
            prev_crc: self.chain.crc.unwrap_or(0),
            recycled: made.recycled,
        };
        if let Err(error) = made.file.write_durable_at(0, &header.encode()) {
            return Err(self.poison(error));
        }
        self.shared.keep(segment, Some(Arc::clone(&made.file)), made.bytes);
        self.next = geometry.first_frame(segment);
        self.active = Some(Active { segment, file: made.file, reserved: made.bytes });
        Ok(())
    }

    /// Writes a frame without records. Its block must be reserved.
    fn write_marker(&mut self, kind: FrameKind) -> Result<(), LogError> {
        let builder = FrameBuilder::new(self.next, 0, std::mem::take(&mut self.buffers));
        self.write(builder, kind).map(|_| ())
    }

    /// Writes a frame durably and moves on.
    fn write(&mut self, frame: FrameBuilder, kind: FrameKind) -> Result<FrameHeader, LogError> {
        let seal = FrameSeal {
            kind,
            generation: self.generation,
            // One write is in flight at a time, so everything before this frame is durable.
            durable_lsn: self.next,
            prev_crc: self.chain.crc.unwrap_or(0),
        };
        let Finished { header, bytes, table } = frame.finish(&seal, self.format().tag);
        let Some(active) = &self.active else {
            panic!("a frame is written into a segment that was begun");
        };
        let offset = self.geometry().offset(header.lsn);
        assert!(offset + header.total_bytes() <= active.reserved, "space is reserved first");
        self.tag += 1;
        let file = Arc::clone(&active.file);
        self.queue.submit(Submission { file, offset, data: bytes, tag: self.tag });
        let Some(done) = self.queue.reap() else { panic!("a submitted write completes") };
        assert_eq!(done.tag, self.tag, "writes complete in order at depth one");
        self.keep_buffers(done.data, table);
        if let Err(error) = done.result {
            return Err(self.poison(error));
        }
        self.next = header.end();
        self.chain = Chain::after(&header);
        self.last = Some(kind);
        Ok(header)
    }

    fn keep_buffers(&mut self, buf: Vec<u8>, table: Vec<u8>) {
        if buf.capacity() <= KEPT_BUFFER_BYTES_MAX {
            self.buffers.buf = buf;
        }
        if table.capacity() <= KEPT_BUFFER_BYTES_MAX {
            self.buffers.table = table;
        }
    }

    /// A writer in its first state, with no segment begun.
    pub(crate) fn assemble(
        shared: Arc<Shared>,
        options: LogOptions,
        pool: Pool,
        generation: u64,
        next: Lsn,
    ) -> Self {
        Self {
            shared,
            options,
            pool,
            queue: Box::new(DirectQueue::default()),
            active: None,
            next,
            chain: Chain { crc: None, generation },
            generation,
            last: None,
            poisoned: None,
            buffers: FrameBuffers::default(),
            tag: 0,
        }
    }

    /// Begins the log's first segment.
    pub(crate) fn begin_first_segment(&mut self) -> Result<(), LogError> {
        self.switch_segment(BLOCK_BYTES)
    }
}
