//! A restart that has losers to undo on a disk without room: ordinary frames leave a reserve for it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use strongroom_storage::{CommitError, OpenError, Options, Store};
use strongroom_wal::LogError;
use strongroom_wal::disk::sim::SimDisk;
use support::{Model, check, contents, four_pages, keyspace, open_with, options};

fn put(store: &Store, keys: std::ops::Range<u32>, len: usize) -> Result<(), CommitError> {
    let mut txn = store.begin();
    for i in keys {
        txn.put(keyspace(2), format!("key-{i:04}").as_bytes(), vec![b'v'; len]);
    }
    txn.commit_blocking().map(|_| ())
}

/// A disk that is full to the last block that ordinary commits may take, and lost power while a
/// transaction of `updates` logged updates was under way; with what was committed.
fn full(options: Options, updates: u32, blocks: u64) -> (SimDisk, Model) {
    let disk = SimDisk::new(blocks);
    let store = open_with(&disk, options).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), support::class(2));
    txn.commit_blocking().unwrap();
    put(&store, 0..updates, 20).unwrap();
    let mut loser = store.begin();
    for i in 0..updates {
        loser.put(keyspace(2), format!("key-{i:04}").as_bytes(), b"lost".to_vec());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(loser.spill()).unwrap();
    disk.set_capacity(Some(disk.used() + blocks * 4096));
    for i in 1000.. {
        match put(&store, i..i + 1, 2500) {
            Ok(()) => {}
            Err(CommitError::NoSpace) => break,
            Err(e) => panic!("{e}"),
        }
    }
    let image = disk.crash_with(blocks);
    let model = contents(&store);
    (image, model)
}

/// Nothing but the reserve is left, and it is enough: also when power fails right after the restart,
/// and again.
#[test]
fn losers_are_undone_on_a_full_disk() {
    for blocks in 0..24 {
        let context = format!("{blocks} blocks");
        let (mut image, model) = full(options(), 60, blocks);
        let mut undone = 0;
        for restart in 0..3 {
            let store = open_with(&image, options()).unwrap_or_else(|e| panic!("{context}: {e}"));
            undone += store.stats().recovery.undone;
            check(&store, &[&model], &format!("{context}, restart {restart}"));
            drop(store);
            image = image.crash_with(blocks + restart);
        }
        assert_eq!(undone, 1, "{context}");
        image.set_capacity(None);
        let store = open_with(&image, options()).unwrap();
        put(&store, 0..60, 30).unwrap_or_else(|e| panic!("{context}, with room: {e}"));
    }
}

/// More than the reserve holds, or the pages that a small pool steals during the restart took what a
/// crash had left of it: the store says that there is no room, harms nothing by trying, and opens when
/// there is some.
#[test]
fn losers_that_the_reserve_does_not_take_wait_for_room() {
    let mut refused = 0;
    for (updates, blocks) in [60, 700].into_iter().flat_map(|n| (0..24).map(move |b| (n, b))) {
        let context = format!("{updates} updates, {blocks} blocks");
        let (mut image, model) = full(four_pages(), updates, blocks);
        for attempt in 0..2 {
            match open_with(&image, four_pages()) {
                Ok(store) => {
                    check(&store, &[&model], &context);
                }
                Err(OpenError::Log(LogError::NoSpace)) => refused += 1,
                Err(e) => panic!("{context}: {e}"),
            }
            image = image.crash_with(blocks + attempt);
        }
        image.set_capacity(None);
        let store = open_with(&image, four_pages()).unwrap();
        check(&store, &[&model], &format!("{context}, with room"));
        put(&store, 0..updates, 30).unwrap();
    }
    assert!(refused > 0, "the reserve was never too small");
}
