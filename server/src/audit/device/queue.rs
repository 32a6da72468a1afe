//! What waits for a device's thread, and who waits for that; shared by all who write for the device.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::gathered::Gathered;
use super::outlet::Outlet;
use crate::telemetry::Lanes;

/// A device that has not finished a write by then holds nobody up any more.
pub const STUCK_AFTER: Duration = Duration::from_secs(2);
/// Bytes that wait for one device at most; records beyond are not taken.
pub const BACKLOG_MAX: usize = 32 << 20;

/// The queue of a device, what gathers beside it, and where both go.
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    pub(super) gathered: Lanes<Gathered>,
    pub(super) outlet: Outlet,
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Queue {
    pending: Batch,
    /// Those whose records are being written.
    writing: Vec<oneshot::Sender<()>>,
    /// When the write in flight began.
    since: Option<Instant>,
    idle: bool,
    stuck: bool,
    reopen: bool,
    closed: bool,
    dropped: u64,
}

/// Records, one after the other; where each ends; and whom to tell.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) text: Vec<u8>,
    pub(super) ends: Vec<usize>,
    pub(super) waiting: Vec<oneshot::Sender<()>>,
}

/// A text that is being appended to: what a panic leaves half written is taken away.
struct Unfinished<'b> {
    text: &'b mut Vec<u8>,
    whole: usize,
}

impl Unfinished<'_> {
    fn end(mut self) {
        self.whole = self.text.len();
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.text.truncate(self.whole);
    }
}

impl Batch {
    /// Appends records as `append` writes them, which says where the first of two ends.
    pub(super) fn append(&mut self, append: impl FnOnce(&mut Vec<u8>) -> Option<usize>) {
        let whole = self.text.len();
        let unfinished = Unfinished { text: &mut self.text, whole };
        let first = append(unfinished.text);
        unfinished.end();
        self.ends.extend(first);
        self.ends.push(self.text.len());
    }

    /// Somebody who waits for all that is in it.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<()> {
        let (done, waiting) = oneshot::channel();
        self.waiting.push(done);
        waiting
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

impl Shared {
    /// Of a device that writes there.
    pub(super) fn new(outlet: Outlet) -> Self {
        let (queue, wake, gathered) = Default::default();
        Self { queue, wake, gathered, outlet }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was gathered, and wakes the thread. Who waits hears when it is written, or is cut
    /// off when it will not be: the device hangs or has too much to do.
    pub(super) fn hand_over(&self, batch: &mut Batch) {
        if batch.ends.is_empty() {
            return;
        }
        let mut queue = self.lock();
        let pending = &mut queue.pending;
        if pending.text.len() + batch.text.len() > BACKLOG_MAX {
            queue.dropped += 1;
            return;
        }
        if pending.text.is_empty() {
            std::mem::swap(&mut pending.text, &mut batch.text);
            std::mem::swap(&mut pending.ends, &mut batch.ends);
        } else {
            let base = pending.text.len();
            pending.text.extend_from_slice(&batch.text);
            pending.ends.extend(batch.ends.iter().map(|end| base + end));
        }
        // A device that hangs gets the records later, but nobody waits for them.
        if !queue.stuck {
            queue.pending.waiting.append(&mut batch.waiting);
        }
        drop(queue);
        self.rouse();
    }

    /// Whether the device hangs: nobody waits for it.
    pub(super) fn is_stuck(&self) -> bool {
        self.lock().stuck
    }

    /// Wakes the thread, if something waits and it is idle.
    pub(super) fn rouse(&self) {
        let mut queue = self.lock();
        if !queue.pending.text.is_empty() && std::mem::take(&mut queue.idle) {
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// Has nobody wait any more if the write in flight takes too long; whether it came to that now.
    pub(super) fn give_up(&self) -> bool {
        let hangs = self.gathered.iter().any(Gathered::hangs);
        let mut queue = self.lock();
        let hangs = hangs || queue.since.is_some_and(|since| since.elapsed() >= STUCK_AFTER);
        if queue.stuck || !hangs {
            return false;
        }
        queue.stuck = true;
        self.outlet.leave_to_the_thread();
        let given_up =
            (std::mem::take(&mut queue.writing), std::mem::take(&mut queue.pending.waiting));
        drop(queue);
        drop(given_up);
        for gathered in self.gathered.iter() {
            drop(gathered.give_up());
        }
        true
    }

    /// Asks for what is written to to be opened anew.
    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
    }

    /// Whether whoever writes next has to.
    pub(super) fn is_to_reopen(&self) -> bool {
        std::mem::take(&mut self.lock().reopen)
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// Waits until something is there to be written; `false` at the end.
    pub(super) fn wait(&self) -> bool {
        let mut queue = self.lock();
        while queue.pending.text.is_empty() {
            if queue.closed {
                return false;
            }
            queue.idle = true;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.idle = false;
        true
    }

    /// The next batch. Leaves the emptied buffers of `last` for what comes.
    pub(super) fn next(&self, last: &mut Batch) {
        last.clear();
        let mut queue = self.lock();
        std::mem::swap(&mut queue.pending, last);
        queue.writing = std::mem::take(&mut last.waiting);
        queue.since = Some(Instant::now());
    }

    /// Something that may hang begins, and nobody waits for it yet.
    pub(super) fn begin(&self) {
        self.lock().since = Some(Instant::now());
    }

    /// Ends a write: those who still wait, whether it was given up before, and what was lost.
    pub(super) fn done(&self) -> (Vec<oneshot::Sender<()>>, bool, u64) {
        let mut queue = self.lock();
        queue.since = None;
        let was_stuck = std::mem::take(&mut queue.stuck);
        (std::mem::take(&mut queue.writing), was_stuck, std::mem::take(&mut queue.dropped))
    }

    /// A write beside the thread has ended: whether the device was given up before, and what was lost.
    pub(super) fn moves(&self) -> (bool, u64) {
        let mut queue = self.lock();
        (std::mem::take(&mut queue.stuck), std::mem::take(&mut queue.dropped))
    }
}
