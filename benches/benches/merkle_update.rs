//! Merkle index: batches of changes in a trie of a million keys of 64 bytes, root after each;
//! memory, point lookups, proofs, and reconciliation.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench may stop at once")]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use strongroom_merkle::reconcile::{Initiator, Responder};
use strongroom_merkle::{Change, Digest, Join, KeyHash, MemPages, Sequential, Trie, View};

const KEYS: u64 = 1_000_000;
/// Changes in one batch while a trie is filled.
const FILL: u64 = 50_000;

/// As much as a store keeps beside the key.
type Place = [u8; 22];
type Mem = View<MemPages<Place>>;

/// A second thread.
struct Threads;

impl Join for Threads {
    fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        std::thread::scope(|scope| {
            let b = scope.spawn(b);
            (a(), b.join().unwrap())
        })
    }
}

fn key(number: u64) -> KeyHash {
    let mut key = *b"secret/data/team-0000/service-0000/environment/production/000000";
    key[56..].copy_from_slice(&number.to_be_bytes());
    KeyHash::of(&key)
}

/// Storage keeps keys elsewhere.
fn change(key: &KeyHash, value: u64) -> Change<'static, Place> {
    let mut digest = Digest([7; 32]);
    digest.0[..24].copy_from_slice(&key.0);
    digest.0[..8].copy_from_slice(&value.to_le_bytes());
    Change { hash: *key, key: &[], put: Some((digest, [1; 22])), before: None }
}

fn filled(keys: &[KeyHash]) -> Mem {
    let mut view = View::new(Trie::new(), MemPages::new());
    for keys in keys.chunks(usize::try_from(FILL).unwrap()) {
        let mut changes: Vec<_> = keys.iter().map(|key| change(key, 0)).collect();
        view.trie.apply(&view.pages, &mut changes).unwrap();
    }
    view
}

/// A sequence of numbers without visible order (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<'k>(&mut self, keys: &'k [KeyHash]) -> &'k KeyHash {
        let at = self.next() % u64::try_from(keys.len()).unwrap();
        &keys[usize::try_from(at).unwrap()]
    }

    fn batch(&mut self, keys: &[KeyHash], changes: u64) -> Vec<Change<'static, Place>> {
        (0..changes).map(|_| change(self.pick(keys), self.next())).collect()
    }
}

fn update(c: &mut Criterion) {
    let keys: Vec<KeyHash> = (0..KEYS).map(key).collect();
    let mut group = c.benchmark_group("merkle/update of 1M keys, root after each batch");
    for changes in [1, 64, 1_000, 8_000] {
        group.throughput(Throughput::Elements(changes));
        // Beside a snapshot of the state before, as readers and checkpoints hold one; its release
        // is timed with the batch after it.
        for (name, threads, snapshot) in [
            ("one thread", 1, false),
            ("one thread beside a snapshot", 1, true),
            ("two threads beside a snapshot", 2, true),
        ] {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            let mut view = filled(&keys);
            let mut held = None;
            group.bench_function(BenchmarkId::new(name, changes), |b| {
                b.iter_batched(
                    || random.batch(&keys, changes),
                    |mut batch| {
                        if snapshot {
                            held = Some(view.trie.clone());
                        }
                        match threads {
                            1 => view.trie.apply_with(&view.pages, &Sequential, &mut batch),
                            _ => view.trie.apply_with(&view.pages, &Threads, &mut batch),
                        }
                        .unwrap();
                        (view.root(), batch)
                    },
                    BatchSize::LargeInput,
                );
            });
            black_box(&held);
        }
    }
    group.finish();
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn look_up_and_prove(c: &mut Criterion) {
    let keys: Vec<KeyHash> = (0..KEYS).map(key).collect();
    let before = resident();
    let view = filled(&keys);
    println!("memory: {} bytes a key resident, keys included", (resident() - before) / KEYS);
    let pages: usize = view.trie.pages().map(|page| page.handle.heap_bytes()).sum();
    println!("memory: {} bytes a key in pages", pages / usize::try_from(KEYS).unwrap());
    let mut group = c.benchmark_group("merkle/1M keys");
    let mut random = Random(7);
    group.bench_function("get", |b| {
        b.iter_batched(
            || random.pick(&keys),
            |key| view.get(key).unwrap().is_some(),
            BatchSize::LargeInput,
        );
    });
    group.bench_function("prove and verify", |b| {
        b.iter(|| {
            let hash = *random.pick(&keys);
            view.prove(&hash).unwrap().verify(&view.root(), &hash).unwrap()
        });
    });
    let listed: Vec<_> = view
        .trie
        .pages()
        .map(|page| (page.prefix, page.digest, page.len, page.handle.clone()))
        .collect();
    group.sample_size(10);
    group.bench_function("spine from a list of pages", |b| {
        b.iter_batched(
            || listed.clone(),
            |listed| Trie::from_pages(listed).unwrap().root(),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn reconcile(c: &mut Criterion) {
    let keys: Vec<KeyHash> = (0..KEYS).map(key).collect();
    let there = filled(&keys);
    let mut group = c.benchmark_group("merkle/reconcile 1M keys");
    group.sample_size(10);
    for differences in [1, 100, 10_000, 100_000] {
        let mut here = there.clone();
        let mut batch = Random(differences).batch(&keys, differences);
        here.trie.apply(&here.pages, &mut batch).unwrap();
        let side = |view: &Mem| BTreeMap::from([([1; 16], view.clone())]);
        let run = || {
            let responder = Responder::new(side(&there));
            let mut initiator = Initiator::new(side(&here));
            let mut bytes = 0;
            while let Some(request) = initiator.next_request() {
                bytes += request.len();
                for response in responder.answer(&request).unwrap() {
                    let response = response.unwrap();
                    bytes += response.len();
                    initiator.on_response(&response).unwrap();
                }
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

criterion_group!(benches, update, look_up_and_prove, reconcile);
criterion_main!(benches);
