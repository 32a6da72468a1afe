//! The single writer of a log.
//!
//! Promises: a frame that [`Log::reap`] or [`Log::append`] gave back is on the medium, and so is
//! everything before it; a block that was acknowledged is never written again; after a failed write
//! nothing is acknowledged any more; a full disk is told before anything is written. A process
//! killed at any moment leaves a log that [`Log::open`] continues.
//!
//! Here stand the writer's state, what it tells of itself, and what becomes of a failure. What it
//! does stands in the modules below, each upon those before it: `write` starts a write, `reserve`
//! takes space for it, `tail` goes on into the next segment, `append` is what callers see;
//! `create` and `open` begin a log, `recycle` gives its past back.

mod append;
mod create;
mod flight;
mod open;
mod pool;
mod recycle;
mod reserve;
mod tail;
mod write;

pub use flight::Appended;
pub use open::{OpenReport, Tail};

use std::io;
use std::sync::Arc;

use self::flight::Flight;
use self::pool::Pool;
use crate::disk::queue::{DirectQueue, QUEUE_DEPTH_MAX, WriteQueue};
use crate::disk::{DiskFile, DurableReport, is_no_space};
use crate::error::LogError;
use crate::format::{FRAME_HEADER_BYTES, FrameKind};
use crate::look::{Chain, Format};
use crate::lsn::{BLOCK_BYTES, Geometry, Lsn};
use crate::options::LogOptions;
use crate::reader::LogReader;
use crate::shared::{SegmentInfo, Shared};

/// The segment that is written.
struct Active {
    segment: u64,
    file: Arc<dyn DiskFile>,
    /// Bytes of the file that are allocated and durable zeros or frames.
    reserved: u64,
}

/// The writer. There is one per log; readers come from [`Log::reader`].
pub struct Log {
    shared: Arc<Shared>,
    options: LogOptions,
    pool: Pool,
    flight: Flight,
    /// `None` until the segment that `next` stands before is begun.
    active: Option<Active>,
    /// Where the next frame goes, or the base of a segment that is not begun.
    next: Lsn,
    chain: Chain,
    generation: u64,
    last: Option<FrameKind>,
    poisoned: Option<Arc<io::Error>>,
    /// The memory of the last frame's table of lengths.
    table: Vec<u8>,
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

    /// Writes that may be in flight. [`submit`](Self::submit) waits for one when there are more.
    pub fn depth(&self) -> usize {
        self.flight.depth()
    }

    /// Frames that were submitted and not yet given back by [`reap`](Self::reap).
    pub fn in_flight(&self) -> usize {
        self.flight.frames()
    }

    /// Lets go of memory that large frames were written from: nothing is expected to be written soon.
    pub fn trim(&mut self) {
        self.flight.trim();
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
}

impl Log {
    /// A writer in its first state, with no segment begun.
    fn assemble(
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

    fn format(&self) -> &Format {
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

    /// Bytes left in the current segment; none when there is no current segment.
    fn room(&self) -> u64 {
        match &self.active {
            Some(active) => self.geometry().end(active.segment).0 - self.next.0,
            None => 0,
        }
    }
}
