//! Snapshots: one consistent state for as long as it is held, without blocking anyone.

use std::sync::Arc;

use strongroom_merkle::{Digest, KeyHash, Trie};
use strongroom_wal::Lsn;

use crate::error::ReadError;
use crate::id::{Class, KeyspaceId};
use crate::index::{IndexEntry, State};
use crate::values::Values;

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// A pinned state. While it is held no log segment that it needs, or that a change stream from its
/// position needs, is given back.
#[derive(Clone)]
pub struct Snapshot {
    state: Arc<State>,
    values: Values,
}

impl Snapshot {
    pub(crate) fn new(state: Arc<State>, values: Values) -> Self {
        Self { state, values }
    }

    /// Position of the log that it stands for.
    pub fn lsn(&self) -> Lsn {
        self.state.lsn
    }

    /// Root over the replicated keyspaces.
    pub fn replicated_root(&self) -> Digest {
        self.state.replicated_root
    }

    /// Root over all keyspaces of a class.
    pub fn root(&self, class: Class) -> Digest {
        self.state.root(class)
    }

    /// All keyspaces, by id.
    pub fn keyspaces(&self) -> Vec<(KeyspaceId, Class)> {
        self.state.keyspaces.iter().map(|(id, k)| (*id, k.class)).collect()
    }

    /// The Merkle index of a keyspace; a cheap clone.
    pub fn trie(&self, keyspace: KeyspaceId) -> Option<Trie<IndexEntry>> {
        self.state.keyspaces.get(&keyspace).map(|k| k.trie.clone())
    }

    /// Key and value of the entry with this key hash.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn get_by_hash(
        &self,
        keyspace: KeyspaceId,
        hash: &KeyHash,
    ) -> Result<Option<KeyValue>, ReadError> {
        let entry = self.state.keyspaces.get(&keyspace).and_then(|k| k.trie.get(hash));
        entry.map(|e| Ok((e.key().to_vec(), self.values.read(e.slot())?))).transpose()
    }

    /// The value of a key.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.state.get(keyspace, key).map(|entry| self.values.read(entry.slot())).transpose()
    }
}
