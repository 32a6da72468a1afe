//! Snapshots: one consistent state for as long as it is held, without blocking anyone.

use std::sync::Arc;

use strongroom_merkle::{Digest, KeyHash};
use strongroom_wal::Lsn;

use crate::error::ReadError;
use crate::id::{Class, KeyspaceId, Version};
use crate::index::{Indexed, State};
use crate::tree::{Index, index_of};
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

/// An index entry: everything about a key but its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// The key.
    pub key: Vec<u8>,
    /// The digest that the index has for key and value together.
    pub digest: Digest,
    /// Version of the entry.
    pub version: Version,
    /// Position of the value's first byte in the log.
    pub position: Lsn,
    /// Length of the value, bytes.
    pub value_len: u32,
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
    pub fn trie(&self, keyspace: KeyspaceId) -> Option<Index> {
        let keyspace = self.state.keyspaces.get(&keyspace)?;
        Some(index_of(keyspace, &self.values.pool))
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
        let Some(keyspace) = self.state.keyspaces.get(&keyspace) else { return Ok(None) };
        let Some(cell) = keyspace.trie.page_of(hash) else { return Ok(None) };
        let page = self.values.pool.load(cell)?;
        let Some(leaf) = page.get(hash) else { return Ok(None) };
        let entry = Indexed { digest: leaf.digest, slot: leaf.value };
        Ok(Some((leaf.key.to_vec(), self.values.read(leaf.key, &entry)?)))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let entry = self.values.entry(&self.state, keyspace, key)?;
        entry.map(|entry| self.values.read(key, &entry)).transpose()
    }

    /// Keys that start with `prefix`, in order, strictly after `after`, at most `limit`: what the ordered
    /// directory says, which no digest covers.
    pub fn scan(
        &self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        let keyspace = self.state.keyspaces.get(&keyspace);
        keyspace.map(|k| k.directory.scan(prefix, after, limit)).unwrap_or_default()
    }

    /// All index entries of a keyspace, in the order of their key hashes.
    pub fn index(
        &self,
        keyspace: KeyspaceId,
    ) -> impl Iterator<Item = Result<IndexEntry, ReadError>> + use<'_> {
        let trie = self.state.keyspaces.get(&keyspace).map(|k| &k.trie);
        let pages = trie.into_iter().flat_map(|trie| trie.pages().map(|page| page.handle));
        pages.flat_map(|cell| match self.values.pool.load(cell) {
            Err(e) => vec![Err(ReadError::from(e))],
            Ok(page) => page
                .iter()
                .map(|leaf| {
                    Ok(IndexEntry {
                        key: leaf.key.to_vec(),
                        digest: leaf.digest,
                        version: leaf.value.version(),
                        position: leaf.value.at,
                        value_len: leaf.value.len,
                    })
                })
                .collect(),
        })
    }

    /// All entries of a keyspace, each verified, in the order of their key hashes.
    pub fn entries(
        &self,
        keyspace: KeyspaceId,
    ) -> impl Iterator<Item = Result<KeyValue, ReadError>> + use<'_> {
        self.index(keyspace).map(|entry| {
            let IndexEntry { key, digest, version, position, value_len } = entry?;
            let slot = crate::index::Slot { at: position, version: version.0, len: value_len };
            let value = self.values.read(&key, &Indexed { digest, slot })?;
            Ok((key, value))
        })
    }
}
