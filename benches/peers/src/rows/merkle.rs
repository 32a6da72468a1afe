//! The Merkle index alone: all keys changed in batches of 8,000, the root after each. Both trees
//! are given a key hash and a value digest of 32 bytes.
//!
//! In a store a reader or a checkpoint often holds the state before, so that ours is measured both
//! ways: alone, and beside a snapshot. The other tree's node hash is SipHash-128, which does not
//! withstand an attacker.

use anyhow::Result;
use merkle_search_tree::MerkleSearchTree;
use std::time::Instant;
use strongroom_merkle::{Digest, KeyHash, Leaf, Trie};

use super::Context;
use crate::engines::Kind;
use crate::harness::sample::{Contestant, Figure, Sample, rounds};
use crate::record::{Random, key};
use crate::report::{Bar, Found, Work};

/// Changes of a batch.
const BATCH: usize = 8_000;
/// Batches of a slice.
const BATCHES: usize = 10;
const BAR: Bar = Bar::AtLeast(2e6);

/// As much as a store keeps beside the key.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    key_hash: KeyHash,
    digest: Digest,
    _place: [u64; 3],
}

impl Leaf for Entry {
    fn key_hash(&self) -> KeyHash {
        self.key_hash
    }

    fn digest(&self) -> Digest {
        self.digest
    }
}

impl Entry {
    /// The entry of a key; the stamp makes the digest another one.
    pub(super) fn new(number: u64, stamp: u64) -> Self {
        Self::of(KeyHash::of(&key(number)), stamp)
    }

    fn of(key_hash: KeyHash, stamp: u64) -> Self {
        let mut digest = Digest([0; 32]);
        let mut random = Random(stamp);
        for word in digest.0.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_le_bytes());
        }
        Self { key_hash, digest, _place: [stamp; 3] }
    }
}

/// A trie of all numbers below `keys`.
pub(super) fn trie(keys: u64) -> Trie<Entry> {
    let mut entries: Vec<Entry> = (0..keys).map(|number| Entry::new(number, 0)).collect();
    entries.sort_unstable_by_key(|entry| entry.key_hash);
    Trie::from_sorted(entries)
}

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let keys = context.settings.keys;
    let hashes: Vec<KeyHash> = (0..keys).map(|number| KeyHash::of(&key(number))).collect();
    let (mut alone, mut beside) = (trie(keys), trie(keys));
    let mut other: MerkleSearchTree<[u8; 32], [u8; 32]> = MerkleSearchTree::default();
    for hash in &hashes {
        other.upsert(hash.0, &Entry::of(*hash, 0).digest.0);
    }
    other.root_hash();
    let mut random = Random(1);
    let mut batches = || -> Vec<Vec<Entry>> {
        (0..BATCHES).map(|_| (0..BATCH).map(|_| pick(&hashes, &mut random)).collect()).collect()
    };
    let mut turns: Vec<Vec<Vec<Entry>>> = (0..=context.settings.pairs).map(|_| batches()).collect();
    turns.reverse();
    let turns = [turns.clone(), turns.clone(), turns].map(std::cell::RefCell::new);
    let next = |of: usize| turns[of].borrow_mut().pop().unwrap_or_default();
    let series = rounds(
        context.settings.pairs,
        &mut [
            Contestant::new(Kind::Strongroom.name(), || Ok(ours(&mut alone, next(0), false))),
            Contestant::new("Strongroom beside a snapshot", || {
                Ok(ours(&mut beside, next(1), true))
            }),
            Contestant::new("merkle-search-tree", || Ok(theirs(&mut other, &next(2)))),
        ],
    )?;
    let work = format!("Merkle index of all keys, batches of {BATCH}, root after each");
    let mut found = Found::default();
    for ours in &series[..2] {
        let both = (ours, &series[2..]);
        found.compare("merkle", &work, Figure::KeysPerSecond, both, Some(BAR));
    }
    found.works.push(Work { work, writers: None, series });
    Ok(found)
}

fn pick(hashes: &[KeyHash], random: &mut Random) -> Entry {
    let at = random.below(hashes.len() as u64);
    Entry::of(hashes[usize::try_from(at).unwrap_or_default()], random.next())
}

fn ours(trie: &mut Trie<Entry>, batches: Vec<Vec<Entry>>, snapshots: bool) -> Sample {
    let changes: Vec<Vec<_>> = batches
        .into_iter()
        .map(|batch| batch.into_iter().map(|entry| (entry.key_hash, Some(entry))).collect())
        .collect();
    let began = Instant::now();
    let mut held = None;
    for batch in changes {
        if snapshots {
            held = Some(trie.clone());
        }
        trie.apply(batch);
        std::hint::black_box(trie.root());
    }
    let sample = rate(began);
    drop(held);
    sample
}

fn theirs(tree: &mut MerkleSearchTree<[u8; 32], [u8; 32]>, batches: &[Vec<Entry>]) -> Sample {
    let began = Instant::now();
    for batch in batches {
        for entry in batch {
            tree.upsert(entry.key_hash.0, &entry.digest.0);
        }
        std::hint::black_box(tree.root_hash());
    }
    rate(began)
}

fn rate(began: Instant) -> Sample {
    let keys = (BATCH * BATCHES) as f64;
    Sample::from([(Figure::KeysPerSecond, keys / began.elapsed().as_secs_f64())])
}
