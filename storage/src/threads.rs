//! The two threads of a store: the committer's and the checkpointer's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::checkpoint::Checkpointer;
use crate::commit::Committer;
use crate::job::Submit;
use crate::shared::{Shared, lock};

/// Wakes the checkpointer's thread.
#[derive(Default)]
pub(crate) struct Signal {
    due: Mutex<bool>,
    changed: Condvar,
    stop: AtomicBool,
}

/// The running threads.
pub(crate) struct Threads {
    signal: Arc<Signal>,
    submit: Submit,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Starts both.
    pub(crate) fn start(
        signal: Arc<Signal>,
        submit: Submit,
        committer: Committer,
        checkpointer: Arc<Mutex<Checkpointer>>,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        let threads = Self { signal, submit, running: Mutex::new(Vec::new()) };
        threads.spawn("sr-commit", move || committer.run())?;
        let signal = Arc::clone(&threads.signal);
        threads.spawn("sr-checkpoint", move || {
            while signal.wait() {
                // A failed checkpoint is tried again when the log has grown by as much again; a
                // failed log refuses all.
                if lock(&checkpointer).run().is_err() && shared.failure().is_some() {
                    return;
                }
            }
        })?;
        Ok(threads)
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        lock(&self.running).push(thread);
        Ok(())
    }

    /// Lets both finish what they have, and waits for them.
    pub(crate) fn stop(&self) {
        self.signal.stop();
        self.submit.close();
        for thread in lock(&self.running).drain(..) {
            // A thread that panicked has nothing more to finish.
            let _ = thread.join();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Signal {
    /// What wakes the checkpointer.
    pub(crate) fn waker(self: &Arc<Self>) -> Box<dyn Fn() + Send> {
        let signal = Arc::clone(self);
        Box::new(move || {
            *lock(&signal.due) = true;
            signal.changed.notify_one();
        })
    }

    /// Waits until a checkpoint is due; false when the store stops.
    fn wait(&self) -> bool {
        let mut due = lock(&self.due);
        while !*due && !self.stop.load(Ordering::Acquire) {
            due = self.changed.wait(due).unwrap_or_else(PoisonError::into_inner);
        }
        *due = false;
        !self.stop.load(Ordering::Acquire)
    }

    fn stop(&self) {
        let due = lock(&self.due);
        self.stop.store(true, Ordering::Release);
        drop(due);
        self.changed.notify_all();
    }
}
