//! Undo at restart: takes back the transactions that had not ended, in one backward sweep.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_aries::{Record, TransactionTable, TxnId, Undo, UndoError};
use strongroom_wal::{FrameBuilder, Log, LogError, LogReader, Lsn, framed_len};

use super::redo::unreadable;
use crate::error::OpenError;
use crate::index::{Changes, State, Touch};
use crate::logged::{LoggedUpdate, LoggedUpdates, restored, updates_of};
use crate::pages::{PageFiles, Pool};
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

    /// Takes the room that undo needs in the log, before redo's pages fill the disk; a full disk is
    /// rid of page segments that nothing refers to first.
    pub(super) fn secure(&self, log: &mut Log, files: &PageFiles) -> Result<(), OpenError> {
        let (mut lens, mut bytes) = (Vec::new(), Vec::new());
        sweep(&mut self.undo.clone(), &self.updates, |record, _| {
            bytes.clear();
            record.encode(&mut bytes);
            lens.push(bytes.len());
            Ok(())
        })?;
        match log.secure_recovery(lens.iter().copied()) {
            Err(LogError::NoSpace) => {
                files.remove_leftover().map_err(OpenError::io("remove page segments"))?;
                Ok(log.secure_recovery(lens)?)
            }
            secured => Ok(secured?),
        }
    }

    /// Takes the losers back, in the log and in the state.
    pub(crate) fn undo(
        mut self,
        pool: &Arc<Pool>,
        log: &mut Log,
        state: &mut State,
    ) -> Result<(), OpenError> {
        let mut tail = Tail { log, frame: None };
        let mut changes: BTreeMap<u32, Changes> = BTreeMap::new();
        sweep(&mut self.undo, &self.updates, |record, update| {
            tail.push(record)?;
            if let Record::End(txn) = record {
                return state.forget_gone(pool, *txn, &mut changes).map_err(unreadable);
            }
            let (Record::Compensation(c), Some(update)) = (record, update) else { return Ok(()) };
            let committed =
                state.get_committed(pool, update.keyspace, &update.hash).map_err(unreadable)?;
            let put = restored(c, committed);
            let touch = Touch { key: update.key.clone(), put };
            changes.entry(update.keyspace).or_default().insert(update.hash, touch);
            Ok(())
        })?;
        state.lsn = tail.finish()?.unwrap_or(state.lsn);
        for (handle, changes) in changes {
            state.apply_pending(pool, &Worker, handle, &changes, state.lsn).map_err(unreadable)?;
        }
        state.seal_roots();
        Ok(())
    }
}

/// Goes through what undo logs, in order, each compensation with its update.
fn sweep(
    undo: &mut Undo,
    updates: &LoggedUpdates,
    mut each: impl FnMut(&Record<'_>, Option<&LoggedUpdate>) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    for txn in undo.only_to_end() {
        each(&Record::End(*txn), None)?;
    }
    while let Some(lsn) = undo.next() {
        let update = updates.get(Lsn(lsn)).ok_or(UndoError::BrokenChain(lsn))?;
        let step = undo.step(&update.as_record())?;
        each(&Record::Compensation(step.compensation), Some(update))?;
        if step.ends {
            each(&Record::End(step.compensation.txn), None)?;
        }
    }
    Ok(())
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
