//! What gathers on a thread until it is written.
//!
//! To wake a device's thread, and to be woken by it, costs more than all else that is done for a record.
//! So the requests of a thread put their records down side by side, for as long as more of them are
//! ready, and a task of the thread takes them all. Where a write is short it writes them itself, in the
//! thread's [ward](crate::ward). Else, and when somebody else is writing for long, the device's thread gets
//! them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::queue::{Batch, STUCK_AFTER, Shared};
use crate::ward;

/// How often other requests of the thread have a turn, while they put records down.
const TURNS: usize = 4;
/// How often it is tried to write beside another thread before the device's own gets it.
const TRIES: usize = 16;
/// Bytes of a buffer that is kept.
const KEPT_MAX: usize = 1 << 20;

/// What one thread's requests have put down.
#[derive(Default)]
pub(super) struct Gathered(Mutex<State>);

#[derive(Default)]
struct State {
    pending: Batch,
    /// A task is about to take it.
    led: bool,
    /// Those whose records are being written.
    writing: Vec<oneshot::Sender<()>>,
    /// When the write in flight began.
    since: Option<Instant>,
    /// A buffer for the next ones.
    empty: Batch,
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a write takes too long.
    pub(super) fn hangs(&self) -> bool {
        self.lock().since.is_some_and(|since| since.elapsed() >= STUCK_AFTER)
    }

    /// Those who wait for a write, or for one to begin: they do not any more.
    pub(super) fn give_up(&self) -> [Vec<oneshot::Sender<()>>; 2] {
        let mut state = self.lock();
        // Said once: a write that ended in a panic hangs no more.
        state.since = None;
        [std::mem::take(&mut state.writing), std::mem::take(&mut state.pending.waiting)]
    }
}

/// Puts records down on this thread, as `append` writes them; it says where the first of two ends. The
/// answer says when they are written, or is cut off when they will not be.
pub(super) fn submit(
    shared: &Arc<Shared>,
    append: impl FnOnce(&mut Vec<u8>) -> Option<usize>,
) -> oneshot::Receiver<()> {
    let (place, gathered) = shared.gathered.mine();
    let mut state = gathered.lock();
    state.pending.append(append);
    let waiting = state.pending.wait();
    let leads = !std::mem::replace(&mut state.led, true);
    drop(state);
    if leads {
        let leader = Leader { shared: Arc::clone(shared), place, done: false };
        tokio::spawn(leader.run());
    }
    waiting
}

/// The task that takes what has gathered. When it ends, whatever is left is for the device's thread.
struct Leader {
    shared: Arc<Shared>,
    place: usize,
    done: bool,
}

impl Leader {
    async fn run(mut self) {
        let mut before = 0;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
            let now = self.gathered().lock().pending.ends.len();
            if std::mem::replace(&mut before, now) == now {
                break;
            }
        }
        for _ in 0..TRIES {
            if !self.shared.outlet.is_quick() {
                return;
            }
            let Some(call) = ward::enter() else { return };
            self.done = self.write();
            if self.done {
                return;
            }
            drop(call);
            tokio::task::yield_now().await;
        }
    }

    fn gathered(&self) -> &Gathered {
        self.shared.gathered.at(self.place)
    }

    /// Writes what has gathered, unless somebody else is writing.
    fn write(&self) -> bool {
        let shared = &self.shared;
        let Some(mut outlet) = shared.outlet.try_hold() else { return false };
        let mut state = self.gathered().lock();
        let mut batch = std::mem::take(&mut state.empty);
        std::mem::swap(&mut state.pending, &mut batch);
        state.led = false;
        state.writing = std::mem::take(&mut batch.waiting);
        state.since = Some(Instant::now());
        drop(state);
        if shared.is_to_reopen() {
            outlet.reopen();
        }
        let written = outlet.write(&batch);
        let mut state = self.gathered().lock();
        state.since = None;
        let waiting = std::mem::take(&mut state.writing);
        drop(state);
        // Without a word it is a failure.
        if written.is_ok() {
            for waiting in waiting {
                // Whoever asked may have gone away.
                let _ = waiting.send(());
            }
        }
        let (was_stuck, dropped) = shared.moves();
        outlet.ended(&written, was_stuck, dropped);
        self.keep(batch);
        true
    }

    /// Keeps a buffer for what comes.
    fn keep(&self, mut batch: Batch) {
        if batch.text.capacity() <= KEPT_MAX {
            batch.clear();
            self.gathered().lock().empty = batch;
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut state = self.gathered().lock();
        state.led = false;
        let mut batch = std::mem::take(&mut state.empty);
        std::mem::swap(&mut state.pending, &mut batch);
        drop(state);
        self.shared.hand_over(&mut batch);
        batch.waiting.clear();
        self.keep(batch);
    }
}
