//! Wakes the checkpointer's thread: when it is due, when nothing happened for a while, and to stop.

use std::time::Duration;

use crate::sync::{AtomicBool, Condvar, Mutex, Ordering, PoisonError, lock};

/// See the module's text.
pub(crate) struct Signal {
    /// How long it waits before it is woken for nothing. `None`: for ever.
    idle_after: Option<Duration>,
    due: Mutex<bool>,
    changed: Condvar,
    stop: AtomicBool,
}

/// Why the checkpointer was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Enough was logged.
    Due,
    /// Nothing happened for a while.
    Idle,
    Stop,
}

impl Signal {
    pub(crate) fn new(idle_after: Option<Duration>) -> Self {
        let (due, changed) = (Mutex::new(false), Condvar::new());
        Self { idle_after, due, changed, stop: AtomicBool::new(false) }
    }

    /// There is something to do. Told twice before the thread looks, it counts once.
    pub(crate) fn due(&self) {
        *lock(&self.due) = true;
        self.changed.notify_one();
    }

    /// Whether there is something to do now, or nothing more to be done.
    pub(crate) fn is_pressing(&self) -> bool {
        *lock(&self.due) || self.stop.load(Ordering::Acquire)
    }

    /// Waits until there is something to do.
    pub(crate) fn wait(&self) -> Woken {
        let mut due = lock(&self.due);
        let mut timed_out = false;
        while !*due && !timed_out && !self.stop.load(Ordering::Acquire) {
            due = match self.idle_after {
                Some(after) => {
                    let (due, waited) = self
                        .changed
                        .wait_timeout(due, after)
                        .unwrap_or_else(PoisonError::into_inner);
                    timed_out = waited.timed_out();
                    due
                }
                None => self.changed.wait(due).unwrap_or_else(PoisonError::into_inner),
            };
        }
        if self.stop.load(Ordering::Acquire) {
            return Woken::Stop;
        }
        if std::mem::take(&mut *due) { Woken::Due } else { Woken::Idle }
    }

    /// Nothing is to be done any more, whatever was due.
    pub(crate) fn stop(&self) {
        let due = lock(&self.due);
        self.stop.store(true, Ordering::Release);
        drop(due);
        self.changed.notify_all();
    }
}
