//! How somebody is told why not.

use strongroom_wal::LogError;

use super::Committer;
use super::flight::Flight;
use super::job::Answer;
use crate::error::CommitError;
use crate::pages::PageError;
use crate::shared::Counters;

impl Committer {
    /// Answers why not. A conflict may be with what is on its way and not visible yet: it is told once
    /// that is published, or else whoever tries again would read the same and meet the same conflict.
    pub(super) fn refuse<T: Send + 'static>(&mut self, e: CommitError, done: Answer<T>) {
        if matches!(e, CommitError::Conflict) {
            Counters::add(&self.shared.counters.conflicts, 1);
            let on_its_way = match &mut self.batch {
                Some(batch) => Some(&mut batch.waiters),
                None => self.flights.back_mut().map(Flight::waiters),
            };
            if let Some(waiters) = on_its_way {
                return waiters.push(Box::new(move |_| {
                    let _ = done.send(Err(e));
                }));
            }
        }
        let _ = done.send(Err(e));
    }

    pub(super) fn log_error(&self, e: &LogError, size: usize) -> CommitError {
        match e {
            LogError::NoSpace => CommitError::NoSpace,
            LogError::TooLarge { .. } => CommitError::TooLarge(size),
            other => {
                let cause = other.to_string();
                self.shared.fail(cause.clone());
                CommitError::Failed(cause)
            }
        }
    }
}

/// A page that cannot be read keeps the transaction from committing; nothing of it was logged.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn unreadable(e: PageError) -> CommitError {
    CommitError::Unreadable(e.to_string())
}
