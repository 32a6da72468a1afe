//! Whose commits wait for whose.
//!
//! Transactions are optimistic: of two that touch the same, the one that commits first wins, and one
//! that looks at much loses to many that look at little, again and again. A token that kept making
//! children could not be revoked that way. So a call that has lost several races is given a turn
//! alone: from before it reads until it has committed, other calls' commits wait.
//!
//! It promises: nobody waits but for a commit and, now and then, for one call that was patient.

use strongroom_storage::{CommitError, Committed};
use tokio::sync::{RwLock, RwLockWriteGuard};

use super::Session;

/// Races that a call loses before it has a turn alone.
const PATIENCE: usize = 8;

/// See the module's text.
#[derive(Default)]
pub struct Turns(RwLock<()>);

/// A turn alone, until it is dropped. To be dropped before another call is waited for.
pub struct Alone<'t>(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'t, ()>);

impl Turns {
    /// What a call holds over a try, by how many it has made before; asked for before it reads.
    ///
    /// Cancel safe: nothing was begun.
    pub async fn try_after(&self, lost: usize) -> Option<Alone<'_>> {
        if lost < PATIENCE {
            return None;
        }
        Some(Alone(self.0.write().await))
    }

    /// Commits in the turn that the call has, or among the others.
    ///
    /// Cancel safe as [`Txn::commit`](strongroom_storage::Txn::commit) is.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(
        &self,
        session: Session,
        alone: Option<&Alone<'_>>,
    ) -> Result<Committed, CommitError> {
        let _among = match alone {
            Some(_) => None,
            None => Some(self.0.read().await),
        };
        session.into_txn().commit().await
    }
}
