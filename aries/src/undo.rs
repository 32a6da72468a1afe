//! Undo: takes back the losers in one backward sweep over all of them, by descending LSN.
//!
//! Each step is logged as a compensation before the next is taken. A compensation says which record
//! comes next, so a crash at any step, at any depth, never undoes anything twice and never logs
//! more than one compensation for an update.

use crate::{Before, Compensation, Lsn, NO_LSN, Record, TransactionTable, TxnId};

/// The log does not say what undo needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UndoError {
    /// The record at this LSN belongs to no loser or is not an update: the chain is broken.
    #[error("record at {0} is not an update of the transaction being undone")]
    BrokenChain(Lsn),
}

/// What to do for the record that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct UndoStep<'a> {
    /// Log this, then apply it.
    pub compensation: Compensation<'a>,
    /// Log an end record for the transaction after it.
    pub ends: bool,
}

/// The sweep. A clone of it tells what undo will log.
#[derive(Clone, Debug)]
pub struct Undo {
    losers: Vec<(TxnId, Lsn)>,
    finished: Vec<TxnId>,
}

impl Undo {
    /// Takes on the transactions of the table that have no commit.
    pub fn new(table: &TransactionTable) -> Self {
        let mut undo = Self { losers: Vec::new(), finished: Vec::new() };
        for (txn, state) in table.iter() {
            if state.committed || state.undo_next == NO_LSN {
                undo.finished.push(txn);
            } else {
                undo.losers.push((txn, state.undo_next));
            }
        }
        undo
    }

    /// Transactions that need an end record and nothing else: winners, and losers whose undoing was
    /// complete but for that record.
    pub fn only_to_end(&self) -> &[TxnId] {
        &self.finished
    }

    /// LSN of the next record to read, or `None` when all losers are undone.
    pub fn next(&self) -> Option<Lsn> {
        self.losers.iter().map(|(_, lsn)| *lsn).max()
    }

    /// The record at [`Undo::next`] was read; answers what to log and apply for it.
    ///
    /// # Errors
    /// [`UndoError::BrokenChain`].
    pub fn step<'a>(&mut self, record: &Record<'a>) -> Result<UndoStep<'a>, UndoError> {
        let lsn = self.next().unwrap_or(NO_LSN);
        let broken = UndoError::BrokenChain(lsn);
        match record {
            Record::Update(u) => {
                let (txn, prev) = u.txn.ok_or(broken)?;
                if prev >= lsn || u.before == Before::Omitted {
                    return Err(broken);
                }
                let ends = self.advance(txn, lsn, prev)?;
                let compensation = Compensation {
                    txn,
                    undo_next: prev,
                    keyspace: u.keyspace,
                    key: u.key,
                    restore: u.before,
                };
                Ok(UndoStep { compensation, ends })
            }
            _ => Err(broken),
        }
    }

    /// Moves a loser to `undo_next`; true when it has nothing left.
    fn advance(&mut self, txn: TxnId, lsn: Lsn, undo_next: Lsn) -> Result<bool, UndoError> {
        let at = self
            .losers
            .iter()
            .position(|loser| *loser == (txn, lsn))
            .ok_or(UndoError::BrokenChain(lsn))?;
        if undo_next == NO_LSN {
            self.losers.swap_remove(at);
            return Ok(true);
        }
        self.losers[at].1 = undo_next;
        Ok(false)
    }
}
