//! A restart reads what it needs: the map, the blocks of names, and the pages that the log since the
//! checkpoint is about. The rest comes when it is asked for, or behind the opening.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use strongroom_storage::{Class, Options, Store};
use support::{keyspace, options};

const KEYS: u32 = 4_000;

fn key(i: u32) -> Vec<u8> {
    format!("apps/{:02}/{i:08}", i % 50).into_bytes()
}

fn write(store: &Store, keys: impl Iterator<Item = u32>, value: &[u8]) {
    let mut txn = store.begin();
    keys.for_each(|i| txn.put(keyspace(2), &key(i), value.to_vec()));
    txn.commit_blocking().unwrap();
}

/// A stopped store with a checkpoint of all keys.
fn stopped() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.commit_blocking().unwrap();
    for part in (0..KEYS).collect::<Vec<_>>().chunks(500) {
        write(&store, part.iter().copied(), b"first");
    }
    store.close().unwrap();
    dir
}

#[test]
fn after_a_clean_stop_no_page_is_read_until_one_is_asked_for() {
    let dir = stopped();
    let store = Store::open(dir.path(), options()).unwrap();
    let stats = store.stats();
    assert_eq!((stats.keys, stats.pages_read), (u64::from(KEYS), 0));
    assert_eq!(store.list(keyspace(2), b"apps/", None, 100).len(), 50);
    assert_eq!(store.scan(keyspace(2), b"", None, usize::MAX).len(), KEYS as usize);
    assert_eq!(store.stats().pages_read, 0);
    assert_eq!(store.get(keyspace(2), &key(7)).unwrap().unwrap().value, b"first");
    assert_eq!(store.stats().pages_read, 1);
}

#[test]
fn pages_come_behind_the_opening_if_there_is_room_for_all() {
    let dir = stopped();
    for (pool_pages, comes) in [(usize::MAX, true), (16, false)] {
        let warm = Options { warm_pages: true, pool_pages, ..options() };
        let store = Store::open(dir.path(), warm).unwrap();
        let pages = store.stats().recovery.pages;
        assert!(pages > 100);
        let began = Instant::now();
        while comes && store.stats().pages_resident < pages {
            assert!(began.elapsed() < Duration::from_mins(1), "{:?}", store.stats());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(comes || store.stats().pages_resident <= 16);
    }
}

/// Names that came and went since the checkpoint: each more than once, in one frame and in several.
#[test]
fn the_log_since_the_checkpoint_counts_for_the_names_too() {
    let dir = stopped();
    {
        let store = Store::open(dir.path(), options()).unwrap();
        let remove = |keys: std::ops::Range<u32>| {
            let mut txn = store.begin();
            keys.for_each(|i| txn.delete(keyspace(2), &key(i)));
            txn.commit_blocking().unwrap();
        };
        remove(0..30);
        write(&store, 10..20, b"again");
        write(&store, KEYS..KEYS + 20, b"new");
        remove(KEYS..KEYS + 5);
        remove(15..18);
        let mut txn = store.begin();
        txn.create_keyspace(keyspace(3), Class::Local);
        txn.put(keyspace(3), b"only", b"value".to_vec());
        txn.commit_blocking().unwrap();
    }
    let store = Store::open(dir.path(), options()).unwrap();
    let mut expected: Vec<_> =
        (10..15).chain(18..20).chain(30..KEYS).chain(KEYS + 5..KEYS + 20).map(key).collect();
    expected.sort();
    assert_eq!(store.scan(keyspace(2), b"", None, usize::MAX), expected);
    assert_eq!(store.scan(keyspace(3), b"", None, 9), [b"only".to_vec()]);
    assert_eq!(store.stats().keys, expected.len() as u64 + 1);
}

/// Values that are overwritten leave the names alone: no block of them is written again, not even
/// after a restart.
#[test]
fn names_are_written_once() {
    let dir = stopped();
    let store = Store::open(dir.path(), options()).unwrap();
    let names: usize = (0..KEYS).map(|i| key(i).len()).sum();
    write(&store, 0..1, b"second");
    store.checkpoint().unwrap();
    // One page, and the map: some 70 bytes for each of the others, 20 for each block.
    let written = store.stats().page_bytes;
    let map = store.stats().recovery.pages * 70;
    assert!(written < map + 10_000, "{written} of {names} and {map}");
    drop(store);
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.scan(keyspace(2), b"", None, usize::MAX).len(), KEYS as usize);
}
