//! What a store does while it has nothing else to do is in nobody's way.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use strongroom_storage::{Class, Options, Store};
use support::{check, contents, keyspace, options};

const KEYS: u32 = 12_000;
/// Bytes that are moved in one piece, at most: a quarter of a segment.
const PIECE: u64 = SEGMENT / 4;
const SEGMENT: u64 = 1 << 20;
/// A machine that is slower than this has other troubles.
const PATIENCE: Duration = Duration::from_mins(1);

/// A store with the keyspace that is written to.
fn store(dir: &Path, options: Options) -> Store {
    let store = Store::open(dir, options).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.commit_blocking().unwrap();
    store
}

fn put(store: &Store, keys: impl Iterator<Item = u32>) {
    put_values_of(2_000, store, keys);
}

fn put_values_of(len: usize, store: &Store, keys: impl Iterator<Item = u32>) {
    let keys: Vec<u32> = keys.collect();
    for keys in keys.chunks(100) {
        let mut txn = store.begin();
        for key in keys {
            txn.put(keyspace(2), &key.to_be_bytes(), vec![7; len]);
        }
        txn.commit_blocking().unwrap();
    }
}

fn wait_until(store: &Store, what: &str, mut done: impl FnMut(&Store) -> bool) {
    let began = Instant::now();
    while !done(store) {
        assert!(began.elapsed() < PATIENCE, "{what}: {:?}", store.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// It went on to the end of its step once, up to 256 MiB, and without a rest after the first 64: a commit
/// took ten times as long beside it.
#[test]
fn a_commit_ends_the_cleaning_of_an_idle_store() {
    let dir = tempfile::tempdir().unwrap();
    let compact_after = Some(Duration::from_secs(1));
    let options = Options { segment_size: SEGMENT, compact_after, ..options() };
    let store = store(dir.path(), options);
    put(&store, 0..KEYS);
    // A quarter of each segment is dead: beside traffic it stays.
    put(&store, (0..KEYS).step_by(4));
    let moved = |store: &Store| store.stats().relocated_bytes;
    wait_until(&store, "the idle store is not cleaned", |store| moved(store) > 0);
    put(&store, 0..1);
    let then = moved(&store);
    for _ in 0..200 {
        put(&store, 0..1);
        std::thread::sleep(Duration::from_millis(1));
    }
    // The piece under way, and the one that was gathered meanwhile.
    let more = moved(&store) - then;
    assert!(more <= 2 * PIECE, "{more} bytes were moved beside commits");
    wait_until(&store, "the cleaner does not come back", |store| moved(store) > then + 2 * PIECE);
}

/// Nobody asks for a checkpoint: the store's own thread makes what room there is, and nobody sees it.
#[test]
fn a_store_that_is_left_alone_gets_small() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { compact_after: Some(Duration::from_millis(20)), ..options() };
    let store = store(dir.path(), options);
    // Lone commits take a block each: most of the log is padding around small values.
    for key in 0..600u32 {
        let mut txn = store.begin();
        // An empty value may lie right behind the segment of its record.
        let value = if key % 3 == 0 { String::new() } else { format!("value of {key}") };
        txn.put(keyspace(2), &key.to_be_bytes(), value.into_bytes());
        txn.commit_blocking().unwrap();
    }
    let model = contents(&store);
    wait_until(&store, "the log stays large", |store| store.stats().log_segments <= 3);
    let stats = store.stats();
    assert!(stats.relocated_bytes > 0 && stats.recycled_segments > 20, "{stats:?}");
    let (worked, rested) = (stats.background_worked, stats.background_rested);
    assert!(worked > Duration::ZERO && rested > Duration::ZERO, "{stats:?}");
    check(&store, &[&model], "left alone");
    drop(store);
    check(&Store::open(dir.path(), options).unwrap(), &[&model], "reopened");
}

/// Each of its threads says so. What was free in the process stayed its own, and so did 30 MB of memory for
/// large frames.
#[test]
fn a_store_says_once_that_it_is_at_rest() {
    static RESTED: AtomicUsize = AtomicUsize::new(0);
    let dir = tempfile::tempdir().unwrap();
    let compact_after = Some(Duration::from_millis(20));
    let at_rest: Option<fn()> = Some(|| {
        RESTED.fetch_add(1, Ordering::Relaxed);
    });
    let store = store(dir.path(), Options { compact_after, at_rest, ..options() });
    let rested = || RESTED.load(Ordering::Relaxed);
    for key in 0..2 {
        wait_until(&store, "the store does not rest", |_| rested() == 2 * (key + 1));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(rested(), 2 * (key + 1), "nothing was committed since");
        put(&store, 0..1);
    }
}

/// The page segment that was appended to was never written anew: a store that is small for good kept up to
/// 16 MiB of images that nothing refers to.
#[test]
fn an_idle_store_keeps_the_pages_of_one_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { compact_after: Some(Duration::from_millis(50)), ..options() };
    let store = store(dir.path(), options);
    let pages = |_: &Store| -> u64 {
        let files = std::fs::read_dir(dir.path()).unwrap().map(Result::unwrap);
        let pages = files.filter(|file| file.file_name().to_string_lossy().starts_with("pages-"));
        // One may be removed meanwhile.
        pages.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    };
    put_values_of(20, &store, 0..KEYS);
    store.checkpoint().unwrap();
    let once = pages(&store);
    for _ in 0..4 {
        put_values_of(20, &store, 0..KEYS);
        store.checkpoint().unwrap();
    }
    wait_until(&store, "the pages stay large", |store| pages(store) < once + once / 2);
}
