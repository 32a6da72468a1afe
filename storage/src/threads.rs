//! The two threads of a store: the committer's and the checkpointer's.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::checkpoint::Checkpointer;
use crate::cleaner::Effort;
use crate::commit::Committer;
use crate::commit::job::Submit;
use crate::error::CheckpointError;
use crate::opening::Opening;
use crate::pages::{self, Pool};
use crate::shared::{Counters, Shared};
use crate::signal::{Signal, Woken};
use crate::sync::lock;

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
        warm_pages: bool,
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
            if warm_pages {
                pages::warm(&shared.pool, shared.state(), || signal.is_pressing());
            }
            let mut seen = shared.state().lsn;
            loop {
                // A failed checkpoint is tried again when the log has grown by as much again; a
                // failed log refuses all.
                let done = match signal.wait() {
                    Woken::Stop => return,
                    Woken::Due => lock(&checkpointer).run(Effort::Busy).map(|_| ()),
                    Woken::Idle if shared.state().lsn == seen => {
                        compact(&checkpointer, &shared, &signal)
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

/// What is told how much was logged since the last checkpoint began, and wakes the checkpointer when
/// that is enough.
pub(crate) fn listener(
    signal: &Arc<Signal>,
    checkpoint_every: u64,
    pool: &Arc<Pool>,
) -> Box<dyn Fn(u64) + Send> {
    let (signal, pool) = (Arc::clone(signal), Arc::clone(pool));
    Box::new(move |since| {
        if since >= checkpoint_every && since >= pool.files.bytes().1 / 4 * 3 {
            signal.due();
        }
    })
}

/// As many steps as bring something, while nothing is committed and nothing else is to be done, and then
/// rest. Between two the lock is let go of: somebody may want a checkpoint.
fn compact(
    checkpointer: &Mutex<Checkpointer>,
    shared: &Shared,
    signal: &Signal,
) -> Result<(), CheckpointError> {
    let commits = || Counters::get(&shared.counters.commits);
    let began = commits();
    let alone = || commits() == began && !signal.is_pressing();
    while alone() && lock(checkpointer).compact(began)? {}
    if alone() { lock(checkpointer).rest() } else { Ok(()) }
}
