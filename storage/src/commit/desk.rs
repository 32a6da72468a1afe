//! Where transactions hand in what they want committed: a queue, and the committer behind it.
//!
//! The committer has a thread of its own. A caller that finds itself alone (nobody else is between
//! handing in and being answered) and may block does the committer's work itself: that spares two
//! changes of thread, about a fifth of the time that a lone commit takes. With company it
//! would only make small frames, so everyone queues, and a frame waits for those who may still come
//! (see [`Company`](super::company::Company)).

use std::collections::VecDeque;
use std::sync::Arc;

use super::Committer;
use super::company::{Company, Present};
use super::job::Job;
use super::queue::Queue;
use crate::sync::{Mutex, TryLockError, lock};

/// While a frame is in flight the next one goes out before it has landed if it is at least so large:
/// beside the device's time for so many bytes another frame's share of the work is small.
const PIPELINED_BYTES: usize = 64 << 10;

/// See the module's text.
pub(crate) struct Desk {
    queue: Queue<Job>,
    /// Empty until the store is recovered, and once it is closed.
    seat: Mutex<Option<Committer>>,
    company: Company,
}

impl Desk {
    pub(crate) fn new() -> Arc<Self> {
        let (seat, company) = (Mutex::new(None), Company::new());
        Arc::new(Self { queue: Queue::new(), seat, company })
    }

    /// To be held from before handing in until the answer is there.
    pub(crate) fn enter(&self) -> Present<'_> {
        self.company.enter()
    }

    /// Whether nobody is between handing in and being answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.company.len() == 0
    }

    /// Hands in a job. Once the desk is closed the job is dropped, which its waiter notices.
    pub(crate) fn send(&self, job: Job) {
        let bytes = job.size();
        let waiting = self.queue.send(job, bytes);
        self.company.arrived(waiting);
    }

    /// Does the job on this thread, which blocks until it is answered, if nobody else is present;
    /// hands it in otherwise.
    pub(crate) fn send_or_do(&self, job: Job) {
        if self.company.len() > 1 {
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
    pub(super) fn run(&self, mut committer: Committer) {
        if let Some(wake) = committer.wake() {
            self.company.wake_by(wake);
        }
        *lock(&self.seat) = Some(committer);
        while let Some(jobs) = self.queue.take() {
            if let Some(committer) = &mut *lock(&self.seat) {
                committer.work_off(jobs, self);
            }
        }
        if let Some(committer) = lock(&self.seat).take() {
            committer.close();
        }
    }

    /// What is to go out before a frame in flight has landed, if so many commits are in flight and there
    /// is room for another frame. Without an answer the committer waits, and is woken if that changes.
    pub(super) fn more(&self, flying: usize) -> Option<VecDeque<Job>> {
        self.company.begin_wait(flying);
        let complete = |waiting| self.company.is_complete(waiting, flying);
        let more = self.queue.take_if(|jobs, bytes| bytes >= PIPELINED_BYTES || complete(jobs));
        if more.is_some() {
            self.company.end_wait();
        }
        more
    }

    /// The committer has waited.
    pub(super) fn go_on(&self) {
        self.company.end_wait();
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
