//! The frame that the committer is filling, and what it means for those who come after.

use std::collections::BTreeMap;

use strongroom_merkle::KeyHash;
use strongroom_wal::FrameBuilder;

use crate::id::{Committed, KeyspaceId, Version};
use crate::index::{Changes, Keyspace, State};
use crate::job::{Answer, Prepared, RECORD_FRAMING_MAX, ReadSet};

/// A frame being filled.
pub(crate) struct Batch {
    pub(crate) frame: FrameBuilder,
    pub(crate) changes: BTreeMap<KeyspaceId, Changes>,
    /// Keyspaces in which this frame adds or removes keys.
    pub(crate) restructured: Vec<KeyspaceId>,
    pub(crate) waiting: Vec<Answer<Committed>>,
}

impl Batch {
    pub(crate) fn new(frame: FrameBuilder) -> Self {
        Self { frame, changes: BTreeMap::new(), restructured: Vec::new(), waiting: Vec::new() }
    }

    /// What this frame makes of an entry, if it touches it.
    #[expect(clippy::option_option, reason = "untouched, deleted and written are three cases")]
    fn change(&self, id: KeyspaceId, hash: &KeyHash) -> Option<Option<Version>> {
        let change = self.changes.get(&id)?.get(hash)?;
        Some(change.as_ref().map(super::index::IndexEntry::version))
    }

    pub(crate) fn version(
        &self,
        id: KeyspaceId,
        hash: &KeyHash,
        keyspace: &Keyspace,
    ) -> Option<Version> {
        self.change(id, hash)
            .unwrap_or_else(|| keyspace.trie.get(hash).map(super::index::IndexEntry::version))
    }
}

/// Whether what a transaction read still holds in the published state with the frame on top.
pub(crate) fn still_true(reads: &ReadSet, state: &State, batch: Option<&Batch>) -> bool {
    let entries = reads.entries.iter().all(|(id, hash, seen)| {
        let now = batch.and_then(|b| b.change(*id, hash)).unwrap_or_else(|| {
            state
                .keyspaces
                .get(id)
                .and_then(|k| k.trie.get(hash))
                .map(super::index::IndexEntry::version)
        });
        now == *seen
    });
    entries
        && reads.lists.iter().all(|(id, existed)| match state.keyspaces.get(id) {
            None => !existed,
            Some(k) => {
                *existed
                    && k.structure <= reads.at
                    && batch.is_none_or(|b| !b.restructured.contains(id))
            }
        })
}

/// Upper bound of the bytes that a transaction takes in a frame.
pub(crate) fn encoded_size(txn: &Prepared) -> usize {
    let ddl = (txn.creates.len() + txn.drops.len()) * (32 + RECORD_FRAMING_MAX);
    let writes: usize = txn
        .writes
        .iter()
        .map(|w| {
            let value = w.value.as_ref().map_or(0, |(v, _)| v.len());
            w.key.len() + value + 16 + RECORD_FRAMING_MAX
        })
        .sum();
    ddl + writes
}
