//! The queue between transactions and the committer.

use std::collections::VecDeque;

use crate::sync::{Condvar, Mutex, PoisonError, lock};

struct Inner<J> {
    jobs: VecDeque<J>,
    /// What all jobs weigh.
    bytes: usize,
    /// The reader has taken jobs and not come back for more.
    taken: bool,
    closed: bool,
}

/// A queue that is taken whole: what gathered while its reader was busy is the next batch.
pub(crate) struct Queue<J> {
    inner: Mutex<Inner<J>>,
    arrived: Condvar,
}

impl<J> Inner<J> {
    fn take(&mut self) -> VecDeque<J> {
        self.bytes = 0;
        std::mem::take(&mut self.jobs)
    }
}

impl<J> Queue<J> {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                jobs: VecDeque::new(),
                bytes: 0,
                taken: false,
                closed: false,
            }),
            arrived: Condvar::new(),
        }
    }

    /// Nothing waits, nothing that was taken may still have to be done, and more may come.
    pub(crate) fn is_idle(&self) -> bool {
        let inner = lock(&self.inner);
        inner.jobs.is_empty() && !inner.taken && !inner.closed
    }

    /// Adds a job that weighs so many bytes. Once the queue is closed the job is dropped, which its waiter notices.
    pub(crate) fn send(&self, job: J, bytes: usize) {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return;
        }
        let was_empty = inner.jobs.is_empty();
        inner.jobs.push_back(job);
        inner.bytes += bytes;
        drop(inner);
        if was_empty {
            self.arrived.notify_one();
        }
    }

    /// Waits until there is something, and takes all of it; what was taken before is done. `None` once
    /// closed and empty.
    pub(crate) fn take(&self) -> Option<VecDeque<J>> {
        let mut inner = lock(&self.inner);
        inner.taken = false;
        loop {
            if !inner.jobs.is_empty() {
                inner.taken = true;
                return Some(inner.take());
            }
            if inner.closed {
                return None;
            }
            inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes what is there if it weighs at least so many bytes, without waiting.
    pub(crate) fn take_ready(&self, bytes: usize) -> Option<VecDeque<J>> {
        let mut inner = lock(&self.inner);
        (!inner.jobs.is_empty() && inner.bytes >= bytes).then(|| inner.take())
    }

    /// Refuses further jobs; those queued are still taken.
    pub(crate) fn close(&self) {
        lock(&self.inner).closed = true;
        self.arrived.notify_all();
    }
}
