//! What waits for a device, and who waits for that; shared by the device and its thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::audit::counts::Counts;

/// A device that has not finished a write by then holds nobody up any more.
pub const STUCK_AFTER: Duration = Duration::from_secs(2);
/// Bytes that wait for one device at most; records beyond are not taken.
pub const BACKLOG_MAX: usize = 32 << 20;

/// The queue of a device.
#[derive(Default)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    pub(super) counts: Counts,
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes records in, `ends` being where each ends; the answer says when they are written, or is
    /// cut off when they will not be. `None`: the device hangs or has too much to do.
    pub(super) fn submit(&self, records: &[u8], ends: &[usize]) -> Option<oneshot::Receiver<()>> {
        let mut queue = self.lock();
        let base = queue.pending.text.len();
        if base + records.len() > BACKLOG_MAX {
            queue.dropped += 1;
            return None;
        }
        queue.pending.text.extend_from_slice(records);
        queue.pending.ends.extend(ends.iter().map(|end| base + end));
        // A device that hangs gets the record later, but nobody waits for it.
        let waiting = (!queue.stuck).then(|| {
            let (done, waiting) = oneshot::channel();
            queue.pending.waiting.push(done);
            waiting
        });
        drop(queue);
        waiting
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
        let mut queue = self.lock();
        if queue.stuck || queue.since.is_none_or(|since| since.elapsed() < STUCK_AFTER) {
            return false;
        }
        queue.stuck = true;
        let given_up =
            (std::mem::take(&mut queue.writing), std::mem::take(&mut queue.pending.waiting));
        drop(queue);
        drop(given_up);
        true
    }

    /// Asks for what is written to to be opened anew.
    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// The next batch and whether to open anew; `None` at the end. Leaves the emptied buffers of
    /// `last` for what comes.
    pub(super) fn next(&self, last: &mut Batch) -> Option<bool> {
        let mut queue = self.lock();
        while queue.pending.text.is_empty() {
            if queue.closed {
                return None;
            }
            queue.idle = true;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.idle = false;
        last.text.clear();
        last.ends.clear();
        std::mem::swap(&mut queue.pending, last);
        queue.writing = std::mem::take(&mut last.waiting);
        queue.since = Some(Instant::now());
        Some(std::mem::take(&mut queue.reopen))
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
}
