//! Merkle index: batches of changes in a trie of a million keys, root after each; building,
//! proving, and reconciling.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench may stop at once")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use strongroom_merkle::reconcile::{Initiator, Responder};
use strongroom_merkle::{Digest, KeyHash, Leaf, Trie};

const KEYS: u64 = 1_000_000;

/// As much as a store keeps beside the key.
#[derive(Clone, Copy)]
struct Entry {
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

fn entry(key: u64, value: u64) -> Entry {
    let key_hash = KeyHash::of(&key.to_le_bytes());
    let mut digest = Digest(key_hash.0);
    digest.0[..8].copy_from_slice(&value.to_le_bytes());
    Entry { key_hash, digest, _place: [key, value, 0] }
}

fn sorted(keys: u64) -> Vec<Entry> {
    let mut entries: Vec<Entry> = (0..keys).map(|key| entry(key, 0)).collect();
    entries.sort_unstable_by_key(|entry| entry.key_hash);
    entries
}

/// A sequence of numbers below `KEYS` without visible order (xorshift64).
struct Random(u64);

impl Random {
    fn key(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % KEYS
    }

    fn batch(&mut self, changes: u64) -> Vec<(KeyHash, Option<Entry>)> {
        let change = |random: &mut Self| {
            let key = random.key();
            let entry = entry(key, random.0);
            (entry.key_hash, Some(entry))
        };
        (0..changes).map(|_| change(self)).collect()
    }
}

fn update(c: &mut Criterion) {
    let start = Trie::from_sorted(sorted(KEYS));
    let mut group = c.benchmark_group("merkle/update of 1M keys, root after each batch");
    for changes in [1, 64, 1_000, 8_000] {
        group.throughput(Throughput::Elements(changes));
        // With a snapshot of the state before, as readers and checkpoints hold one, every touched
        // node is copied; without, nodes are edited in place.
        for (name, snapshot) in [("in place", false), ("beside a snapshot", true)] {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            let mut trie = Trie::from_sorted(start.iter().copied());
            let mut held = None;
            group.bench_function(BenchmarkId::new(name, changes), |b| {
                b.iter_batched(
                    || random.batch(changes),
                    |batch| {
                        if snapshot {
                            held = Some(trie.clone());
                        }
                        trie.apply(batch);
                        trie.root()
                    },
                    BatchSize::LargeInput,
                );
            });
            black_box(&held);
        }
    }
    group.finish();
}

fn build_and_prove(c: &mut Criterion) {
    let entries = sorted(KEYS);
    let mut group = c.benchmark_group("merkle/1M keys");
    group.sample_size(10);
    group.throughput(Throughput::Elements(KEYS));
    group.bench_function("from_sorted", |b| {
        b.iter(|| Trie::from_sorted(entries.iter().copied()).root());
    });
    let trie = Trie::from_sorted(entries.iter().copied());
    let mut random = Random(7);
    group.throughput(Throughput::Elements(1));
    group.bench_function("get", |b| {
        b.iter_batched(
            || entry(random.key(), 0).key_hash,
            |hash| trie.get(&hash).is_some(),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("prove and verify", |b| {
        b.iter(|| {
            let hash = entry(random.key(), 0).key_hash;
            trie.prove(&hash).verify(&trie.root(), &hash).unwrap()
        });
    });
    group.finish();
}

fn reconcile(c: &mut Criterion) {
    let there = Trie::from_sorted(sorted(KEYS));
    let mut group = c.benchmark_group("merkle/reconcile 1M keys");
    group.sample_size(10);
    for differences in [1, 100, 10_000] {
        let mut here = there.clone();
        here.apply(Random(differences).batch(differences));
        let side = |trie: &Trie<Entry>| BTreeMap::from([([1; 16], trie.clone())]);
        let run = || {
            let responder = Responder::new(side(&there));
            let mut initiator = Initiator::new(side(&here));
            let mut bytes = 0;
            while let Some(request) = initiator.next_request() {
                let response = responder.answer(&request).unwrap();
                bytes += request.len() + response.len();
                initiator.on_response(&response).unwrap();
            }
            (initiator.trips(), bytes, initiator.finish().unwrap())
        };
        let (trips, bytes, found) = run();
        let keys = found.keyspaces[&[1; 16]].fetch.len();
        println!("reconcile: {keys} of {KEYS} keys differ: {trips} round trips, {bytes} bytes");
        group.bench_function(BenchmarkId::new("scattered differences", differences), |b| {
            b.iter(run);
        });
    }
    group.finish();
}

criterion_group!(benches, update, build_and_prove, reconcile);
criterion_main!(benches);
