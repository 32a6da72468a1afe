//! Undo at restart: takes back the transactions that had not ended, in one backward sweep.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_aries::{Record, TransactionTable, TxnId, Undo, UndoError};
use strongroom_wal::{FrameBuilder, Log, LogReader, Lsn, framed_len};

use super::redo::unreadable;
use crate::error::OpenError;
use crate::index::{Changes, State, Touch};
use crate::logged::{LoggedUpdates, Restored, updates_of};
use crate::pages::Pool;
use crate::worker::Worker;

/// Losing transactions.
pub(crate) struct Losers {
    undo: Undo,
    updates: LoggedUpdates,
    count: u64,
}

impl Losers {
    /// Finds them in the table that analysis left, and reads what undo needs from the log: from the
    /// oldest one's first record on.
    pub(super) fn find(log: &LogReader, table: &TransactionTable) -> Result<Self, OpenError> {
        let losing = |txn: TxnId| table.get(txn).is_some_and(|t| !t.committed);
        let updates = match table.oldest_first_lsn() {
            Some(oldest) => updates_of(log, Lsn(oldest), None, &losing)?,
            None => LoggedUpdates::default(),
        };
        let count = table.iter().filter(|(_, t)| !t.committed).count() as u64;
        Ok(Self { undo: Undo::new(table), updates, count })
    }

    /// Nothing to undo and nothing to end.
    pub(crate) fn is_empty(&self) -> bool {
        self.undo.next().is_none() && self.undo.only_to_end().is_empty()
    }

    /// How many transactions lost.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Takes the losers back, in the log and in the state.
    pub(crate) fn undo(
        mut self,
        pool: &Arc<Pool>,
        log: &mut Log,
        state: &mut State,
    ) -> Result<(), OpenError> {
        let mut tail = Tail { log, frame: None };
        for txn in self.undo.only_to_end() {
            tail.push(&Record::End(*txn))?;
        }
        let mut changes: BTreeMap<u32, Changes> = BTreeMap::new();
        while let Some(lsn) = self.undo.next() {
            let update = self.updates.get(Lsn(lsn)).ok_or(UndoError::BrokenChain(lsn))?;
            let record = update.as_record();
            let step = self.undo.step(&record)?;
            tail.push(&Record::Compensation(step.compensation))?;
            let committed = state
                .get_committed(pool, update.keyspace, &update.hash, &update.key)
                .map_err(unreadable)?;
            let restore = Restored::of(&step.compensation.restore);
            let put = restore.pending(step.compensation.txn, committed);
            let touch = Touch { key: update.key.clone(), put };
            changes.entry(update.keyspace).or_default().insert(update.hash, touch);
            if step.ends {
                tail.push(&Record::End(step.compensation.txn))?;
            }
        }
        state.lsn = tail.finish()?.unwrap_or(state.lsn);
        for (handle, changes) in changes {
            state.apply_pending(pool, &Worker, handle, &changes, state.lsn).map_err(unreadable)?;
        }
        state.seal_roots();
        Ok(())
    }
}

/// The end of the log while undo writes to it.
struct Tail<'a> {
    log: &'a mut Log,
    frame: Option<FrameBuilder>,
}

impl Tail<'_> {
    fn push(&mut self, record: &Record<'_>) -> Result<(), OpenError> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        if self.frame.as_ref().is_some_and(|f| !f.fits(bytes.len())) {
            self.finish()?;
        }
        let frame = match &mut self.frame {
            Some(frame) => frame,
            None => self.frame.insert(self.log.begin_recovery_frame(framed_len(bytes.len()))?),
        };
        frame.push(&bytes).map_err(|_| OpenError::Damaged {
            file: "log".to_owned(),
            why: "a compensation record does not fit a frame",
        })?;
        Ok(())
    }

    fn finish(&mut self) -> Result<Option<Lsn>, OpenError> {
        let Some(frame) = self.frame.take() else { return Ok(None) };
        Ok(Some(self.log.append(frame)?.end))
    }
}
