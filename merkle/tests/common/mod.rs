//! What the tests of this crate share: a leaf, key hashes that crowd together, and slow,
//! independent versions of what the trie computes.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use strongroom_merkle::{Digest, KeyHash, Leaf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestLeaf {
    pub hash: KeyHash,
    pub digest: Digest,
}

impl Leaf for TestLeaf {
    fn key_hash(&self) -> KeyHash {
        self.hash
    }
    fn digest(&self) -> Digest {
        self.digest
    }
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

pub type Model = BTreeMap<KeyHash, Digest>;
pub type Change = (KeyHash, Option<TestLeaf>);

pub fn leaf(hash: KeyHash, value: u8) -> TestLeaf {
    TestLeaf { hash, digest: Digest([value; 32]) }
}

/// Key hashes with few different nibbles, so that paths run long side by side; the position of the
/// last difference reaches from the first to the last nibble.
pub fn crowded_hash() -> impl Strategy<Value = KeyHash> {
    let nibble = prop_oneof![4 => Just(0u8), 1 => Just(1), 1 => Just(15)];
    (proptest::collection::vec(nibble, 6), prop_oneof![Just(0usize), Just(3), Just(14), Just(29)])
        .prop_map(|(nibbles, at)| {
            let mut bytes = [0; 32];
            bytes[0] = nibbles[0] << 4 | nibbles[1];
            bytes[at + 1] |= nibbles[2] << 4 | nibbles[3];
            bytes[at + 2] |= nibbles[4] << 4 | nibbles[5];
            KeyHash(bytes)
        })
}

pub fn change() -> impl Strategy<Value = Change> {
    (crowded_hash(), proptest::option::weighted(0.7, 1u8..=255))
        .prop_map(|(hash, value)| (hash, value.map(|value| leaf(hash, value))))
}

pub fn batches() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let batch = proptest::collection::vec(change(), 0..40);
    proptest::collection::vec(batch, 0..8)
}

pub fn apply_to_model(model: &mut Model, changes: &[Change]) {
    for (hash, leaf) in changes {
        match leaf {
            Some(leaf) => drop(model.insert(*hash, leaf.digest)),
            None => drop(model.remove(hash)),
        }
    }
}

/// Root by the definition in docs/merkle.md, with nothing but BLAKE3's documented interface.
pub fn reference_root(model: &Model) -> Digest {
    let leaves: Vec<_> = model.iter().map(|(hash, digest)| (*hash, *digest)).collect();
    reference_node(&leaves, 0)
}

fn reference_node(leaves: &[(KeyHash, Digest)], depth: usize) -> Digest {
    let mut input = Vec::new();
    for nibble in 0..16 {
        let here: Vec<_> =
            leaves.iter().copied().filter(|(hash, _)| hash.nibble(depth) == nibble).collect();
        input.extend(match here[..] {
            [] => [0; 32],
            [(hash, digest)] => reference_entry(&hash, &digest).0,
            _ => reference_node(&here, depth + 1).0,
        });
    }
    Digest(*blake3::keyed_hash(b"strongroom merkle v1 inner node ", &input).as_bytes())
}

pub fn reference_entry(hash: &KeyHash, digest: &Digest) -> Digest {
    let input = [hash.0, digest.0].concat();
    Digest(*blake3::keyed_hash(b"strongroom merkle v1 leaf entry ", &input).as_bytes())
}

/// A number's worth of well-spread key hash.
pub fn spread_hash(number: u64) -> KeyHash {
    KeyHash::of(&number.to_le_bytes())
}

pub fn spread_leaf(number: u64, value: u64) -> TestLeaf {
    let digest = *blake3::hash(&value.to_le_bytes()).as_bytes();
    TestLeaf { hash: spread_hash(number), digest: Digest(digest) }
}
