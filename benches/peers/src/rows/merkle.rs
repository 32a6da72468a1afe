//! The Merkle index alone: all keys changed in batches of 8,000, the root after each. Both trees
//! are given a key hash and a value digest of 32 bytes.
//!
//! In a store a reader or a checkpoint often holds the state before, so that ours is measured both
//! ways: alone, and beside a snapshot. The other tree's node hash is SipHash-128, which does not
//! withstand an attacker.

use anyhow::Result;
use merkle_search_tree::MerkleSearchTree;
use std::time::Instant;
use strongroom_merkle::{Change, Digest, Join, KeyHash, MemPages, Trie, View};

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
type Place = [u8; 22];

/// The index as a store has it, in memory.
pub(super) type Index = View<MemPages<Place>>;

/// A key with a value's digest.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) key_hash: KeyHash,
    pub(super) digest: Digest,
}

impl Entry {
    /// The entry of a key; the stamp makes the digest another one.
    pub(super) fn new(number: u64, stamp: u64) -> Self {
        Self { key_hash: KeyHash::of(&key(number)), digest: Digest([0; 32]) }.stamped(stamp)
    }

    fn stamped(self, stamp: u64) -> Self {
        let mut digest = Digest([0; 32]);
        let mut random = Random(stamp);
        for word in digest.0.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_le_bytes());
        }
        Self { digest, ..self }
    }

    pub(super) fn change(&self) -> Change<'_, Place> {
        let put = Some((self.digest, [1; 22]));
        Change { hash: self.key_hash, key: &[], put, before: None }
    }
}

/// Both cores, as a store uses them.
struct Cores;

impl Join for Cores {
    fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        rayon::join(a, b)
    }
}

/// Applies changes.
pub(super) fn apply(index: &mut Index, entries: &[Entry]) {
    let mut changes: Vec<_> = entries.iter().map(Entry::change).collect();
    match index.trie.apply_with(&index.pages, &Cores, &mut changes) {
        Ok(()) => {}
        Err(never) => match never {},
    }
}

/// All numbers below `keys`.
pub(super) fn index(keys: u64) -> Index {
    let mut index = View::new(Trie::new(), MemPages::new());
    let entries: Vec<Entry> = (0..keys).map(|number| Entry::new(number, 0)).collect();
    entries.chunks(BATCH).for_each(|batch| apply(&mut index, batch));
    index
}

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let keys = context.settings.keys;
    let entries: Vec<Entry> = (0..keys).map(|number| Entry::new(number, 0)).collect();
    let (mut alone, mut beside) = (index(keys), index(keys));
    let mut other: MerkleSearchTree<[u8; KeyHash::BYTES], [u8; 32]> = MerkleSearchTree::default();
    for entry in &entries {
        other.upsert(entry.key_hash.0, &entry.digest.0);
    }
    other.root_hash();
    let mut random = Random(1);
    let mut batches = || -> Vec<Vec<Entry>> {
        (0..BATCHES).map(|_| (0..BATCH).map(|_| pick(&entries, &mut random)).collect()).collect()
    };
    let mut turns: Vec<Vec<Vec<Entry>>> = (0..=context.settings.pairs).map(|_| batches()).collect();
    turns.reverse();
    let turns = [turns.clone(), turns.clone(), turns].map(std::cell::RefCell::new);
    let next = |of: usize| turns[of].borrow_mut().pop().unwrap_or_default();
    let series = rounds(
        context.settings.pairs,
        &mut [
            Contestant::new(Kind::Strongroom.name(), || Ok(ours(&mut alone, &next(0), false))),
            Contestant::new("Strongroom beside a snapshot", || {
                Ok(ours(&mut beside, &next(1), true))
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

fn pick(entries: &[Entry], random: &mut Random) -> Entry {
    let at = random.below(entries.len() as u64);
    entries[usize::try_from(at).unwrap_or_default()].stamped(random.next())
}

fn ours(index: &mut Index, batches: &[Vec<Entry>], snapshots: bool) -> Sample {
    let began = Instant::now();
    let mut held = None;
    for batch in batches {
        if snapshots {
            held = Some(index.trie.clone());
        }
        apply(index, batch);
        std::hint::black_box(index.root());
    }
    let sample = rate(began);
    drop(held);
    sample
}

fn theirs(
    tree: &mut MerkleSearchTree<[u8; KeyHash::BYTES], [u8; 32]>,
    batches: &[Vec<Entry>],
) -> Sample {
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
