//! The two threads of a store: the committer's and the checkpointer's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::checkpoint::Checkpointer;
use crate::cleaner::Effort;
use crate::commit::Committer;
use crate::commit::job::Submit;
use crate::opening::Opening;
use crate::options::Options;
use crate::pages::Pool;
use crate::shared::{Shared, lock};

/// Wakes the checkpointer's thread.
pub(crate) struct Signal {
    options: Options,
    due: Mutex<bool>,
    changed: Condvar,
    stop: AtomicBool,
}

/// Why the checkpointer was woken.
enum Woken {
    /// Enough was logged.
    Due,
    /// Nothing happened for a while.
    Idle,
    Stop,
}

/// The running threads.
pub(crate) struct Threads {
    signal: Arc<Signal>,
    submit: Submit,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Starts both. The committer is made by its own thread, which recovers the store first.
    pub(crate) fn start(
        signal: Arc<Signal>,
        submit: Submit,
        recover: impl FnOnce() -> Option<Committer> + Send + 'static,
        checkpointer: Arc<Mutex<Checkpointer>>,
        (shared, opening): (Arc<Shared>, Arc<Opening>),
    ) -> std::io::Result<Self> {
        let threads = Self { signal, submit, running: Mutex::new(Vec::new()) };
        let desk = Arc::clone(&threads.submit);
        threads.spawn("sr-commit", move || match recover() {
            Some(committer) => committer.run(),
            // Whoever asks for something is told that nobody is there.
            None => desk.refuse(),
        })?;
        let signal = Arc::clone(&threads.signal);
        threads.spawn("sr-checkpoint", move || {
            if !opening.wait() {
                return;
            }
            let mut seen = shared.state().lsn;
            loop {
                // A failed checkpoint is tried again when the log has grown by as much again; a
                // failed log refuses all.
                let done = match signal.wait() {
                    Woken::Stop => return,
                    Woken::Due => lock(&checkpointer).run(Effort::Busy).map(|_| ()),
                    Woken::Idle if shared.state().lsn == seen => {
                        lock(&checkpointer).compact().map(|_| ())
                    }
                    Woken::Idle => Ok(()),
                };
                seen = shared.state().lsn;
                if done.is_err() && shared.failure().is_some() {
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
    pub(crate) fn new(options: Options) -> Self {
        let (due, changed) = (Mutex::new(false), Condvar::new());
        Self { options, due, changed, stop: AtomicBool::new(false) }
    }

    /// What is told how much was logged since the last checkpoint began.
    pub(crate) fn listener(self: &Arc<Self>, pool: &Arc<Pool>) -> Box<dyn Fn(u64) + Send> {
        let (signal, pool) = (Arc::clone(self), Arc::clone(pool));
        Box::new(move |since| {
            let every = signal.options.checkpoint_every;
            if since >= every && since >= pool.files.bytes().1 / 4 * 3 {
                *lock(&signal.due) = true;
                signal.changed.notify_one();
            }
        })
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Woken {
        let mut due = lock(&self.due);
        let mut timed_out = false;
        while !*due && !timed_out && !self.stop.load(Ordering::Acquire) {
            due = match self.options.compact_after {
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

    fn stop(&self) {
        let due = lock(&self.due);
        self.stop.store(true, Ordering::Release);
        drop(due);
        self.changed.notify_all();
    }
}
