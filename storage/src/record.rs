//! Between the store's terms and log records.

use std::sync::Arc;

use strongroom_aries::{After, Before, Update};
use strongroom_merkle::leaf_digest;
use strongroom_wal::Lsn;

use crate::id::Version;
use crate::index::{IndexEntry, Slot};
use crate::job::Write;

/// The record of a write that its frame commits.
pub(crate) fn update_of(write: &Write, handle: u32) -> Update<'_> {
    Update {
        txn: None,
        keyspace: handle,
        key: &write.key,
        after: write.value.as_ref().map_or(After::Deleted, |(value, _)| After::Value(value)),
        before: Before::Omitted,
    }
}

/// Where the value of an update lies, given the position of its record.
pub(crate) fn value_at(record: Lsn, update: &Update<'_>) -> Lsn {
    Lsn(record.0 + update.value_offset() as u64)
}

/// The index entry that an update leaves, or `None` for a deletion.
pub(crate) fn entry_of(record: Lsn, update: &Update<'_>) -> Option<IndexEntry> {
    let After::Value(value) = update.after else { return None };
    Some(IndexEntry::new(Slot {
        key: Arc::from(update.key),
        digest: leaf_digest(update.key, value),
        at: value_at(record, update),
        len: u32::try_from(value.len()).unwrap_or(u32::MAX),
        version: Version(record.0),
    }))
}
