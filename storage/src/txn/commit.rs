//! How a transaction ends, and what of it is logged before: spills, savepoints, rollback, commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_merkle::{Join, KeyHash, leaf_digest};
use strongroom_wal::Lsn;
use tokio::sync::oneshot;

use super::{Txn, Writes};
use crate::block_on::block_on;
use crate::commit::Desk;
use crate::commit::job::{Answer, Job, Made, Owner, Prepared, ReadSet, Write};
use crate::error::CommitError;
use crate::id::{Committed, KEY_MAX, KeyspaceId, VALUE_MAX};
use crate::worker::Worker;

/// Writes of more bytes than this are logged before the transaction commits.
const FRAME_MAX: usize = 4 << 20;
/// From so many writes on, two halves of them are worth two threads.
const JOIN_FROM: usize = 128;

/// A point that a transaction can be rolled back to, any number of times, until it is rolled back
/// to an earlier one. From then on it is void, and so it is for any other transaction.
#[derive(Clone, Debug)]
pub struct Savepoint {
    /// Whose it is. As long as it is held there is no other transaction at its address.
    owner: Owner,
    /// Its number among those of its transaction.
    no: u64,
    last: Lsn,
    logged: BTreeMap<(KeyspaceId, Vec<u8>), bool>,
    /// Numbers of the keyspaces that these are in.
    handles: BTreeMap<KeyspaceId, u32>,
    drops: usize,
    creates: usize,
}

impl Txn {
    /// Logs what is buffered now, to bound the memory of a large transaction. Other transactions
    /// that write the same keys meet a conflict from here on until this one ends.
    ///
    /// Cancel safe in this sense: the writes may be logged though the future is dropped, and are
    /// taken back with the transaction, which answers `Conflict` to all that follows.
    ///
    /// # Errors
    /// See [`CommitError`]; `Conflict` when another transaction holds one of the keys,
    /// `UnknownKeyspace` when a keyspace that was logged to was dropped meanwhile, and made anew. The
    /// transaction answers the same from then on: drop it.
    pub async fn spill(&mut self) -> Result<(), CommitError> {
        if let Some(e) = &self.lost {
            return Err(e.clone());
        }
        if self.writes.is_empty() {
            return Ok(());
        }
        // Stands if the future is dropped.
        self.lost = Some(CommitError::Conflict);
        let spilled = self.spill_writes().await;
        self.lost = spilled.as_ref().err().cloned();
        spilled
    }

    async fn spill_writes(&mut self) -> Result<(), CommitError> {
        let writes = std::mem::take(&mut self.writes);
        for ((keyspace, key), value) in &writes {
            self.logged.insert((*keyspace, key.clone()), value.is_some());
        }
        let writes = prepare(writes, self.store.submit.is_empty())?;
        let made = self.made();
        let owner = self.owner();
        let (done, answer) = oneshot::channel();
        self.to_take_back = true;
        self.store.submit.send(Job::Spill { owner, made, writes, done });
        let mut spilled = answer.await.unwrap_or(Err(CommitError::Closed))?;
        if let Some(before) = self.spilled.take() {
            let anew = |(id, handle)| spilled.handles.get(id).is_some_and(|now| now != handle);
            // The writes before are in another keyspace: they can neither be read there nor committed.
            if before.handles.iter().any(anew) {
                return Err(CommitError::UnknownKeyspace);
            }
            spilled.handles.extend(before.handles);
        }
        self.spilled = Some(spilled);
        Ok(())
    }

    /// Logs what is buffered and answers a point to which the transaction can be rolled back.
    ///
    /// # Errors
    /// See [`Txn::spill`].
    pub async fn savepoint(&mut self) -> Result<Savepoint, CommitError> {
        self.spill().await?;
        let no = self.savepoints_made;
        self.savepoints_made += 1;
        self.savepoints.push(no);
        Ok(Savepoint {
            owner: self.owner(),
            no,
            last: self.spilled.as_ref().map_or(Lsn::ZERO, |s| s.last),
            logged: self.logged.clone(),
            handles: self.spilled.as_ref().map(|s| s.handles.clone()).unwrap_or_default(),
            drops: self.drops.len(),
            creates: self.creates.len(),
        })
    }

    /// Takes back everything since the savepoint; what was read stays read. Later savepoints are
    /// void.
    ///
    /// # Errors
    /// `VoidSavepoint` when it is void, or another transaction's: nothing changes and the transaction
    /// goes on. For the others see [`CommitError`]; the transaction answers the same from then on:
    /// drop it.
    pub async fn roll_back_to(&mut self, savepoint: &Savepoint) -> Result<(), CommitError> {
        if let Some(e) = &self.lost {
            return Err(e.clone());
        }
        let mine = self.owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, &savepoint.owner));
        let place = self.savepoints.binary_search(&savepoint.no);
        let (true, Ok(place)) = (mine, place) else { return Err(CommitError::VoidSavepoint) };
        self.savepoints.truncate(place + 1);
        self.writes.clear();
        self.drops.truncate(savepoint.drops);
        self.creates.truncate(savepoint.creates);
        let owner = self.owner();
        if let Some(spilled) = &mut self.spilled
            && spilled.last > savepoint.last
        {
            let to = Some(savepoint.last);
            let (done, answer) = oneshot::channel();
            self.lost = Some(CommitError::Conflict);
            self.store.submit.send(Job::RollBack { owner, to, done });
            let undone = answer.await.unwrap_or(Err(CommitError::Closed));
            self.lost = undone.as_ref().err().cloned();
            undone?;
            spilled.last = savepoint.last;
            spilled.handles.clone_from(&savepoint.handles);
        }
        self.logged.clone_from(&savepoint.logged);
        Ok(())
    }

    /// Commits; durable and visible when it answers. A transaction that wrote nothing answers at
    /// once, without validation: what it read is one consistent state.
    ///
    /// Cancel safe in this sense: a transaction that fits one frame goes on, once first polled,
    /// though the future is dropped, and only its answer is lost; a larger one does so from the
    /// moment that all of its writes are logged, and is taken back before.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(self) -> Result<Committed, CommitError> {
        self.commit_by(Desk::send).await
    }

    /// As [`Txn::commit`], blocking the thread. Not for async code.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn commit_blocking(self) -> Result<Committed, CommitError> {
        block_on(self.commit_by(Desk::send_or_do))
    }

    async fn commit_by(mut self, hand_in: fn(&Desk, Job)) -> Result<Committed, CommitError> {
        if let Some(e) = self.lost.take() {
            return Err(e);
        }
        if self.is_read_only() {
            let read = self.state.get().map(|state| state.lsn);
            return Ok(Committed { lsn: read.unwrap_or_else(|| self.store.shared.state().lsn) });
        }
        let bytes: usize =
            self.writes.iter().map(|((_, k), v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum();
        let room =
            FRAME_MAX.min(usize::try_from(self.store.values.log.segment_size() / 2).unwrap_or(0));
        let large = bytes > room && self.writes.len() > 1;
        if large || self.spilled.is_some() {
            self.spill().await?;
        }
        let writes = prepare(std::mem::take(&mut self.writes), self.store.submit.is_empty())?;
        let at = self.state.get().map_or(Lsn::ZERO, |state| state.lsn);
        let prepared = Prepared {
            reads: ReadSet { at, ..std::mem::take(&mut self.reads) },
            drops: std::mem::take(&mut self.drops),
            creates: std::mem::take(&mut self.creates),
            writes,
            seen: self.state.take(),
        };
        let (done, answer) = oneshot::channel();
        self.to_take_back = false;
        let job = match self.spilled.take() {
            Some(spilled) => Job::CommitSpilled { txn: spilled.txn, prepared, done },
            None => Job::Commit { prepared, done },
        };
        let desk = Arc::clone(&self.store.submit);
        let _present = desk.enter();
        hand_in(&desk, job);
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    fn owner(&mut self) -> Owner {
        Arc::clone(self.owner.get_or_insert_default())
    }

    /// Keyspaces that this transaction makes, with the numbers set aside for them.
    fn made(&self) -> Made {
        let known = self.spilled.as_ref().map(|s| &s.made);
        let number = |id: &KeyspaceId| known.and_then(|made| made.get(id)?.1);
        self.creates.iter().map(|(id, class)| (*id, (*class, number(id)))).collect()
    }
}

impl Drop for Txn {
    fn drop(&mut self) {
        if self.to_take_back {
            let owner = self.owner();
            let (done, _nobody): (Answer<()>, _) = oneshot::channel();
            self.store.submit.send(Job::RollBack { owner, to: None, done });
        }
    }
}

/// Hashes writes, on the caller's thread; on two if there are many and nobody else commits.
fn prepare(writes: Writes, alone: bool) -> Result<Vec<Write>, CommitError> {
    if !alone || writes.len() < JOIN_FROM {
        return hashed(writes.into_iter());
    }
    let mut left: Vec<_> = writes.into_iter().collect();
    let right = left.split_off(left.len() / 2);
    let (left, right) = Worker.join(|| hashed(left.into_iter()), || hashed(right.into_iter()));
    let mut all = left?;
    all.append(&mut right?);
    Ok(all)
}

type Named = ((KeyspaceId, Vec<u8>), Option<Vec<u8>>);

fn hashed(writes: impl Iterator<Item = Named>) -> Result<Vec<Write>, CommitError> {
    let write = |((keyspace, key), value): Named| {
        if key.len() > KEY_MAX || value.as_ref().is_some_and(|v| v.len() > VALUE_MAX) {
            return Err(CommitError::TooLarge(key.len() + value.map_or(0, |v| v.len())));
        }
        let value = value.map(|v| {
            let digest = leaf_digest(&key, &v);
            (v, digest)
        });
        Ok(Write { keyspace, hash: KeyHash::of(&key), key: key.into(), value })
    };
    writes.map(write).collect()
}
