//! Counts the entries of a keyspace and computes its root from their values.

use strongroom_merkle::{Digest, KeyHash, Leaf, Trie, composite, leaf_digest};

use super::format::{Sum, Trailer};
use crate::id::{Class, KeyspaceId};

/// 64 bytes an entry are kept until the keyspace is complete.
#[derive(Default)]
pub(super) struct Tally {
    leaves: Vec<Hashed>,
    key_bytes: u64,
    value_bytes: u64,
}

#[derive(Clone)]
struct Hashed {
    key: KeyHash,
    digest: Digest,
}

impl Leaf for Hashed {
    fn key_hash(&self) -> KeyHash {
        self.key
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}

impl Tally {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.leaves.push(Hashed { key: KeyHash::of(key), digest: leaf_digest(key, value) });
        self.key_bytes += key.len() as u64;
        self.value_bytes += value.len() as u64;
    }

    /// `None` if a key came twice.
    pub(super) fn finish(mut self) -> Option<Sum> {
        self.leaves.sort_unstable_by_key(|leaf| leaf.key.0);
        if self.leaves.windows(2).any(|pair| pair[0].key == pair[1].key) {
            return None;
        }
        let (entries, key_bytes, value_bytes) =
            (self.leaves.len() as u64, self.key_bytes, self.value_bytes);
        let root = Trie::from_sorted(self.leaves).root();
        Some(Sum { entries, key_bytes, value_bytes, root })
    }
}

/// The trailer of keyspaces with these sums.
pub(super) fn trailer(keyspaces: &[(KeyspaceId, Class)], sums: Vec<Sum>) -> Trailer {
    let root = composite(keyspaces.iter().zip(&sums).map(|((id, _), sum)| (id.0, sum.root)));
    Trailer { sums, root }
}

/// Root over the keyspaces of one class.
pub(super) fn class_root(keyspaces: &[(KeyspaceId, Class)], sums: &[Sum], class: Class) -> Digest {
    let of_class = keyspaces.iter().zip(sums).filter(|((_, c), _)| *c == class);
    composite(of_class.map(|((id, _), sum)| (id.0, sum.root)))
}
