//! The two tables that a checkpoint records and that analysis rebuilds.

use std::collections::BTreeMap;

use crate::{Lsn, NO_LSN, PageId, TxnId};

/// What is known of a transaction that spans frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its commit record was seen.
    pub committed: bool,
    /// LSN of its last record.
    pub last: Lsn,
    /// LSN of the next record to undo should it lose; [`NO_LSN`] when nothing is left.
    pub undo_next: Lsn,
}

/// Transactions that have begun and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionTable(BTreeMap<TxnId, Transaction>);

impl TransactionTable {
    /// Sets the state of a transaction.
    pub fn insert(&mut self, txn: TxnId, state: Transaction) {
        self.0.insert(txn, state);
    }

    /// An update was logged.
    pub fn updated(&mut self, txn: TxnId, lsn: Lsn) {
        self.0.insert(txn, Transaction { committed: false, last: lsn, undo_next: lsn });
    }

    /// A compensation was logged: undo goes on at `undo_next`.
    pub fn compensated(&mut self, txn: TxnId, lsn: Lsn, undo_next: Lsn) {
        self.0.insert(txn, Transaction { committed: false, last: lsn, undo_next });
    }

    /// The commit record was logged.
    pub fn committed(&mut self, txn: TxnId, lsn: Lsn) {
        self.0.insert(txn, Transaction { committed: true, last: lsn, undo_next: NO_LSN });
    }

    /// The end record was logged.
    pub fn ended(&mut self, txn: TxnId) {
        self.0.remove(&txn);
    }

    /// State of a transaction.
    pub fn get(&self, txn: TxnId) -> Option<&Transaction> {
        self.0.get(&txn)
    }

    /// All, by id.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (TxnId, &Transaction)> {
        self.0.iter().map(|(id, t)| (*id, t))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// First LSN of the oldest transaction: the log must reach back to it. Ids are first LSNs.
    pub fn oldest_first_lsn(&self) -> Option<Lsn> {
        self.0.keys().next().map(|id| id.0)
    }
}

/// Pages that may hold changes which are not on disk, each with its recovery LSN: the first record
/// whose effect may be missing there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirtyPageTable(BTreeMap<PageId, Lsn>);

impl DirtyPageTable {
    /// A page was changed by the record at `lsn`; the first such LSN stays.
    pub fn note(&mut self, page: PageId, lsn: Lsn) {
        let recovery = self.0.entry(page).or_insert(lsn);
        *recovery = (*recovery).min(lsn);
    }

    /// The page was written.
    pub fn clean(&mut self, page: PageId) {
        self.0.remove(&page);
    }

    /// Recovery LSN of a page.
    pub fn recovery_lsn(&self, page: PageId) -> Option<Lsn> {
        self.0.get(&page).copied()
    }

    /// Where redo has to start on account of these pages.
    pub fn oldest(&self) -> Option<Lsn> {
        self.0.values().min().copied()
    }

    /// All, by page.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (PageId, Lsn)> {
        self.0.iter().map(|(page, lsn)| (*page, *lsn))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
