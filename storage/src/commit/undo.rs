//! Rollback of transactions that have logged something: step by step from the end, with a compensation
//! for each step.
//!
//! What cannot be taken back now, for want of room in the log, is taken back later: until then the
//! keys stay held.

use strongroom_aries::{Record, Transaction, TransactionTable, TxnId, Undo};
use strongroom_wal::Lsn;

use super::active::Chain;
use super::batch::Batch;
use super::job::{Answer, Owner, RECORD_FRAMING_MAX};
use super::large::LOGGED_OVERHEAD;
use super::{Committer, unreadable};
use crate::error::CommitError;
use crate::index::Touch;
use crate::logged::{LoggedUpdate, restored, updates_of};
use crate::shared::Counters;

impl Committer {
    /// Takes back what a transaction logged after `to`; all of it, and the transaction with it, when
    /// there is no `to`.
    pub(super) fn roll_back(&mut self, owner: &Owner, to: Option<Lsn>, done: Answer<()>) {
        self.settle();
        let result = match (owner.get().copied(), to) {
            (Some(txn), Some(to)) => self.undo(txn, Some(to)),
            (Some(txn), None) => self.take_back(txn),
            (None, _) => Ok(()),
        };
        let _ = done.send(result);
    }

    /// Takes back all of a transaction, later if it cannot be done now.
    pub(super) fn take_back(&mut self, txn: TxnId) -> Result<(), CommitError> {
        let undone = self.undo(txn, None);
        if undone.is_err() && self.active.chains.contains_key(&txn) {
            self.active.doomed.insert(txn);
        }
        undone
    }

    /// Tries again to take back what could not be taken back: until then keys are held by a
    /// transaction that nobody can end.
    pub(super) fn undo_doomed(&mut self) {
        while let Some(txn) = self.active.doomed.pop_first() {
            self.settle();
            if self.take_back(txn).is_err() {
                return;
            }
        }
    }

    fn undo(&mut self, txn: TxnId, to: Option<Lsn>) -> Result<(), CommitError> {
        let Some(reached) = self.active.chains.get(&txn).copied() else { return Ok(()) };
        let mut rollback = Rollback { txn, reached, batch: None };
        let undone = self.undo_into(&mut rollback, to);
        // After an error the steps that are in the frame count all the same.
        let logged = self.log_rollback(&mut rollback);
        self.settle();
        undone?;
        logged?;
        if to.is_none() {
            self.active.end(txn);
        }
        self.shared.failure().map_or(Ok(()), |cause| Err(CommitError::Failed(cause)))
    }

    fn undo_into(&mut self, rollback: &mut Rollback, to: Option<Lsn>) -> Result<(), CommitError> {
        // No room is found out before the log is read.
        rollback.batch = Some(Batch::new(self.begin_frame(LOGGED_OVERHEAD)?));
        let txn = rollback.txn;
        let stop = to.unwrap_or(Lsn::ZERO);
        let from = Lsn(stop.0.max(txn.0));
        let updates = updates_of(&self.shared.log, from, None, &|id| id == txn)
            .map_err(|e| CommitError::Unreadable(e.to_string()))?;
        let mut table = TransactionTable::default();
        let (last, undo_next) = (rollback.reached.last.0, rollback.reached.undo_next.0);
        table.insert(txn, Transaction { committed: false, last, undo_next });
        let mut undo = Undo::new(&table);
        while let Some(lsn) = undo.next().filter(|lsn| *lsn > stop.0) {
            let update = updates.get(Lsn(lsn)).ok_or_else(|| broken(lsn))?;
            self.undo_one(&mut undo, update, rollback)?;
        }
        if to.is_none() {
            let mut open = self.room(rollback, RECORD_FRAMING_MAX + 16)?;
            let gone = self.head.forget_gone(self.pool(), txn, &mut open.pending);
            let ended = match gone {
                Ok(()) => self.push(&mut open.frame, &Record::End(txn)).map(drop),
                Err(e) => Err(unreadable(e)),
            };
            // The steps that are in the frame count all the same.
            rollback.batch = Some(open);
            ended?;
        }
        Ok(())
    }

    /// One step back.
    fn undo_one(
        &mut self,
        undo: &mut Undo,
        update: &LoggedUpdate,
        rollback: &mut Rollback,
    ) -> Result<(), CommitError> {
        let record = update.as_record();
        let step = undo.step(&record).map_err(|e| CommitError::Unreadable(e.to_string()))?;
        let committed = self
            .head
            .get_committed(&self.shared.pool, update.keyspace, &update.hash)
            .map_err(unreadable)?;
        let mut open = self.room(rollback, update.key.len() + LOGGED_OVERHEAD)?;
        let last = self.push(&mut open.frame, &Record::Compensation(step.compensation))?;
        rollback.reached = Chain { last, undo_next: Lsn(step.compensation.undo_next) };
        let put = restored(&step.compensation, committed);
        let touch = Touch { key: update.key.clone(), put };
        open.pending.entry(update.keyspace).or_default().insert(update.hash, touch);
        rollback.batch = Some(open);
        Counters::add(&self.shared.counters.compensations, 1);
        Ok(())
    }

    /// A frame with room for `size` bytes more.
    fn room(&mut self, rollback: &mut Rollback, size: usize) -> Result<Batch, CommitError> {
        if rollback.batch.as_ref().is_some_and(|b| !b.frame.fits(size)) {
            self.log_rollback(rollback)?;
        }
        match rollback.batch.take() {
            Some(open) => Ok(open),
            None => Ok(Batch::new(self.begin_frame(size)?)),
        }
    }

    /// Submits the steps that are in the frame. Only then do they count.
    fn log_rollback(&mut self, rollback: &mut Rollback) -> Result<(), CommitError> {
        let Some(batch) = rollback.batch.take() else { return Ok(()) };
        self.batch = Some(batch);
        self.try_flush()?;
        self.active.chains.insert(rollback.txn, rollback.reached);
        Ok(())
    }
}

/// A rollback under way.
struct Rollback {
    txn: TxnId,
    /// Where the transaction stands after what is logged and what is in the frame.
    reached: Chain,
    batch: Option<Batch>,
}

fn broken(lsn: u64) -> CommitError {
    CommitError::Unreadable(strongroom_aries::UndoError::BrokenChain(lsn).to_string())
}
