//! Durable writes as submissions and completions.
//!
//! The log hands over whole frames here and does not care how they reach the medium. An
//! implementation may have several writes in flight and complete them in any order; the one below
//! writes when asked and has room for one. Promises: every submission is reaped exactly once, with
//! its tag and its buffer; `Ok` means on the medium. Dropping a queue waits for what is in flight
//! or leaves it to the medium, but never frees memory that is still written from.

use std::io;
use std::sync::Arc;

use super::buffer::BlockBuf;
use super::file::DiskFile;

/// Writes in flight that a queue is asked for by default.
pub const QUEUE_DEPTH_DEFAULT: usize = 4;

/// Most writes in flight that a queue can be asked for.
pub const QUEUE_DEPTH_MAX: usize = 64;

/// One durable write to do.
pub struct Submission {
    /// Where to write.
    pub file: Arc<dyn DiskFile>,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// What to write. Comes back with the completion.
    pub data: BlockBuf,
    /// The submitter's name for it.
    pub tag: u64,
}

/// A finished durable write.
pub struct Completion {
    /// The submission's tag.
    pub tag: u64,
    /// The submission's buffer, to be used again.
    pub data: BlockBuf,
    /// `Ok` when every byte is on the medium.
    pub result: io::Result<()>,
}

/// Takes durable writes and gives back completions.
pub trait WriteQueue: Send {
    /// How many writes may be in flight, at least one.
    fn depth(&self) -> usize;

    /// Writes submitted and not yet reaped.
    fn in_flight(&self) -> usize;

    /// Starts a write.
    ///
    /// # Panics
    /// When `depth` writes are in flight: the submitter must reap first.
    fn submit(&mut self, write: Submission);

    /// Waits for one write to finish. `None` when none is in flight.
    fn reap(&mut self) -> Option<Completion>;

    /// A write that has finished already, without waiting.
    fn poll(&mut self) -> Option<Completion>;
}

/// Plain system calls: the write happens in `submit`.
#[derive(Default)]
pub struct DirectQueue {
    done: Option<Completion>,
}

impl WriteQueue for DirectQueue {
    fn depth(&self) -> usize {
        1
    }

    fn in_flight(&self) -> usize {
        usize::from(self.done.is_some())
    }

    fn submit(&mut self, write: Submission) {
        assert!(self.done.is_none(), "a write is in flight; reap it first");
        let Submission { file, offset, data, tag } = write;
        let result = file.write_durable_at(offset, &data);
        self.done = Some(Completion { tag, data, result });
    }

    fn reap(&mut self) -> Option<Completion> {
        self.done.take()
    }

    fn poll(&mut self) -> Option<Completion> {
        self.done.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk as _;
    use crate::disk::sim::SimDisk;

    // Without io_uring, too, a write is in flight until someone has taken its completion.
    #[test]
    fn a_write_is_in_flight_until_it_is_reaped_or_polled() {
        let file = SimDisk::new(1).create("a").unwrap();
        let mut queue = DirectQueue::default();
        for (tag, poll) in [(1, false), (2, true)] {
            assert!(queue.poll().is_none() && queue.reap().is_none());
            assert_eq!((queue.depth(), queue.in_flight()), (1, 0));
            let mut data = BlockBuf::new();
            data.push(7);
            queue.submit(Submission { file: Arc::clone(&file), offset: tag, data, tag });
            assert_eq!(queue.in_flight(), 1);
            let done = if poll { queue.poll() } else { queue.reap() }.unwrap();
            assert_eq!((done.tag, &done.data[..], done.result.is_ok()), (tag, &[7][..], true));
        }
    }
}
