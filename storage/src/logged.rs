//! Updates of transactions that span frames, read back from the log: for undo, and for the change
//! stream.

use std::collections::{BTreeMap, HashMap};

use strongroom_aries::{After, Before, Compensation, Record, TxnId, Update};
use strongroom_merkle::{Digest, KeyHash};
use strongroom_wal::{LogReader, Lsn, ReadError};

use crate::index::{Indexed, Slot};

/// A committed transaction, as change streams need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streamed {
    /// Its first record.
    pub(crate) first: Lsn,
    /// A position behind its commit's beginning.
    pub(crate) committed: Lsn,
}

/// What undo needs of an update.
#[derive(Debug)]
pub(crate) struct LoggedUpdate {
    pub(crate) txn: (TxnId, u64),
    pub(crate) keyspace: u32,
    pub(crate) key: Box<[u8]>,
    pub(crate) hash: KeyHash,
    pub(crate) before: Before,
}

impl LoggedUpdate {
    /// The record as far as undo looks at it.
    pub(crate) fn as_record(&self) -> Record<'_> {
        Record::Update(Update {
            txn: Some(self.txn),
            keyspace: self.keyspace,
            key: &self.key,
            after: After::Deleted,
            before: self.before,
        })
    }
}

/// Updates by position.
#[derive(Debug, Default)]
pub(crate) struct LoggedUpdates {
    updates: BTreeMap<u64, LoggedUpdate>,
    next: HashMap<TxnId, u64>,
}

impl LoggedUpdates {
    /// Takes in one record.
    pub(crate) fn see(&mut self, lsn: Lsn, record: &Record<'_>, of: &dyn Fn(TxnId) -> bool) {
        match record {
            Record::Update(u) => {
                let Some(txn) = u.txn.filter(|(id, _)| of(*id)) else { return };
                let update = LoggedUpdate {
                    txn,
                    keyspace: u.keyspace,
                    key: u.key.into(),
                    hash: KeyHash::of(u.key),
                    before: u.before,
                };
                self.updates.insert(lsn.0, update);
                self.next.insert(txn.0, lsn.0);
            }
            Record::Compensation(c) if of(c.txn) => {
                self.next.insert(c.txn, c.undo_next);
            }
            _ => {}
        }
    }

    pub(crate) fn get(&self, lsn: Lsn) -> Option<&LoggedUpdate> {
        self.updates.get(&lsn.0)
    }

    /// Positions of the transaction's updates that were not taken back, the last one first.
    pub(crate) fn effective(&self, txn: TxnId) -> Vec<Lsn> {
        let mut chain = Vec::new();
        let mut at = self.next.get(&txn).copied().unwrap_or_default();
        while let Some(update) = self.updates.get(&at) {
            chain.push(Lsn(at));
            at = update.txn.1;
        }
        chain
    }
}

/// Reads the updates of some transactions from the segment that holds `from` on, up to the frame
/// that starts at `last` if that is given.
pub(crate) fn updates_of(
    log: &LogReader,
    from: Lsn,
    last: Option<Lsn>,
    of: &dyn Fn(TxnId) -> bool,
) -> Result<LoggedUpdates, ReadError> {
    let mut updates = LoggedUpdates::default();
    let segment = Lsn(from.0 / log.segment_size() * log.segment_size());
    for frame in log.frames(segment) {
        let frame = frame?;
        if last.is_some_and(|last| frame.start() > last) {
            break;
        }
        for (lsn, bytes) in frame.records() {
            if let Ok(record) = Record::decode(bytes) {
                updates.see(lsn, &record, of);
            }
        }
    }
    Ok(updates)
}

/// What stays uncommitted of a key after a compensation, given what is committed: nothing when the two
/// agree, or else what the transaction had written before.
pub(crate) fn restored(c: &Compensation<'_>, committed: Option<Indexed>) -> Option<Indexed> {
    let now = committed.map(|entry| entry.slot.version);
    match c.restore {
        Before::Present { version, .. } if now == Some(version) => None,
        Before::Present { at, len, digest, .. } => {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            let slot = Slot::written(Lsn(at), len, c.key.len()).uncommitted(c.txn);
            Some(Indexed { digest: Digest(digest), slot })
        }
        Before::Omitted | Before::Absent if now.is_none() => None,
        // What the transaction itself had deleted is deleted still.
        Before::Omitted | Before::Absent | Before::Deleted => {
            Some(Indexed::deleted(c.txn, c.key.len()))
        }
    }
}
