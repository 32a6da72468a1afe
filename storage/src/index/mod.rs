//! The index: for each keyspace a Merkle trie of entries and an ordered directory of their keys.
//!
//! An index entry holds no value, only where it lies and the digest that it must have. All of it is
//! persistent: a published [`State`] never changes, so readers and snapshots need no locks.

mod live;
mod state;

pub(crate) use live::LiveBytes;
pub(crate) use state::{Keyspace, Keyspaces, State};

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use strongroom_merkle::{Digest, KeyHash, PageValue};
use strongroom_wal::Lsn;

use crate::id::Version;

/// Where an entry's value lies and which write it is from. Opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Position of the value's first byte.
    pub(crate) at: Lsn,
    /// Where it was when it was written: no two writes share it. In a tree of uncommitted writes,
    /// the id of the transaction.
    pub(crate) version: u64,
    /// Length of the value, bytes; [`DELETED`] for an uncommitted deletion.
    pub(crate) len: u32,
}

/// Length that stands for a deletion that is not committed yet.
pub(crate) const DELETED: u32 = u32::MAX;

impl Slot {
    /// A value as it was written.
    pub(crate) fn written(at: Lsn, len: u32) -> Self {
        Self { at, version: at.0, len }
    }

    pub(crate) fn version(&self) -> Version {
        Version(self.version)
    }
}

impl PageValue for Slot {
    const BYTES: usize = 20;

    fn put(&self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.at.0.to_le_bytes());
        out[8..16].copy_from_slice(&self.version.to_le_bytes());
        out[16..].copy_from_slice(&self.len.to_le_bytes());
    }

    fn get(bytes: &[u8]) -> Self {
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let len = bytes.last_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        Self { at: Lsn(number(bytes)), version: number(&bytes[8..]), len }
    }
}

/// An entry of the index as a lookup finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Indexed {
    /// `leaf_digest(key, value)`.
    pub(crate) digest: Digest,
    pub(crate) slot: Slot,
}

impl Indexed {
    /// An entry as the trie has it.
    fn of((digest, slot): (Digest, Slot)) -> Self {
        Self { digest, slot }
    }
}

/// What becomes of a key.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) key: Box<[u8]>,
    /// The entry, or `None` when it goes.
    pub(crate) put: Option<Indexed>,
}

/// Changes of one tree.
pub(crate) type Changes = HashMap<KeyHash, Touch, BuildHasherDefault<Prehashed>>;

/// Keys of the map are hashes already: eight bytes of them will do.
#[derive(Default)]
pub(crate) struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(front) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*front);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}
