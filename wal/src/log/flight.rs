//! The writes of a log that are on their way, in log order.
//!
//! Completions may come in any order; what counts as durable is the longest prefix of the log
//! without a hole. Promises: [`Flight::mark`] never passes a write that is not on the medium; the
//! first failure is reported, and whoever sees it must stop.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::disk::buffer::BlockBuf;
use crate::disk::queue::{Completion, Submission, WriteQueue};
use crate::lsn::Lsn;

/// Largest buffer that is kept for another frame, in bytes.
const KEPT_BUFFER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Largest buffer that is kept while nothing is written, in bytes: those that may be registered.
const RESTING_BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Writes that may have been started and not be durable in log order, as a multiple of those in
/// flight: one slow write must not make the others wait at once, nor let the log run away from it.
const WINDOW_PER_DEPTH: usize = 2;

/// Where a frame stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its start.
    pub start: Lsn,
    /// The position after it.
    pub end: Lsn,
}

/// A write in log order.
struct Entry {
    tag: u64,
    /// Everything before this position is durable once this write and all before it are.
    mark: Lsn,
    /// What the submitter waits for; nothing for seals and headers.
    appended: Option<Appended>,
    done: bool,
}

/// What is written, and where it belongs in the log.
pub(super) struct Write {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) offset: u64,
    pub(super) data: BlockBuf,
    pub(super) mark: Lsn,
    pub(super) appended: Option<Appended>,
}

/// The writes on their way and the frames that arrived.
pub(super) struct Flight {
    queue: Box<dyn WriteQueue>,
    entries: VecDeque<Entry>,
    /// Durable frames that nobody has asked for yet, oldest first.
    arrived: VecDeque<Appended>,
    mark: Lsn,
    published: Lsn,
    next_tag: u64,
    buffers: Vec<BlockBuf>,
}

impl Flight {
    /// Nothing is on its way, everything before `mark` is durable, and the last durable frame ends
    /// at `published`.
    pub(super) fn new(queue: Box<dyn WriteQueue>, mark: Lsn, published: Lsn) -> Self {
        Self {
            queue,
            entries: VecDeque::new(),
            arrived: VecDeque::new(),
            mark,
            published,
            next_tag: 0,
            buffers: Vec::new(),
        }
    }

    /// How far the log is durable without a hole.
    pub(super) fn mark(&self) -> Lsn {
        self.mark
    }

    /// End of the last frame that is durable without a hole before it.
    pub(super) fn published(&self) -> Lsn {
        self.published
    }

    pub(super) fn depth(&self) -> usize {
        self.queue.depth()
    }

    /// Frames that were submitted and not handed out by [`arrive`](Self::arrive).
    pub(super) fn frames(&self) -> usize {
        self.arrived.len() + self.entries.iter().filter(|e| e.appended.is_some()).count()
    }

    /// Waits until another write can be started, and takes note of everything that has finished.
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        let depth = self.queue.depth();
        while self.queue.in_flight() >= depth || self.entries.len() >= depth * WINDOW_PER_DEPTH {
            self.wait()?;
        }
        while let Some(completion) = self.queue.poll() {
            self.note(completion)?;
        }
        Ok(())
    }

    /// Starts a write. There must be [room](Self::make_room) for it.
    pub(super) fn start(&mut self, write: Write) {
        let Write { file, offset, data, mark, appended } = write;
        let tag = self.next_tag;
        self.next_tag += 1;
        self.entries.push_back(Entry { tag, mark, appended, done: false });
        self.queue.submit(Submission { file, offset, data, tag });
    }

    /// Waits until nothing is on its way.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        while !self.entries.is_empty() {
            self.wait()?;
        }
        Ok(())
    }

    /// Waits for the next frame in log order. `None` when none is on its way.
    pub(super) fn arrive(&mut self) -> io::Result<Option<Appended>> {
        loop {
            if let Some(appended) = self.arrived.pop_front() {
                return Ok(Some(appended));
            }
            if self.entries.is_empty() {
                return Ok(None);
            }
            self.wait()?;
        }
    }

    /// A buffer with room for `bytes` bytes.
    pub(super) fn buffer(&mut self, bytes: usize) -> BlockBuf {
        // The one that fits best: small frames leave large buffers to large ones.
        let fitting = self.buffers.iter().enumerate().filter(|(_, b)| b.capacity() >= bytes);
        let best = fitting.min_by_key(|(_, b)| b.capacity()).map(|(at, _)| at);
        let largest = || (0..self.buffers.len()).max_by_key(|at| self.buffers[*at].capacity());
        let mut buf =
            best.or_else(largest).map(|at| self.buffers.swap_remove(at)).unwrap_or_default();
        buf.clear();
        buf.grow_to(bytes);
        buf
    }

    /// Takes a buffer back that was not submitted, or has returned.
    pub(super) fn give_back(&mut self, buf: BlockBuf) {
        if self.buffers.len() <= self.queue.depth() && buf.capacity() <= KEPT_BUFFER_BYTES_MAX {
            self.buffers.push(buf);
        }
    }

    /// Lets go of large buffers.
    pub(super) fn trim(&mut self) {
        self.buffers.retain(|buf| buf.capacity() <= RESTING_BUFFER_BYTES_MAX);
    }

    fn wait(&mut self) -> io::Result<()> {
        let Some(completion) = self.queue.reap() else { panic!("a submitted write completes") };
        self.note(completion)
    }

    fn note(&mut self, completion: Completion) -> io::Result<()> {
        let Completion { tag, data, result } = completion;
        self.give_back(data);
        result?;
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.tag == tag) else {
            panic!("a write completes once");
        };
        entry.done = true;
        while let Some(Entry { mark, appended, .. }) = self.entries.pop_front_if(|e| e.done) {
            assert!(mark >= self.mark, "the log grows");
            self.mark = mark;
            if let Some(appended) = appended {
                self.published = appended.end;
                self.arrived.push_back(appended);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk as _;
    use crate::disk::queue::DirectQueue;
    use crate::disk::sim::SimDisk;

    // A buffer that was registered is worth more than its memory; too large ones, or too many, would
    // be held for nothing.
    #[test]
    fn buffers_are_used_again_up_to_a_size_and_a_number() {
        let mut flight = Flight::new(Box::new(DirectQueue::default()), Lsn::ZERO, Lsn::ZERO);
        let sized = |bytes| {
            let mut buf = BlockBuf::new();
            buf.grow_to(bytes);
            buf
        };
        flight.give_back(sized(KEPT_BUFFER_BYTES_MAX));
        flight.give_back(sized(KEPT_BUFFER_BYTES_MAX + 1));
        let kept = |flight: &Flight| flight.buffers.iter().map(BlockBuf::capacity).max();
        assert_eq!(kept(&flight), Some(KEPT_BUFFER_BYTES_MAX));
        assert_eq!(flight.buffer(100).capacity(), KEPT_BUFFER_BYTES_MAX);
        assert_eq!(kept(&flight), None);
        for _ in 0..5 {
            flight.give_back(sized(4096));
        }
        assert_eq!(flight.buffers.len(), flight.depth() + 1);
    }

    // Thirty megabytes were held for the next large frames, for as long as the process lived.
    #[test]
    fn a_log_at_rest_keeps_small_buffers() {
        let mut flight = Flight::new(Box::new(Hasty::default()), Lsn::ZERO, Lsn::ZERO);
        for bytes in [RESTING_BUFFER_BYTES_MAX, RESTING_BUFFER_BYTES_MAX + 1] {
            let mut buf = BlockBuf::new();
            buf.grow_to(bytes);
            flight.give_back(buf);
        }
        flight.trim();
        let kept: Vec<_> = flight.buffers.iter().map(BlockBuf::capacity).collect();
        assert_eq!(kept, [RESTING_BUFFER_BYTES_MAX]);
    }

    #[test]
    fn a_buffer_is_the_smallest_that_fits_or_the_largest_that_grows() {
        let mut flight = Flight::new(Box::new(Hasty::default()), Lsn::ZERO, Lsn::ZERO);
        for blocks in [4, 1, 2] {
            let mut buf = BlockBuf::new();
            buf.grow_to(blocks * 4096);
            flight.give_back(buf);
        }
        let mut taken = |bytes| flight.buffer(bytes).capacity() / 4096;
        assert_eq!([taken(5000), taken(30_000), taken(10), taken(10)], [2, 8, 1, 1]);
    }

    /// Finishes the youngest write first.
    #[derive(Default)]
    struct Hasty(Vec<Submission>);

    impl WriteQueue for Hasty {
        fn depth(&self) -> usize {
            3
        }

        fn in_flight(&self) -> usize {
            self.0.len()
        }

        fn submit(&mut self, write: Submission) {
            self.0.push(write);
        }

        fn reap(&mut self) -> Option<Completion> {
            self.0.pop().map(|Submission { data, tag, .. }| Completion {
                tag,
                data,
                result: Ok(()),
            })
        }

        fn poll(&mut self) -> Option<Completion> {
            None
        }
    }

    // One slow write lets others pass, but not without end: what is behind it is not durable yet.
    #[test]
    fn the_log_runs_ahead_of_a_slow_write_by_twice_the_depth() {
        let file = SimDisk::new(1).create("f").unwrap();
        let mut flight = Flight::new(Box::new(Hasty::default()), Lsn::ZERO, Lsn::ZERO);
        let mut under_way = Vec::new();
        for block in 1..10 {
            flight.make_room().unwrap();
            let (file, mark) = (Arc::clone(&file), Lsn(block * 4096));
            flight.start(Write { file, offset: 0, data: BlockBuf::new(), mark, appended: None });
            under_way.push(flight.entries.len());
        }
        assert_eq!(under_way, [1, 2, 3, 4, 5, 6, 1, 2, 3]);
    }
}
