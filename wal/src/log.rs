//! The single writer of a log.
//!
//! Promises: a frame that [`Log::reap`] or [`Log::append`] gave back is on the medium, and so is
//! everything before it; a block that was acknowledged is never written again; after a failed write
//! nothing is acknowledged any more; a full disk is told before anything is written. A process
//! killed at any moment leaves a log that [`Log::open`] continues.

use std::io;
use std::sync::Arc;

use crate::disk::queue::{DirectQueue, QUEUE_DEPTH_MAX, WriteQueue};
use crate::disk::{DiskFile, DurableReport, is_no_space};
use crate::error::LogError;
use crate::flight::{Flight, Write};
use crate::frame::{Finished, FrameBuilder, FrameSeal};
use crate::header::{FRAME_HEADER_BYTES, FrameKind, padded};
use crate::look::{Chain, Format};
use crate::lsn::{BLOCK_BYTES, Geometry, Lsn};
use crate::options::LogOptions;
use crate::pool::Pool;
use crate::reader::LogReader;
use crate::retention::{Held, Hold};
use crate::shared::{SegmentInfo, Shared};

/// Largest table of lengths whose memory is kept for the next frame, in bytes.
const KEPT_TABLE_BYTES_MAX: usize = 1024 * 1024;

/// Where a frame stands.
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
    pub(crate) flight: Flight,
    /// `None` until the segment that `next` stands before is begun.
    pub(crate) active: Option<Active>,
    /// Where the next frame goes, or the base of a segment that is not begun.
    pub(crate) next: Lsn,
    pub(crate) chain: Chain,
    pub(crate) generation: u64,
    pub(crate) last: Option<FrameKind>,
    pub(crate) poisoned: Option<Arc<io::Error>>,
    /// The memory of the last frame's table of lengths.
    pub(crate) table: Vec<u8>,
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

    /// Keeps the log from `lsn` on for `name`, as long as no more than `bound` bytes of durable log
    /// follow. Has no effect on what was recycled already.
    pub fn hold(&self, name: &'static str, lsn: Lsn, bound: u64) -> Hold {
        Arc::clone(&self.shared.holds).hold(name, lsn, bound)
    }

    /// Who holds which part of the log.
    pub fn holds(&self) -> Vec<Held> {
        self.shared.holds.list(self.shared.durable())
    }

    /// The first position that a hold within its bound still needs; `None` when none does. Segments
    /// that end there or before can be given to [`recycle`](Self::recycle).
    pub fn held_from(&self) -> Option<Lsn> {
        self.shared.holds.first(self.shared.durable())
    }

    /// A handle for reading while this one writes.
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// Writes that may be in flight. [`submit`](Self::submit) waits for one when there are more.
    pub fn depth(&self) -> usize {
        self.flight.depth()
    }

    /// Frames that were submitted and not yet given back by [`reap`](Self::reap).
    pub fn in_flight(&self) -> usize {
        self.flight.frames()
    }

    /// How durable writes are done and what was measured at the start; `None` on a disk that has no
    /// choice.
    pub fn durable_report(&self) -> Option<DurableReport> {
        self.shared.disk.durable_report()
    }

    /// Why nothing is acknowledged any more; `None` as long as all is well. For health answers.
    pub fn poisoned(&self) -> Option<Arc<io::Error>> {
        self.poisoned.clone()
    }

    /// Begins a frame, and a new segment when `payload_hint` bytes (see
    /// [`framed_len`](crate::framed_len)) do not fit into the current one. The position of the frame
    /// is fixed and its space is taken from the disk here. Dropping the builder gives the position
    /// back. More than the hint may be pushed, up to the end of the segment. Other frames may be in
    /// flight meanwhile.
    ///
    /// # Errors
    /// [`LogError::TooLarge`], [`LogError::NoSpace`] (the log stays usable), [`LogError::Poisoned`].
    pub fn begin_frame(&mut self, payload_hint: usize) -> Result<FrameBuilder, LogError> {
        let reserve = self.options.recovery_reserve.min(self.segment_size() / 8);
        self.begin(payload_hint, reserve.next_multiple_of(BLOCK_BYTES))
    }

    /// Begins a frame for recovery's own use (compensations, the end of a loser): on a full disk it
    /// may take what [`begin_frame`](Self::begin_frame) leaves free.
    ///
    /// # Errors
    /// As [`begin_frame`](Self::begin_frame).
    pub fn begin_recovery_frame(&mut self, payload_hint: usize) -> Result<FrameBuilder, LogError> {
        self.begin(payload_hint, 0)
    }

    /// Writes a frame; it is durable when this returns, and so is every frame before it: those in
    /// flight are reaped too. An empty frame is an idle marker: it tells recovery that everything
    /// before it was durable.
    ///
    /// # Errors
    /// As [`submit`](Self::submit) and [`reap`](Self::reap).
    ///
    /// # Panics
    /// When the frame was not begun at the current position of this log.
    pub fn append(&mut self, frame: FrameBuilder) -> Result<Appended, LogError> {
        let appended = self.submit(frame)?;
        while self.reap()?.is_some() {}
        Ok(appended)
    }

    /// Starts the durable write of a frame and says where it will stand. It may be acknowledged when
    /// [`reap`](Self::reap) gives it back. Waits only while [`depth`](Self::depth) writes are in
    /// flight.
    ///
    /// # Errors
    /// [`LogError::NoSpace`] when more was pushed than announced and the disk is full: nothing was
    /// written and the log stays usable. [`LogError::Poisoned`] when a write failed, be it an
    /// earlier one: every frame not yet given back may or may not be found when the log is opened
    /// again.
    ///
    /// # Panics
    /// When the frame was not begun at the current position of this log.
    pub fn submit(&mut self, frame: FrameBuilder) -> Result<Appended, LogError> {
        self.check_poison()?;
        assert_eq!(frame.start(), self.next, "a frame is submitted where it was begun");
        let bytes = padded(u64::try_from(frame.payload_len()).unwrap_or(u64::MAX));
        self.reserve(bytes, BLOCK_BYTES)?;
        let appended = self.write(frame, FrameKind::Data)?;
        self.prepare_ahead();
        Ok(appended)
    }

    /// Waits for the next frame in log order to become durable, and gives it back. `None` when none
    /// is in flight.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] when any write failed: nothing is acknowledged any more.
    pub fn reap(&mut self) -> Result<Option<Appended>, LogError> {
        self.check_poison()?;
        let next = self.flight.arrive();
        self.settle(next)
    }

    /// Gives back sealed segments that nobody needs any more: the caller knows what is live. Files
    /// wait as spares up to the bound in the options; the others are removed.
    ///
    /// # Errors
    /// [`LogError::NotSealed`] and [`LogError::Held`] before anything is done; [`LogError::Io`] when a file could not be
    /// moved: it is then out of the readers' sight and comes back when the log is opened again.
    pub fn recycle(&mut self, segments: &[u64]) -> Result<(), LogError> {
        // Also when it is full to the end: a log without any segment would be none.
        let current = match &self.active {
            Some(active) => active.segment,
            None => self.geometry().segment(self.next),
        };
        for segment in segments {
            if *segment >= current || !self.shared.keeps(*segment) {
                return Err(LogError::NotSealed { segment: *segment });
            }
            let end = self.geometry().end(*segment);
            if let Some(name) = self.shared.holds.needs(end, self.shared.durable()) {
                return Err(LogError::Held { segment: *segment, name });
            }
        }
        let Some(last) = segments.iter().max() else { return Ok(()) };
        if self.flight.mark() < self.geometry().end(*last) {
            // Its last writes are on their way into the file.
            self.check_poison()?;
            let drained = self.flight.drain();
            self.settle(drained)?;
        }
        for segment in segments {
            // Out of sight first: a reader checks after reading that the segment is still kept.
            if self.shared.forget(*segment) {
                self.pool.give_back(*segment)?;
            }
        }
        Ok(())
    }

    /// Ends the log in good order, with a marker that says so (a full disk may leave it out). Waits
    /// for what is in flight. Dropping the log instead is as safe as a killed process.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] when the log is or becomes poisoned.
    pub fn close(mut self) -> Result<(), LogError> {
        while self.reap()?.is_some() {}
        let empty = self.active.is_none() || self.last == Some(FrameKind::Close);
        if empty || self.next == self.first_ever() || self.room() < BLOCK_BYTES {
            return Ok(());
        }
        match self.reserve(BLOCK_BYTES, 0) {
            Ok(()) => {
                self.write_marker(FrameKind::Close)?;
                let drained = self.flight.drain();
                self.settle(drained)
            }
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

    pub(crate) fn geometry(&self) -> Geometry {
        self.shared.format.geometry
    }

    pub(crate) fn check_poison(&self) -> Result<(), LogError> {
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
    pub(crate) fn no_space_or_poison(&mut self, error: io::Error) -> LogError {
        if is_no_space(&error) { LogError::NoSpace } else { self.poison(error) }
    }

    /// Bytes left in the current segment; none when there is no current segment.
    pub(crate) fn room(&self) -> u64 {
        match &self.active {
            Some(active) => self.geometry().end(active.segment).0 - self.next.0,
            None => 0,
        }
    }

    pub(crate) fn builder(&mut self, room: usize, bytes: u64) -> FrameBuilder {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        FrameBuilder::new(
            self.next,
            room,
            self.flight.buffer(bytes),
            std::mem::take(&mut self.table),
        )
    }

    /// Writes a frame without records. Its block must be reserved.
    pub(crate) fn write_marker(&mut self, kind: FrameKind) -> Result<(), LogError> {
        let builder = self.builder(0, BLOCK_BYTES);
        self.write(builder, kind).map(|_| ())
    }

    /// Starts the write of a frame and moves on.
    fn write(&mut self, frame: FrameBuilder, kind: FrameKind) -> Result<Appended, LogError> {
        self.make_room()?;
        let seal = FrameSeal {
            kind,
            generation: self.generation,
            durable_lsn: self.flight.mark(),
            prev_crc: self.chain.crc.unwrap_or(0),
        };
        let Finished { header, bytes, table } = frame.finish(&seal, self.format().tag);
        if table.capacity() <= KEPT_TABLE_BYTES_MAX {
            self.table = table;
        }
        let Some(active) = &self.active else {
            panic!("a frame is written into a segment that was begun");
        };
        let (geometry, end) = (self.geometry(), header.end());
        let offset = geometry.offset(header.lsn);
        assert!(offset + header.total_bytes() <= active.reserved, "space is reserved first");
        let appended = Appended { start: header.lsn, end };
        let write = Write {
            file: Arc::clone(&active.file),
            offset,
            data: bytes,
            mark: if kind == FrameKind::Seal { geometry.end(active.segment) } else { end },
            appended: (kind == FrameKind::Data).then_some(appended),
        };
        self.flight.start(write);
        self.next = end;
        self.chain = Chain::after(&header);
        self.last = Some(kind);
        Ok(appended)
    }

    /// Waits until a write can be started. What has arrived meanwhile makes its durable mark a
    /// fresher one.
    pub(crate) fn make_room(&mut self) -> Result<(), LogError> {
        let made = self.flight.make_room();
        self.settle(made)
    }

    /// Publishes what became durable, or poisons the log.
    fn settle<T>(&mut self, result: io::Result<T>) -> Result<T, LogError> {
        match result {
            Ok(value) => {
                self.shared.set_durable(self.flight.published());
                Ok(value)
            }
            Err(error) => Err(self.poison(error)),
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
        let depth = options.depth.clamp(1, QUEUE_DEPTH_MAX);
        let queue: Box<dyn WriteQueue> = if options.io_uring {
            shared.disk.write_queue(depth)
        } else {
            Box::new(DirectQueue::default())
        };
        let flight = Flight::new(queue, next, shared.durable());
        Self {
            shared,
            options,
            pool,
            flight,
            active: None,
            next,
            chain: Chain { crc: None, generation },
            generation,
            last: None,
            poisoned: None,
            table: Vec::new(),
        }
    }

    /// Begins the log's first segment.
    pub(crate) fn begin_first_segment(&mut self) -> Result<(), LogError> {
        self.switch_segment(BLOCK_BYTES, 0)?;
        let drained = self.flight.drain();
        self.settle(drained)
    }
}
