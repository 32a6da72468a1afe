//! The transaction table: transactions that have logged something, and what is needed of them.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_aries::{Transaction, TransactionTable, TxnId};
use strongroom_wal::Lsn;

use crate::logged::Streamed;

/// Transactions that have logged something and not ended.
#[derive(Debug, Default)]
pub(crate) struct Active {
    pub(super) chains: BTreeMap<TxnId, Chain>,
    /// Those among them that could not be taken back yet: a rollback needs room in the log.
    pub(super) doomed: BTreeSet<TxnId>,
    /// Those that were committed: a change stream that has yet to pass the commit reads their records.
    pub(super) streamed: Vec<Streamed>,
}

/// A transaction's records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    /// Its last record.
    pub(super) last: Lsn,
    /// Its last update that is not undone: what the next update is chained to.
    pub(super) undo_next: Lsn,
}

impl Active {
    /// None is active; these were committed before.
    pub(crate) fn committed(streamed: Vec<Streamed>) -> Self {
        Self { streamed, ..Self::default() }
    }

    /// Where the log is needed from to take them all back.
    pub(super) fn oldest(&self) -> Option<Lsn> {
        self.chains.keys().next().map(|txn| Lsn(txn.0))
    }

    /// As a checkpoint records them.
    pub(super) fn table(&self) -> TransactionTable {
        let mut table = TransactionTable::default();
        for (txn, Chain { last, undo_next }) in &self.chains {
            let (last, undo_next) = (last.0, undo_next.0);
            table.insert(*txn, Transaction { committed: false, last, undo_next });
        }
        table
    }

    /// Committed transactions, as far as they are not [forgotten](Self::forget_streamed).
    pub(super) fn streamed(&self) -> Vec<Streamed> {
        self.streamed.clone()
    }

    /// No stream within its bound stands before this position any more.
    pub(super) fn forget_streamed(&mut self, before: Lsn) {
        self.streamed.retain(|txn| txn.committed >= before);
    }

    pub(super) fn end(&mut self, txn: TxnId) {
        self.chains.remove(&txn);
        self.doomed.remove(&txn);
    }
}
