//! What the tests of this crate share: key hashes that crowd together, and slow, independent
//! versions of what the trie computes.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use strongroom_merkle::{Change, Digest, KeyHash, MemPages, PagesMut, Trie, View};

/// A trie in memory whose leaves keep a number.
pub type Mem = View<MemPages<u64>>;
/// What is under a key hash: leaf digest and value.
pub type Entry = (Digest, u64);
pub type Model = BTreeMap<KeyHash, Entry>;

/// A key with the hash it is put under.
#[derive(Clone, Debug)]
pub struct Edit {
    pub hash: KeyHash,
    pub key: Vec<u8>,
    pub put: Option<Entry>,
}

impl Edit {
    /// Under a made-up hash.
    pub fn at(hash: KeyHash, put: Option<u64>) -> Self {
        Self { hash, key: hash.0.to_vec(), put: put.map(entry) }
    }

    /// Of the key that this number is.
    pub fn of(number: u64, put: Option<u64>) -> Self {
        Self { hash: spread_hash(number), key: key(number), put: put.map(entry) }
    }
}

/// An entry made from a number.
pub fn entry(value: u64) -> Entry {
    (Digest(*blake3::hash(&value.to_le_bytes()).as_bytes()), value)
}

pub fn mem() -> Mem {
    View::new(Trie::new(), MemPages::new())
}

/// Applies a batch; gives what the trie says was there before, in the order of the batch.
pub fn apply<P: PagesMut<Value = u64>>(view: &mut View<P>, edits: &[Edit]) -> Vec<Option<Entry>> {
    let mut changes = changes(edits);
    assert!(view.trie.apply(&view.pages, &mut changes).is_ok(), "no page is lost");
    changes.into_iter().map(|change| change.before).collect()
}

pub fn changes(edits: &[Edit]) -> Vec<Change<'_, u64>> {
    // What is there already must not matter.
    let stale = Some((Digest::ZERO, 77));
    let change = |edit: &'_ Edit| (edit.hash, edit.put);
    edits
        .iter()
        .map(|edit| {
            let (hash, put) = change(edit);
            Change { hash, key: &edit.key, put, before: stale }
        })
        .collect()
}

pub fn apply_to_model(model: &mut Model, edits: &[Edit]) {
    for edit in edits {
        match edit.put {
            Some(entry) => drop(model.insert(edit.hash, entry)),
            None => drop(model.remove(&edit.hash)),
        }
    }
}

/// A trie with these entries, put in one batch.
pub fn of_model(model: &Model) -> Mem {
    let mut view = mem();
    let put = |(hash, entry): (&KeyHash, &Entry)| Edit {
        hash: *hash,
        key: hash.0.to_vec(),
        put: Some(*entry),
    };
    apply(&mut view, &model.iter().map(put).collect::<Vec<_>>());
    view
}

/// Key hashes with few different nibbles, so that paths run long side by side; the position of the
/// last difference reaches far down.
pub fn crowded_hash() -> impl Strategy<Value = KeyHash> {
    let nibble = prop_oneof![4 => Just(0u8), 1 => Just(1), 1 => Just(15)];
    (prop::collection::vec(nibble, 6), prop_oneof![Just(0usize), Just(3), Just(9), Just(21)])
        .prop_map(|(nibbles, at)| {
            let mut bytes = [0; KeyHash::BYTES];
            bytes[0] = nibbles[0] << 4 | nibbles[1];
            bytes[at + 1] |= nibbles[2] << 4 | nibbles[3];
            bytes[at + 2] |= nibbles[4] << 4 | nibbles[5];
            KeyHash(bytes)
        })
}

pub fn edit() -> impl Strategy<Value = Edit> {
    (crowded_hash(), prop::option::weighted(0.7, 1u64..=255))
        .prop_map(|(hash, put)| Edit::at(hash, put))
}

/// Batches that fill up and batches that clear out, so that pages split and merge.
pub fn batches() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let batch = prop_oneof![
        3 => prop::collection::vec(edit(), 0..60),
        1 => (prop::collection::vec(crowded_hash(), 0..200))
            .prop_map(|hashes| hashes.into_iter().map(|hash| Edit::at(hash, None)).collect()),
    ];
    prop::collection::vec(batch, 0..8)
}

/// As `crowded_hash`, for keys whose hashes are their own: numbers whose hashes share up to some
/// 13 bits.
pub fn crowded_number() -> impl Strategy<Value = u64> {
    static POOL: LazyLock<Vec<u64>> = LazyLock::new(|| {
        let shared = |number: &u64| spread_hash(*number).0[0] == 0x5a;
        (0..60_000).filter(shared).chain(0..60).collect()
    });
    any::<prop::sample::Index>().prop_map(|at| *at.get(&POOL))
}

pub fn number_batches() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let edit = (crowded_number(), prop::option::weighted(0.6, 1u64..=255))
        .prop_map(|(number, put)| Edit::of(number, put));
    prop::collection::vec(prop::collection::vec(edit, 0..120), 0..8)
}

/// Root by the definition in docs/merkle.md, with nothing but BLAKE3's documented interface.
pub fn reference_root(model: &Model) -> Digest {
    let leaves: Vec<_> = model.iter().map(|(hash, (digest, _))| (*hash, *digest)).collect();
    reference(&leaves, 0)
}

fn reference(leaves: &[(KeyHash, Digest)], depth: usize) -> Digest {
    if leaves.is_empty() {
        return Digest([0; 32]);
    }
    if leaves.len() <= 16 {
        let mut input: Vec<u8> = leaves
            .iter()
            .flat_map(|(hash, digest)| [&hash.0[..], &digest.0[..]].concat())
            .collect();
        input.resize(input.len().next_multiple_of(64), 0);
        return keyed(b"strongroom merkle v1 leaf group ", &input);
    }
    let side = |bit: u8| {
        let on_side = |leaf: &&(KeyHash, Digest)| leaf.0.0[depth / 8] >> (7 - depth % 8) & 1 == bit;
        let leaves: Vec<_> = leaves.iter().filter(on_side).copied().collect();
        reference(&leaves, depth + 1).0
    };
    keyed(b"strongroom merkle v1 inner node ", &[side(0), side(1)].concat())
}

fn keyed(key: &[u8; 32], input: &[u8]) -> Digest {
    Digest(*blake3::keyed_hash(key, input).as_bytes())
}

/// The key that a number is.
pub fn key(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

/// A number's worth of well-spread key hash.
pub fn spread_hash(number: u64) -> KeyHash {
    KeyHash::of(&number.to_le_bytes())
}
