//! The index: for each keyspace a Merkle trie of entries and an ordered directory of their keys.
//!
//! An index entry holds no value, only where it lies and the digest that it must have. All of it is
//! persistent: a published [`State`] never changes, so readers and snapshots need no locks.

mod keyspace;
mod live;
mod state;

pub(crate) use keyspace::Keyspace;
pub(crate) use live::LiveBytes;
pub(crate) use state::{Keyspaces, State};

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use strongroom_aries::TxnId;
use strongroom_merkle::{Digest, KeyHash, PageValue};
use strongroom_wal::Lsn;

use crate::id::{KEY_MAX, Version};

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
    /// Length of the key, bytes. The log has the key right before the value.
    pub(crate) key_len: u16,
}

/// Length that stands for a deletion that is not committed yet.
pub(crate) const DELETED: u32 = u32::MAX;

impl Slot {
    /// A value as it was written, of so many bytes, of a key of so many.
    pub(crate) fn written(at: Lsn, len: usize, key_len: usize) -> Self {
        let len = u32::try_from(len).unwrap_or(DELETED - 1);
        Self { at, version: at.0, len, key_len: short(key_len) }
    }

    /// As a transaction has written it that has not ended.
    pub(crate) fn uncommitted(self, txn: TxnId) -> Self {
        Self { version: txn.0, ..self }
    }

    /// Once the transaction has committed.
    pub(crate) fn committed(self) -> Self {
        Self { version: self.at.0, ..self }
    }

    pub(crate) fn version(&self) -> Version {
        Version(self.version)
    }
}

impl PageValue for Slot {
    const BYTES: usize = 22;

    fn put(&self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.at.0.to_le_bytes());
        out[8..16].copy_from_slice(&self.version.to_le_bytes());
        out[16..20].copy_from_slice(&self.len.to_le_bytes());
        out[20..].copy_from_slice(&self.key_len.to_le_bytes());
    }

    fn get(bytes: &[u8]) -> Self {
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        let len = bytes[16..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        let key_len = bytes.last_chunk().map_or(0, |b| u16::from_le_bytes(*b));
        Self { at: Lsn(number(bytes)), version: number(&bytes[8..]), len, key_len }
    }
}

/// A key's length as a slot keeps it.
fn short(key_len: usize) -> u16 {
    const _: () = assert!(KEY_MAX <= u16::MAX as usize);
    u16::try_from(key_len).unwrap_or(u16::MAX)
}

/// An entry of the index as a lookup finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Indexed {
    /// `leaf_digest(key, value)`.
    pub(crate) digest: Digest,
    pub(crate) slot: Slot,
}

impl Indexed {
    /// An uncommitted deletion of a key of so many bytes.
    pub(crate) fn deleted(txn: TxnId, key_len: usize) -> Self {
        let key_len = short(key_len);
        let slot = Slot { at: Lsn::ZERO, version: txn.0, len: DELETED, key_len };
        Self { digest: Digest::ZERO, slot }
    }

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
