//! The index of a keyspace: a Merkle trie of entries and an ordered directory of their keys.
//!
//! An index entry holds no value, only where it lies and the digest that it must have. All of it is
//! persistent: a published [`State`] never changes, so readers and snapshots need no locks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use strongroom_merkle::{Digest, KeyHash, Leaf, Trie, composite};
use strongroom_wal::Lsn;

use crate::directory::{Directory, Key};
use crate::id::{Class, KeyspaceId, Version};

/// Where an entry's value lies and what it is.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The key.
    pub(crate) key: Key,
    /// `leaf_digest(key, value)`.
    pub(crate) digest: Digest,
    /// Position of the value's first byte.
    pub(crate) at: Lsn,
    /// Length of the value, bytes.
    pub(crate) len: u32,
    /// Version of the entry.
    pub(crate) version: Version,
}

/// An entry of the index, shared by snapshots.
#[derive(Clone, Debug)]
pub struct IndexEntry(Arc<Slot>);

impl IndexEntry {
    pub(crate) fn new(slot: Slot) -> Self {
        Self(Arc::new(slot))
    }

    /// The same entry with its value elsewhere.
    pub(crate) fn moved_to(&self, at: Lsn) -> Self {
        let Slot { key, digest, len, version, .. } = &*self.0;
        Self::new(Slot { key: Arc::clone(key), digest: *digest, at, len: *len, version: *version })
    }

    pub(crate) fn slot(&self) -> &Slot {
        &self.0
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.0.key
    }

    /// Version of the entry.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// Position of the value's first byte in the log.
    pub fn position(&self) -> Lsn {
        self.0.at
    }

    /// Length of the value, bytes.
    pub fn value_len(&self) -> u32 {
        self.0.len
    }
}

impl Leaf for IndexEntry {
    fn key_hash(&self) -> KeyHash {
        KeyHash::of(&self.0.key)
    }

    fn digest(&self) -> Digest {
        self.0.digest
    }

    fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// One keyspace at one position.
#[derive(Clone, Debug)]
pub(crate) struct Keyspace {
    /// Its number in this store's log.
    pub(crate) handle: u32,
    pub(crate) class: Class,
    pub(crate) trie: Trie<IndexEntry>,
    pub(crate) directory: Directory,
    /// Position at which a key last came or went: what a list is validated against.
    pub(crate) structure: Lsn,
}

impl Keyspace {
    pub(crate) fn new(handle: u32, class: Class, at: Lsn) -> Self {
        Self { handle, class, trie: Trie::new(), directory: Directory::default(), structure: at }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&IndexEntry> {
        self.trie.get(&KeyHash::of(key))
    }

    /// Applies changes that became final at `at`, and counts live bytes by segment.
    pub(crate) fn apply(&mut self, changes: Changes, at: Lsn, live: &mut LiveBytes) {
        for (hash, change) in &changes {
            let old = self.trie.get(hash);
            if let Some(old) = old {
                live.sub(old.slot());
            }
            match (old, change) {
                (Some(old), None) => {
                    self.directory.remove(old.key());
                    self.structure = at;
                }
                (None, Some(new)) => {
                    self.directory.insert(&new.slot().key);
                    self.structure = at;
                }
                _ => {}
            }
            if let Some(new) = change {
                live.add(new.slot());
            }
        }
        self.trie.apply(changes.into_iter().collect());
    }
}

/// Changes of one keyspace: an entry, or `None` for a deletion.
pub(crate) type Changes = HashMap<KeyHash, Option<IndexEntry>>;

/// Bytes of live values by log segment.
#[derive(Clone, Debug)]
pub(crate) struct LiveBytes {
    /// Zero: nothing is counted.
    segment_size: u64,
    by_segment: BTreeMap<u64, u64>,
}

impl LiveBytes {
    pub(crate) fn new(segment_size: u64) -> Self {
        Self { segment_size, by_segment: BTreeMap::new() }
    }

    /// Counts nothing: for recovery, which counts once at its end.
    pub(crate) fn uncounted() -> Self {
        Self { segment_size: 0, by_segment: BTreeMap::new() }
    }

    /// Counts a whole state.
    pub(crate) fn of(state: &State, segment_size: u64) -> Self {
        let mut live = Self::new(segment_size);
        for keyspace in state.keyspaces.values() {
            keyspace.trie.iter().for_each(|entry| live.add(entry.slot()));
        }
        live
    }

    pub(crate) fn add(&mut self, slot: &Slot) {
        if slot.len == 0 || self.segment_size == 0 {
            return;
        }
        *self.by_segment.entry(slot.at.0 / self.segment_size).or_default() += u64::from(slot.len);
    }

    pub(crate) fn sub(&mut self, slot: &Slot) {
        if slot.len == 0 || self.segment_size == 0 {
            return;
        }
        let segment = slot.at.0 / self.segment_size;
        let live = self.by_segment.get_mut(&segment);
        assert!(live.is_some(), "a live value was counted in its segment");
        if let Some(live) = live {
            assert!(*live >= u64::from(slot.len), "live bytes of a segment below zero");
            *live -= u64::from(slot.len);
        }
    }

    /// Whether a segment holds no live value. Empty values count as nothing: they need no reading.
    pub(crate) fn is_dead(&self, segment: u64) -> bool {
        self.by_segment.get(&segment).is_none_or(|live| *live == 0)
    }

    /// Live bytes of a segment.
    pub(crate) fn of_segment(&self, segment: u64) -> u64 {
        self.by_segment.get(&segment).copied().unwrap_or(0)
    }

    /// Number of the segment that a value lies in.
    pub(crate) fn segment_of(&self, slot: &Slot) -> u64 {
        slot.at.0 / self.segment_size
    }

    /// All live bytes.
    pub(crate) fn total(&self) -> u64 {
        self.by_segment.values().sum()
    }

    /// Segments that are no more in the log need no count.
    pub(crate) fn forget(&mut self, segments: &[u64]) {
        for segment in segments {
            self.by_segment.remove(segment);
        }
    }
}

/// All keyspaces at one position of the log.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// End of the last frame that is in it.
    pub(crate) lsn: Lsn,
    pub(crate) keyspaces: BTreeMap<KeyspaceId, Arc<Keyspace>>,
    pub(crate) replicated_root: Digest,
    pub(crate) all_root: Digest,
}

impl State {
    pub(crate) fn empty(lsn: Lsn) -> Self {
        let mut state = Self {
            lsn,
            keyspaces: BTreeMap::new(),
            replicated_root: Digest::default(),
            all_root: Digest::default(),
        };
        state.seal_roots();
        state
    }

    pub(crate) fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<&IndexEntry> {
        self.keyspaces.get(&keyspace)?.get(key)
    }

    /// Root over the keyspaces of a class.
    pub(crate) fn root(&self, class: Class) -> Digest {
        composite(
            self.keyspaces
                .iter()
                .filter(|(_, k)| k.class == class)
                .map(|(id, k)| (id.0, k.trie.root())),
        )
    }

    /// Computes the two roots that frames promise.
    pub(crate) fn seal_roots(&mut self) {
        self.replicated_root = self.root(Class::Replicated);
        self.all_root = composite(self.keyspaces.iter().map(|(id, k)| (id.0, k.trie.root())));
    }
}
