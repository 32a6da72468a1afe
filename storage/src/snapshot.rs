//! Snapshots: one consistent state for as long as it is held, without blocking anyone.

use std::sync::Arc;

use strongroom_merkle::{Digest, KeyHash, Leaf, StoreProof};
use strongroom_wal::Lsn;

use crate::error::ReadError;
use crate::id::{Class, KeyspaceId, Version};
use crate::index::{Indexed, Slot, State};
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

/// An index entry: what the index knows of a key. Key and value are in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Hash of the key.
    pub key_hash: KeyHash,
    /// The digest that the index has for key and value together.
    pub digest: Digest,
    /// Version of the entry.
    pub version: Version,
    /// Position of the value's first byte in the log.
    pub position: Lsn,
    /// Length of the value, bytes.
    pub value_len: u32,
    /// Length of the key, bytes. It is right before the value.
    pub key_len: u16,
}

impl IndexEntry {
    fn of(leaf: &Leaf<'_, Slot>) -> Self {
        let Slot { at, version, len, key_len } = leaf.value;
        Self {
            key_hash: leaf.hash,
            digest: leaf.digest,
            version: Version(version),
            position: at,
            value_len: len,
            key_len,
        }
    }

    fn indexed(&self) -> Indexed {
        let Self { digest, version, position: at, value_len: len, key_len, .. } = *self;
        Indexed { digest, slot: Slot { at, version: version.0, len, key_len } }
    }
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

    /// Proof of what is at a key, or that nothing is, under the [root](Self::root) of a class.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn prove(
        &self,
        class: Class,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<StoreProof, ReadError> {
        let of_class = || self.state.keyspaces.iter().filter(|(_, k)| k.class == class);
        let within = match of_class().find(|(id, _)| **id == keyspace) {
            Some((_, k)) => Some(index_of(k, &self.values.pool).prove(&KeyHash::of(key))?),
            None => None,
        };
        Ok(StoreProof::new(of_class().map(|(id, k)| (id.0, k.trie.root())), within))
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
        let entry = page.get(hash).map(|leaf| IndexEntry::of(&leaf));
        entry.map(|entry| self.read(&entry)).transpose()
    }

    /// Key and value of an index entry.
    ///
    /// # Errors
    /// See [`ReadError`]; [`ReadError::Corrupt`] unless the key has the entry's hash, and both its digest.
    pub fn read(&self, entry: &IndexEntry) -> Result<KeyValue, ReadError> {
        let both = self.values.read_both(&entry.indexed())?;
        if KeyHash::of(&both.0) == entry.key_hash {
            Ok(both)
        } else {
            Err(ReadError::Corrupt { at: entry.position })
        }
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
            Ok(page) => page.iter().map(|leaf| Ok(IndexEntry::of(&leaf))).collect(),
        })
    }

    /// All entries of a keyspace, each verified, in the order of their key hashes.
    pub fn entries(
        &self,
        keyspace: KeyspaceId,
    ) -> impl Iterator<Item = Result<KeyValue, ReadError>> + use<'_> {
        self.index(keyspace).map(|entry| self.read(&entry?))
    }
}
