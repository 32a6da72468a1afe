//! A restart that has losers to undo on a disk without room: ordinary frames leave a reserve for it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use strongroom_storage::{CommitError, OpenError, Options, Store};
use strongroom_wal::LogError;
use strongroom_wal::disk::Disk;
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
/// and again, and though a pool of four pages steals what room there is. The reserve stood once in a
/// spare whose name was not durable: power failed, redo's pages took its room, and undo had none.
#[test]
fn losers_are_undone_on_a_full_disk() {
    for (options, blocks) in
        [options(), four_pages()].into_iter().flat_map(|o| (0..24).map(move |b| (o, b)))
    {
        let context = format!("{blocks} blocks, a pool of {}", options.pool_pages);
        let (mut image, model) = full(options, 60, blocks);
        let mut undone = 0;
        for restart in 0..3 {
            let store = open_with(&image, options).unwrap_or_else(|e| panic!("{context}: {e}"));
            undone += store.stats().recovery.undone;
            check(&store, &[&model], &format!("{context}, restart {restart}"));
            drop(store);
            image = image.crash_with(blocks + restart);
        }
        assert_eq!(undone, 1, "{context}");
        image.set_capacity(None);
        let store = open_with(&image, options).unwrap();
        put(&store, 0..60, 30).unwrap_or_else(|e| panic!("{context}, with room: {e}"));
    }
}

/// The same with power failing at any call of the restart: what was secured stays secured.
#[test]
fn a_restart_on_a_full_disk_may_be_cut_short_anywhere() {
    for blocks in [0, 5, 6, 11] {
        let (image, model) = full(four_pages(), 60, blocks);
        let whole = image.clone_image();
        let before = whole.calls();
        drop(open_with(&whole, four_pages()).unwrap());
        for call in (0..whole.calls() - before).step_by(3) {
            let context = format!("{blocks} blocks, power lost at call {call}");
            let cut = image.clone_image();
            cut.crash_at_call(call);
            drop(open_with(&cut, four_pages()));
            let again = cut.crash_with(call);
            let store =
                open_with(&again, four_pages()).unwrap_or_else(|e| panic!("{context}: {e}"));
            check(&store, &[&model], &context);
        }
    }
}

/// Leaves as much room on the disk as there is without pages that were stolen, and `blocks` blocks.
fn squeeze(disk: &SimDisk, blocks: u64) {
    let names = disk.list().unwrap();
    let pages = names.iter().filter(|name| name.starts_with("pages-"));
    let stolen: usize = pages.map(|name| disk.contents(name).unwrap().len()).sum();
    disk.set_capacity(Some(disk.used() - stolen as u64 + blocks * 4096));
}

/// More than the reserve and the rest of the disk hold: the store says that there is no room, harms
/// nothing by trying, and opens when there is some. How small the pool is makes no difference.
#[test]
fn losers_that_the_disk_does_not_take_wait_for_room() {
    let (mut refused, mut opened) = (0, 0);
    for blocks in 0..24 {
        let (mut image, model) = full(four_pages(), 700, blocks);
        squeeze(&image, blocks);
        let in_memory = open_with(&image.clone_image(), options()).is_ok();
        for attempt in 0..3 {
            let context = format!("{blocks} blocks, attempt {attempt}");
            match open_with(&image, four_pages()) {
                Ok(store) => {
                    assert!(in_memory, "{context}");
                    opened += 1;
                    check(&store, &[&model], &context);
                }
                Err(OpenError::Log(LogError::NoSpace)) => {
                    assert!(!in_memory, "{context}");
                    refused += 1;
                }
                Err(e) => panic!("{context}: {e}"),
            }
            image = image.crash_with(blocks + attempt);
        }
        image.set_capacity(None);
        let store = open_with(&image, four_pages()).unwrap();
        check(&store, &[&model], &format!("{blocks} blocks, with room"));
        put(&store, 0..700, 30).unwrap();
    }
    assert!(refused > 0 && opened > 0, "{refused} refused, {opened} opened");
}
