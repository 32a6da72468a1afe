//! Analysis: one pass forward from the last checkpoint rebuilds the two tables.

use crate::{DirtyPageTable, Lsn, MapLocation, PageId, Record, TransactionTable};

/// The pass. Feed it every record from the checkpoint's begin record on, in order.
#[derive(Debug)]
pub struct Analysis {
    checkpoint_begin: Lsn,
    map: Option<MapLocation>,
    transactions: TransactionTable,
    dirty: DirtyPageTable,
}

/// What analysis found.
#[derive(Debug)]
pub struct Outcome {
    /// Where redo starts.
    pub redo_from: Lsn,
    /// Transactions that had not ended. Those without a commit are the losers.
    pub transactions: TransactionTable,
    /// A superset of the pages whose disk image misses something.
    pub dirty: DirtyPageTable,
    /// The page map of the checkpoint, if its end record was seen.
    pub map: Option<MapLocation>,
}

impl Analysis {
    /// Starts at the begin record of the last complete checkpoint, or at the log's first frame if
    /// there was none.
    pub fn new(checkpoint_begin: Lsn) -> Self {
        Self {
            checkpoint_begin,
            map: None,
            transactions: TransactionTable::default(),
            dirty: DirtyPageTable::default(),
        }
    }

    /// Takes in one record. `page_of` tells the page on which an entry lives, given its keyspace,
    /// whether it is meant as an uncommitted write, and its key.
    pub fn see(
        &mut self,
        lsn: Lsn,
        record: &Record<'_>,
        mut page_of: impl FnMut(u32, bool, &[u8]) -> PageId,
    ) {
        match record {
            Record::Update(u) => {
                self.dirty.note(page_of(u.keyspace, u.txn.is_some(), u.key), lsn);
                if let Some((txn, _)) = u.txn {
                    self.transactions.updated(txn, lsn);
                }
            }
            Record::Compensation(c) => {
                self.dirty.note(page_of(c.keyspace, true, c.key), lsn);
                self.transactions.compensated(c.txn, lsn, c.undo_next);
            }
            Record::Relocation(r) => self.dirty.note(page_of(r.keyspace, false, r.key), lsn),
            Record::Commit(txn) => self.transactions.committed(*txn, lsn),
            Record::End(txn) => self.transactions.ended(*txn),
            Record::CheckpointEnd(end) if end.begin == self.checkpoint_begin => {
                self.map = Some(end.map);
                for (txn, state) in end.transactions.iter() {
                    // What was seen since the begin record is newer than the table.
                    if self.transactions.get(txn).is_none() {
                        self.transactions.insert(txn, *state);
                    }
                }
                for (page, recovery) in end.dirty.iter() {
                    self.dirty.note(page, recovery);
                }
            }
            // A dropped keyspace's pages stay: redo has to arrive at every root on the way.
            Record::DropKeyspace { .. }
            | Record::CheckpointEnd(_)
            | Record::CheckpointBegin
            | Record::CreateKeyspace { .. }
            | Record::RootMark(_) => {}
        }
    }

    /// The end of the log was reached.
    pub fn finish(self) -> Outcome {
        let redo_from = self.dirty.oldest().map_or(self.checkpoint_begin, |oldest| {
            // Keyspace records are not page-oriented, so redo never starts after the checkpoint.
            oldest.min(self.checkpoint_begin)
        });
        Outcome { redo_from, transactions: self.transactions, dirty: self.dirty, map: self.map }
    }
}
