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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use strongroom_storage::{Class, KeyspaceId, Options, Store};

    use super::super::{Barrier, Keyring};
    use super::*;

    const HERE: KeyspaceId = KeyspaceId([9; 16]);

    /// A rival writes what the call has read, whenever it is let.
    #[tokio::test]
    async fn a_call_that_loses_every_race_wins_once_it_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let mut txn = store.begin();
        txn.create_keyspace(HERE, Class::Local);
        txn.commit().await.unwrap();
        let barrier = Arc::new(Barrier::new(Keyring::generate(0).unwrap()).unwrap());
        let session = || Session::new(store.begin(), Arc::clone(&barrier), Arc::default());
        let turns = Turns::default();
        for lost in 0.. {
            let alone = turns.try_after(lost).await;
            let (mut call, mut rival) = (session(), session());
            call.view(HERE).exists("a").unwrap();
            call.view(HERE).put("b", b"call").unwrap();
            rival.view(HERE).put("a", b"rival").unwrap();
            let mut rival = pin!(turns.commit(rival, None));
            if alone.is_none() {
                (&mut rival).await.unwrap();
                let lost = turns.commit(call, None).await;
                assert!(matches!(lost, Err(CommitError::Conflict)));
                continue;
            }
            tokio::select! {
                biased;
                _ = &mut rival => panic!("the turn is another's"),
                () = std::future::ready(()) => {}
            }
            turns.commit(call, alone.as_ref()).await.unwrap();
            drop(alone);
            rival.await.unwrap();
            assert_eq!(lost, PATIENCE);
            return;
        }
    }
}
