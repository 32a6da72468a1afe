//! Reads of single entries from a store on disk: the index is in memory, the value is read from the
//! log and verified against its digest each time.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench may stop at once")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use strongroom_storage::{Class, KeyspaceId, Options, Store};

const KEYS: u64 = 100_000;
const KEY_BYTES: usize = 64;
const VALUE_BYTES: usize = 256;
const KEYS_A_COMMIT: u64 = 1_000;
const KEYSPACE: KeyspaceId = KeyspaceId([1; 16]);

fn key(number: u64) -> Vec<u8> {
    let name = format!("secret/data/application-{number:012}/");
    let mut key = name.into_bytes();
    key.resize(KEY_BYTES, b'k');
    key
}

fn filled(dir: &std::path::Path) -> Store {
    let store = Store::open(dir, Options::default()).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(KEYSPACE, Class::Replicated);
    txn.commit_blocking().unwrap();
    for first in (0..KEYS).step_by(usize::try_from(KEYS_A_COMMIT).unwrap()) {
        let mut txn = store.begin();
        for number in first..(first + KEYS_A_COMMIT).min(KEYS) {
            let fill = u8::try_from(number % 251).unwrap();
            txn.put(KEYSPACE, &key(number), vec![fill; VALUE_BYTES]);
        }
        txn.commit_blocking().unwrap();
    }
    store
}

fn point_read(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let mut number = 1u64;
    let mut next = move || {
        // xorshift64: no visible order.
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        key(number % KEYS)
    };
    let mut group = c.benchmark_group(format!("point read, {KEYS} keys"));
    group.throughput(Throughput::Elements(1));
    group.bench_function("get, 64 B key, 256 B value, digest verified", |b| {
        b.iter_batched(
            &mut next,
            |key| store.get(KEYSPACE, &key).unwrap().unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("get of a key that is not there", |b| {
        b.iter_batched(
            || [next(), b"?".to_vec()].concat(),
            |key| store.get(KEYSPACE, &key).unwrap().is_none(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("version, from memory alone", |b| {
        b.iter_batched(&mut next, |key| store.version(KEYSPACE, &key), BatchSize::SmallInput);
    });
    group.finish();
    store.close().unwrap();
}

criterion_group!(benches, point_read);
criterion_main!(benches);
