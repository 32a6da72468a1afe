//! The end of opening a store, on the committer's thread: from the last checkpoint to a committer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_wal::Log;

use crate::commit::job::Submit;
use crate::commit::{Active, Committer, Start};
use crate::error::OpenError;
use crate::opening::Opening;
use crate::recovery::{Recovered, Restart};
use crate::shared::{Counters, Shared};

/// What it takes.
pub(crate) struct Recovering {
    pub(crate) restart: Restart,
    pub(crate) log: Log,
    pub(crate) shared: Arc<Shared>,
    pub(crate) opening: Arc<Opening>,
    pub(crate) desk: Submit,
    pub(crate) logged: Box<dyn Fn(u64) + Send>,
}

impl Recovering {
    /// Recovers; `None` when it failed, which whoever waits is told.
    pub(crate) fn finish(self) -> Option<Committer> {
        let (shared, opening) = (Arc::clone(&self.shared), Arc::clone(&self.opening));
        match self.committer() {
            Ok(committer) => Some(committer),
            Err(e) => {
                shared.fail(e.to_string());
                // Who waits for names asks the state then.
                if let Some(tail) = &*shared.tail() {
                    tail.set_names(None);
                }
                opening.failed(e);
                None
            }
        }
    }

    fn committer(self) -> Result<Committer, OpenError> {
        let Self { restart, mut log, shared, opening, desk, logged } = self;
        let Recovered { mut state, catalog, live, losers, streamed, report } =
            restart.finish(Some(&mut log))?;
        if !losers.is_empty() {
            losers.undo(&shared.pool, &mut log, &mut state)?;
        }
        let state = Arc::new(state);
        let counters = &shared.counters;
        counters.live_bytes.store(live.total(), Ordering::Relaxed);
        // What was logged before counts: a process that is killed again and again makes a checkpoint
        // in the end.
        let since = state.lsn.0.saturating_sub(Counters::get(&counters.checkpoint_lsn));
        counters.since_checkpoint.store(since, Ordering::Relaxed);
        logged(since);
        shared.recovered(Arc::clone(&state), catalog);
        opening.recovered(report);
        let active = Active::committed(streamed);
        Ok(Committer::new(Start { log, shared, desk, state, live, active, logged }))
    }
}
