//! Transactions that are logged before they commit.
//!
//! Their writes go to the log as updates with before-images, chained, and to the trees of
//! uncommitted writes, whose pages may be written like any other (steal). A key that such a
//! transaction has written is held: whoever else writes it meets a conflict. The commit record turns
//! all of it into committed entries at once; [`undo`](super::undo) takes it back.

use std::collections::BTreeMap;

use strongroom_aries::{After, Before, Record, TxnId, Update};
use strongroom_wal::Lsn;

use super::active::Chain;
use super::batch::Batch;
use super::job::{Answer, Made, Owner, Prepared, RECORD_FRAMING_MAX, Spilled, Write};
use super::{Committer, FRAME_TARGET, unreadable};
use crate::error::CommitError;
use crate::id::Committed;
use crate::index::{DELETED, Indexed, Slot, Touch};
use crate::logged::Streamed;

/// Bytes that an update with its chain and its before-image takes beside key and value, at most.
pub(super) const LOGGED_OVERHEAD: usize = 100 + RECORD_FRAMING_MAX;

impl Committer {
    /// Whether another transaction than `own` has written the key and not ended.
    pub(super) fn is_held(&self, write: &Write, own: Option<TxnId>) -> Result<bool, CommitError> {
        let Some(keyspace) = self.head.keyspaces.get(&write.keyspace) else { return Ok(false) };
        let held =
            self.head.get_pending(self.pool(), keyspace.handle, &write.hash).map_err(unreadable)?;
        Ok(held.is_some_and(|held| Some(TxnId(held.slot.version)) != own))
    }

    /// Logs writes of a transaction, in as many frames as it takes.
    pub(super) fn spill(
        &mut self,
        owner: &Owner,
        made: Made,
        writes: Vec<Write>,
        done: Answer<Spilled>,
    ) {
        self.catch_up();
        match self.log_writes(owner, made, writes) {
            Ok((spilled, Some(mut batch))) => {
                let (txn, last) = (spilled.txn, spilled.last);
                batch.waiters.push(Box::new(move |landed| {
                    let _ = done.send(landed.map(|_| spilled));
                }));
                // Whoever waits is told by the frame.
                let _ = self.log_part(batch, owner, txn, last);
            }
            Ok((spilled, None)) => drop(done.send(Ok(spilled))),
            Err(e) => self.refuse(e, done),
        }
    }

    /// Submits a frame of a transaction's writes, of which `last` is the last one. Only what is
    /// submitted counts as the transaction's: undo would look in vain for the rest.
    fn log_part(
        &mut self,
        batch: Batch,
        owner: &Owner,
        txn: TxnId,
        last: Lsn,
    ) -> Result<(), CommitError> {
        self.batch = Some(batch);
        self.try_flush()?;
        owner.get_or_init(|| txn);
        self.active.chains.insert(txn, Chain { last, undo_next: last });
        Ok(())
    }

    /// Puts writes into frames; the last one is handed back. After an error the transaction stands
    /// where the frames that went out have left it.
    fn log_writes(
        &mut self,
        owner: &Owner,
        mut made: Made,
        writes: Vec<Write>,
    ) -> Result<(Spilled, Option<Batch>), CommitError> {
        let own = owner.get().copied();
        let chain = own.and_then(|txn| self.active.chains.get(&txn).copied()).unwrap_or_default();
        let (mut id, mut last) = (own, chain.undo_next);
        let mut handles = BTreeMap::new();
        let mut batch: Option<Batch> = None;
        for write in writes {
            if self.is_held(&write, id)? {
                return Err(CommitError::Conflict);
            }
            let handle = self.handle_for(&write, &mut made)?;
            handles.insert(write.keyspace, handle);
            let size = write.size() + LOGGED_OVERHEAD;
            let full =
                |b: &mut Batch| b.frame.payload_len() + size > FRAME_TARGET || !b.frame.fits(size);
            if let (Some(part), Some(txn)) = (batch.take_if(full), id) {
                self.log_part(part, owner, txn, last)?;
            }
            let mut open = match batch.take() {
                Some(open) => open,
                None => Batch::new(self.begin_frame(size)?),
            };
            let (lsn, txn) = self.log_write(&mut open, id, last, handle, write)?;
            (id, last) = (Some(txn), lsn);
            batch = Some(open);
        }
        let txn = id.ok_or(CommitError::UnknownKeyspace)?;
        Ok((Spilled { txn, last, made, handles }, batch))
    }

    /// Number of the keyspace that is written to, set aside if the transaction itself makes it.
    fn handle_for(&self, write: &Write, made: &mut Made) -> Result<u32, CommitError> {
        if let Some((class, number)) = made.get_mut(&write.keyspace) {
            return Ok(*number.get_or_insert_with(|| {
                let handle = self.shared.next_handle();
                self.shared.add_keyspace(handle, write.keyspace, *class);
                handle
            }));
        }
        let keyspace = self.head.keyspaces.get(&write.keyspace);
        keyspace.map(|k| k.handle).ok_or(CommitError::UnknownKeyspace)
    }

    /// Logs one write with what it replaces.
    fn log_write(
        &mut self,
        batch: &mut Batch,
        txn: Option<TxnId>,
        last: Lsn,
        handle: u32,
        write: Write,
    ) -> Result<(Lsn, TxnId), CommitError> {
        let own = match batch.pending.get(&handle).and_then(|c| c.get(&write.hash)) {
            Some(touch) => touch.put,
            None => self.head.get_pending(self.pool(), handle, &write.hash).map_err(unreadable)?,
        };
        let before = match own {
            Some(own) if own.slot.len == DELETED => Before::Deleted,
            Some(own) => before_of(Some(as_committed(own))),
            None => before_of(
                self.head.get_committed(self.pool(), handle, &write.hash).map_err(unreadable)?,
            ),
        };
        let next = batch.frame.record_lsn();
        let owner = txn.unwrap_or(TxnId(next.0));
        let update = Update {
            txn: Some((owner, last.0)),
            keyspace: handle,
            key: &write.key,
            after: write.value.as_ref().map_or(After::Deleted, |(value, _)| After::Value(value)),
            before,
        };
        let lsn = self.push(&mut batch.frame, &Record::Update(update))?;
        let at = Lsn(lsn.0 + update.value_offset() as u64);
        let put = match &write.value {
            Some((value, digest)) => {
                let slot = Slot::written(at, value.len(), write.key.len()).uncommitted(owner);
                Indexed { digest: *digest, slot }
            }
            None => Indexed::deleted(owner, write.key.len()),
        };
        let touch = Touch { key: write.key, put: Some(put) };
        batch.pending.entry(handle).or_default().insert(write.hash, touch);
        Ok((lsn, owner))
    }

    /// Commits a transaction whose writes are all logged: one frame with its drops, creates and the
    /// commit record.
    pub(super) fn commit_spilled(
        &mut self,
        txn: TxnId,
        prepared: &Prepared,
        done: Answer<Committed>,
    ) {
        self.catch_up();
        match self.encode_commit(txn, prepared) {
            Ok(mut batch) => {
                batch.commits.push(done);
                let committed = batch.frame.record_lsn();
                self.batch = Some(batch);
                if self.try_flush().is_ok() {
                    self.active.end(txn);
                    self.active.streamed.push(Streamed { first: Lsn(txn.0), committed });
                } else {
                    // Whoever asked was told why; if it cannot be done now it is done later.
                    self.settle();
                    let _ = self.take_back(txn);
                }
            }
            Err(e) => {
                self.settle();
                // What it logged is taken back here: whoever asked may not wait for the answer.
                let e = self.take_back(txn).err().unwrap_or(e);
                self.refuse(e, done);
            }
        }
    }

    fn encode_commit(&mut self, txn: TxnId, prepared: &Prepared) -> Result<Batch, CommitError> {
        self.validate(prepared)?;
        let written = self.head.pending_of(self.pool(), txn.0).map_err(unreadable)?;
        let numbers: Vec<Option<u32>> = prepared
            .creates
            .iter()
            .map(|(id, _)| {
                written
                    .keys()
                    .copied()
                    .find(|n| self.shared.keyspace(*n).is_some_and(|k| k.0 == *id))
            })
            .collect();
        let mut batch = Batch::new(self.begin_frame(prepared.size() + 2 * LOGGED_OVERHEAD)?);
        let keyspaces = self.encode_ddl(prepared, &numbers, &mut batch)?;
        let known = |handle: &u32| keyspaces.values().any(|k| k.handle == *handle);
        if !written.keys().all(known) {
            return Err(CommitError::UnknownKeyspace);
        }
        if !prepared.creates.is_empty() || !prepared.drops.is_empty() {
            batch.keyspaces = Some(keyspaces);
        }
        self.push(&mut batch.frame, &Record::Commit(txn))?;
        self.push(&mut batch.frame, &Record::End(txn))?;
        for (handle, changes) in written {
            let gone = changes
                .iter()
                .map(|(hash, touch)| (*hash, Touch { key: touch.key.clone(), put: None }));
            batch.pending.insert(handle, gone.collect());
            batch.changes.insert(handle, changes);
        }
        Ok(batch)
    }
}

/// What an entry was, as an update records it.
fn before_of(entry: Option<Indexed>) -> Before {
    entry.map_or(Before::Absent, |entry| Before::Present {
        at: entry.slot.at.0,
        len: entry.slot.len,
        version: entry.slot.version,
        digest: entry.digest.0,
    })
}

/// An uncommitted entry as it would be once committed.
fn as_committed(entry: Indexed) -> Indexed {
    Indexed { slot: entry.slot.committed(), ..entry }
}
