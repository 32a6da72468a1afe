//! Space comes back, and cleaning changes nothing that anyone can see.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;

use strongroom_storage::{Class, Options, Store};
use support::{check, contents, keyspace, options};

fn folder_bytes(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum()
}

/// A store with the keyspace that is written to.
fn store(dir: &Path) -> Store {
    let store = Store::open(dir, options()).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.commit_blocking().unwrap();
    store
}

fn put(store: &Store, key: u32, value: &[u8]) {
    let mut txn = store.begin();
    txn.put(keyspace(2), &key.to_be_bytes(), value.to_vec());
    txn.commit_blocking().unwrap();
}

#[test]
fn segments_that_hold_few_live_values_are_cleaned_and_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    // Lone commits take a block each: most of the log is padding around small live values.
    for key in 0..600u32 {
        put(&store, key, format!("value of {key}").as_bytes());
    }
    let (before, root) = (folder_bytes(dir.path()), store.root(Class::Replicated));
    let model = contents(&store);
    let snapshot = store.snapshot();
    let versions: Vec<_> =
        (0..600u32).map(|k| store.version(keyspace(2), &k.to_be_bytes()).unwrap()).collect();
    let mut reading = store.begin();
    reading.get(keyspace(2), &7u32.to_be_bytes()).unwrap();
    reading.put(keyspace(2), b"out", vec![1]);
    for _ in 0..3 {
        store.checkpoint().unwrap();
    }
    let stats = store.stats();
    assert!(stats.relocated_bytes > 0, "{stats:?}");
    assert_eq!(stats.recycled_segments, 0, "a snapshot still reads the old places");
    assert_eq!(
        snapshot.get(keyspace(2), &5u32.to_be_bytes()).unwrap(),
        Some(b"value of 5".to_vec())
    );
    reading.commit_blocking().unwrap();
    let mut txn = store.begin();
    txn.delete(keyspace(2), b"out");
    txn.commit_blocking().unwrap();
    drop(snapshot);
    for _ in 0..3 {
        store.checkpoint().unwrap();
    }
    assert!(store.stats().recycled_segments > 0, "{:?}", store.stats());
    let after = folder_bytes(dir.path());
    assert!(after * 3 < before, "{before} bytes before, {after} after");
    assert_eq!(store.root(Class::Replicated), root, "a move changes no root");
    let now: Vec<_> =
        (0..600u32).map(|k| store.version(keyspace(2), &k.to_be_bytes()).unwrap()).collect();
    assert_eq!(now, versions, "a move changes no version");
    check(&store, &[&model], "cleaned");
    drop(store);
    check(&Store::open(dir.path(), options()).unwrap(), &[&model], "reopened");
}

#[test]
fn a_move_is_no_change_in_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    for key in 0..60u32 {
        put(&store, key, &[1; 10]);
    }
    let snapshot = store.snapshot();
    let mut reader = store.changes(store.position()).unwrap();
    for _ in 0..2 {
        store.checkpoint().unwrap();
    }
    assert!(store.stats().relocated_bytes > 0);
    while let Some(change) = reader.next().unwrap() {
        assert_eq!(change.ops, []);
        assert_eq!(change.mark.unwrap().1, snapshot.replicated_root());
    }
    assert_eq!(reader.position(), store.position());
}

#[test]
fn the_log_within_its_bound_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let kept = Options { retention_bytes: u64::MAX, ..options() };
    let store = Store::open(dir.path(), kept).unwrap();
    let start = store.position();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.commit_blocking().unwrap();
    for key in 0..60u32 {
        put(&store, key % 3, &[1; 10]);
    }
    for _ in 0..3 {
        store.checkpoint().unwrap();
    }
    assert_eq!((store.stats().relocated_bytes, store.stats().recycled_segments), (0, 0));
    store.changes(start).unwrap();
}

/// An empty value takes no reading, but its key is in the log all the same: segments with nothing but empty
/// values counted as dead once, when pages still kept the keys.
#[test]
fn keys_of_empty_values_outlive_their_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    for key in 0..300u32 {
        put(&store, key, b"");
    }
    for _ in 0..3 {
        for key in 1_000..1_200u32 {
            put(&store, key, &[7; 300]);
        }
        store.checkpoint().unwrap();
    }
    assert!(store.stats().recycled_segments > 0, "{:?}", store.stats());
    let model = contents(&store);
    drop(store);
    check(&Store::open(dir.path(), options()).unwrap(), &[&model], "reopened");
}
