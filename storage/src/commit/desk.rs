//! Where transactions hand in what they want committed: a queue, and the committer behind it.
//!
//! The committer has a thread of its own. A caller that finds itself alone (nobody else is between
//! handing in and being answered) and may block does the committer's work itself: that spares two
//! changes of thread, about a fifth of the time that a lone commit takes. With company it
//! would only make small frames, so everyone queues.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Committer;
use super::job::Job;
use super::queue::Queue;
use crate::sync::{AtomicUsize, Mutex, Ordering, TryLockError, lock};

/// See the module's text.
pub(crate) struct Desk {
    queue: Queue<Job>,
    /// Empty until the store is recovered, and once it is closed.
    seat: Mutex<Option<Committer>>,
    /// Transactions between handing in and being answered.
    present: AtomicUsize,
}

/// Counts a transaction as present until it is dropped.
pub(crate) struct Present<'a>(&'a AtomicUsize);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Desk {
    pub(crate) fn new() -> Arc<Self> {
        let (seat, present) = (Mutex::new(None), AtomicUsize::new(0));
        Arc::new(Self { queue: Queue::new(), seat, present })
    }

    /// To be held from before handing in until the answer is there.
    pub(crate) fn enter(&self) -> Present<'_> {
        self.present.fetch_add(1, Ordering::Relaxed);
        Present(&self.present)
    }

    /// Whether nobody is between handing in and being answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.present.load(Ordering::Relaxed) == 0
    }

    /// Hands in a job. Once the desk is closed the job is dropped, which its waiter notices.
    pub(crate) fn send(&self, job: Job) {
        let bytes = job.size();
        self.queue.send(job, bytes);
    }

    /// Does the job on this thread, which blocks until it is answered, if nobody else is present;
    /// hands it in otherwise.
    pub(crate) fn send_or_do(&self, job: Job) {
        if self.present.load(Ordering::Relaxed) > 1 {
            return self.send(job);
        }
        let mut seat = match self.seat.try_lock() {
            Ok(seat) => seat,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.send(job),
        };
        match &mut *seat {
            // What was handed in before comes first.
            Some(committer) if self.queue.is_idle() => {
                committer.work(VecDeque::from([job]));
                committer.settle();
            }
            _ => self.send(job),
        }
    }

    /// Works until the desk is closed and nothing is left.
    pub(super) fn run(&self, committer: Committer) {
        *lock(&self.seat) = Some(committer);
        while let Some(jobs) = self.queue.take() {
            if let Some(committer) = &mut *lock(&self.seat) {
                committer.work_off(jobs, &self.queue);
            }
        }
        if let Some(committer) = lock(&self.seat).take() {
            committer.close();
        }
    }

    /// Drops what is handed in, until the desk is closed: there is no committer.
    pub(crate) fn refuse(&self) {
        while self.queue.take().is_some() {}
    }

    /// Refuses further jobs; those handed in are still done.
    pub(crate) fn close(&self) {
        self.queue.close();
    }
}
