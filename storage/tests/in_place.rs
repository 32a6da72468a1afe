//! Large frames change the published state where it is: whoever held it before keeps what it was, and
//! nobody sees half of a change.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use strongroom_merkle::KeyHash;
use strongroom_storage::{Class, CommitError, KeyspaceId, Options, Snapshot, Store};
use support::{four_pages, keyspace, options};

/// Keys that a large transaction writes.
const LARGE: u32 = 300;

/// A frame of a large transaction fits.
fn open(dir: &Path, options: Options) -> Store {
    Store::open(dir, Options { segment_size: 1 << 20, ..options }).unwrap()
}

fn store(options: Options) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), options);
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.commit_blocking().unwrap();
    (dir, store)
}

fn key(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// Writes every `step`th key below a bound, and deletes what `gone` says.
fn write_many(store: &Store, round: u32, step: usize, gone: impl Fn(u32) -> bool) {
    let mut txn = store.begin();
    for number in (round % 3..6 * LARGE).step_by(step) {
        if gone(number) {
            txn.delete(keyspace(2), &key(number));
        } else {
            txn.put(keyspace(2), &key(number), format!("{number} of {round}").into_bytes());
        }
    }
    txn.commit_blocking().unwrap();
}

fn contents(snapshot: &Snapshot, of: KeyspaceId) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut entries: Vec<_> = snapshot.entries(of).map(Result::unwrap).collect();
    let listed = entries.len();
    entries.sort();
    let entries: BTreeMap<_, _> = entries.into_iter().collect();
    assert_eq!(entries.len(), listed);
    for (key, value) in &entries {
        let found = snapshot.get_by_hash(of, &KeyHash::of(key)).unwrap().unwrap();
        assert_eq!((&found.0, &found.1), (key, value));
    }
    entries
}

/// Snapshots are held over large changes, deletions and checkpoints, with many pages in memory and
/// with four: none of them changes, and what a restart finds has the root that was promised.
#[test]
fn a_snapshot_stays_what_it_was() {
    for options in [options(), four_pages()] {
        let (dir, store) = store(options);
        let mut held = Vec::new();
        for round in 0..24 {
            write_many(&store, round, 1 + (round as usize) % 4, |number| {
                round % 5 == 3 && number % 7 < 3
            });
            if round % 3 == 0 {
                let snapshot = store.snapshot();
                let (root, contents) =
                    (snapshot.replicated_root(), contents(&snapshot, keyspace(2)));
                held.push((snapshot, root, contents));
            }
            if round % 6 == 5 {
                store.checkpoint().unwrap();
                held.remove(0);
            }
            for (snapshot, root, before) in &held {
                assert_eq!(snapshot.replicated_root(), *root);
                assert_eq!(contents(snapshot, keyspace(2)), *before);
            }
        }
        let (root, last) =
            (store.root(Class::Replicated), contents(&store.snapshot(), keyspace(2)));
        drop((held, store));
        let store = open(dir.path(), options);
        assert_eq!(store.root(Class::Replicated), root);
        assert_eq!(contents(&store.snapshot(), keyspace(2)), last);
    }
}

/// Large transactions that count up the same few keys, from many threads: each is validated against
/// frames in flight whose effect is still to come, so no count is lost; and a reader always finds
/// all keys of a transaction at one count.
#[test]
fn large_transactions_lose_no_update_and_are_seen_whole() {
    let (_dir, store) = store(options());
    let count_of = |value: Option<Vec<u8>>| {
        value.map_or(0, |v| u32::from_le_bytes(v.first_chunk().copied().unwrap()))
    };
    let count_up = |counter: u32| loop {
        let mut txn = store.begin();
        let before = count_of(txn.get(keyspace(2), &key(counter)).unwrap());
        for number in (counter..LARGE).step_by(3) {
            txn.put(keyspace(2), &key(number), (before + 1).to_le_bytes().to_vec());
        }
        match txn.commit_blocking() {
            Err(CommitError::Conflict) => {}
            other => break other.unwrap(),
        }
    };
    let done = AtomicBool::new(false);
    let watch = || {
        while !done.load(Ordering::Relaxed) {
            let mut txn = store.begin();
            for counter in 0..3 {
                let count = count_of(txn.get(keyspace(2), &key(counter)).unwrap());
                for number in (counter..LARGE).step_by(33) {
                    let other = count_of(txn.get(keyspace(2), &key(number)).unwrap());
                    assert_eq!(other, count, "key {number}");
                }
            }
            let seen = count_of(store.get(keyspace(2), &key(0)).unwrap().map(|e| e.value));
            let later = count_of(store.get(keyspace(2), &key(33)).unwrap().map(|e| e.value));
            assert!(later >= seen, "{later} after {seen}");
        }
    };
    thread::scope(|scope| {
        scope.spawn(watch);
        let counting: Vec<_> = (0..6)
            .map(|thread| {
                scope.spawn(move || {
                    for _ in 0..25 {
                        count_up(thread % 3);
                    }
                })
            })
            .collect();
        for thread in counting {
            thread.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    for counter in 0..3 {
        let count = count_of(store.get(keyspace(2), &key(counter)).unwrap().map(|e| e.value));
        assert_eq!(count, 50);
    }
}

/// A sighting says whether its entry still stands, also when the keyspace that it was made in was
/// changed where it is.
#[test]
fn a_sighting_notices_a_change_in_place() {
    let (_dir, store) = store(options());
    write_many(&store, 0, 1, |_| false);
    let mut first = store.begin();
    let mut changed = first.sight(keyspace(2), &key(0)).unwrap();
    let mut kept = first.sight(keyspace(2), &key(1)).unwrap();
    let mut absent = first.sight(keyspace(2), b"absent").unwrap();
    drop(first);
    // Every third key, from the first one on.
    write_many(&store, 3, 3, |_| false);
    let mut second = store.begin();
    assert!(!second.still(&mut changed).unwrap());
    assert!(second.still(&mut kept).unwrap());
    assert!(second.still(&mut absent).unwrap());
    drop(second);
    let mut third = store.begin();
    third.put(keyspace(2), b"absent", vec![1]);
    third.commit_blocking().unwrap();
    write_many(&store, 6, 3, |_| false);
    let mut fourth = store.begin();
    assert!(!fourth.still(&mut absent).unwrap());
    assert!(fourth.still(&mut kept).unwrap());
}

/// Checkpoints all the time beside large frames, with many pages in memory and with a few: a checkpoint
/// lists pages that are changed in place as soon as it has let go of them, and what it listed must be
/// what they were. Each round ends as a crash does, without a checkpoint of its own.
#[test]
fn checkpoints_beside_changes_in_place_list_what_was_there() {
    for pool_pages in [usize::MAX, 24] {
        let (dir, mut store) = store(Options { pool_pages, ..options() });
        for round in 0..6 {
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        store.checkpoint().unwrap();
                    }
                });
                for turn in 0..40 {
                    let (number, step) = (round * 40 + turn, 1 + (turn as usize) % 9);
                    write_many(&store, number, step, |key| turn % 8 == 5 && key % 11 < 4);
                }
                done.store(true, Ordering::Relaxed);
            });
            let (root, last) =
                (store.root(Class::Replicated), contents(&store.snapshot(), keyspace(2)));
            drop(store);
            store = open(dir.path(), Options { pool_pages, ..options() });
            assert_eq!(store.root(Class::Replicated), root);
            assert_eq!(contents(&store.snapshot(), keyspace(2)), last);
        }
    }
}

/// Writers that leave the log no moment's rest: its frames begin while others are in flight whose roots
/// nobody knows yet. All the same a root is promised now and then, and a restart arrives at it.
#[test]
fn roots_are_promised_under_any_load() {
    let (dir, store) = store(Options { pool_pages: usize::MAX, ..options() });
    thread::scope(|scope| {
        for writer in 0..4u32 {
            let store = &store;
            scope.spawn(move || {
                for turn in 0..60u32 {
                    let mut txn = store.begin();
                    for number in 0..100 {
                        let name = key(writer * 100_000 + turn * 100 + number);
                        txn.put(keyspace(2), &name, vec![1; 1_024]);
                    }
                    txn.commit_blocking().unwrap();
                }
            });
        }
    });
    let root = store.root(Class::Replicated);
    drop(store);
    let store = open(dir.path(), options());
    assert_eq!(store.root(Class::Replicated), root);
    let recovery = store.stats().recovery;
    // 24 MiB in frames of at most 4; a root is looked at after every 4,096 entries, of some 4 MiB.
    assert!(recovery.roots_checked >= 2, "{recovery:?}");
}
