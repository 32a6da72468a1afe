//! Transactions that are logged before they commit: any size, savepoints, rollback, conflicts, and
//! what a restart makes of them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use strongroom_storage::{ChangeOp, Class, CommitError, Options, Store, Txn};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use support::{Model, check, contents, keyspace, options};

fn open_on(disk: &SimDisk, options: Options) -> Store {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Store::open_on(&disk, options).unwrap()
}

fn store() -> (SimDisk, Store) {
    let disk = SimDisk::new(5);
    let store = open_on(&disk, options());
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.put(keyspace(2), b"old", b"committed".to_vec());
    txn.commit_blocking().unwrap();
    (disk, store)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn put_many(txn: &mut Txn, from: u32, to: u32) {
    for i in from..to {
        txn.put(keyspace(2), format!("key-{i}").as_bytes(), vec![b'v'; 500]);
    }
}

#[test]
fn a_transaction_larger_than_a_segment_commits_as_one() {
    let (disk, store) = store();
    let start = store.position();
    let mut reader = store.changes(start);
    let mut txn = store.begin();
    put_many(&mut txn, 0, 1000);
    txn.delete(keyspace(2), b"old");
    txn.create_keyspace(keyspace(4), Class::Replicated);
    txn.put(keyspace(4), b"made", b"here".to_vec());
    txn.commit_blocking().unwrap();
    assert_eq!(store.scan(keyspace(2), b"", None, usize::MAX).len(), 1000);
    assert_eq!(store.get(keyspace(4), b"made").unwrap().unwrap().value, b"here");
    let model = contents(&store);
    check(&store, &[&model], "committed");
    let mut ops = Vec::new();
    while let Some(change) = reader.as_mut().unwrap().next().unwrap() {
        if !change.ops.is_empty() {
            ops.push(change.ops);
        }
    }
    assert_eq!(ops.len(), 1, "followers see it at once");
    assert_eq!(ops[0].len(), 1 + 1000 + 1 + 1);
    assert!(matches!(ops[0][0], ChangeOp::CreateKeyspace { .. }));
    drop(store);
    for image in [disk.crash_with(1), disk.crash_with(2)] {
        check(&open_on(&image, options()), &[&model], "after power loss");
    }
}

#[test]
fn nobody_sees_what_is_not_committed_and_its_keys_are_held() {
    let (_disk, store) = store();
    let before = contents(&store);
    let mut large = store.begin();
    large.put(keyspace(2), b"old", b"mine".to_vec());
    large.put(keyspace(2), b"new", b"mine".to_vec());
    run(large.spill()).unwrap();
    assert_eq!(large.get(keyspace(2), b"old").unwrap().unwrap(), b"mine");
    assert_eq!(large.scan(keyspace(2), b"", None, 9), [b"new".to_vec(), b"old".to_vec()]);
    check(&store, &[&before], "spilled");
    let mut other = store.begin();
    other.put(keyspace(2), b"new", b"theirs".to_vec());
    assert!(matches!(other.commit_blocking(), Err(CommitError::Conflict)));
    let mut third = store.begin();
    third.put(keyspace(2), b"old", b"theirs".to_vec());
    assert!(matches!(run(third.spill()), Err(CommitError::Conflict)));
    drop(large);
    check(&store, &[&before], "dropped");
    let mut other = store.begin();
    other.put(keyspace(2), b"new", b"theirs".to_vec());
    other.commit_blocking().unwrap();
    assert!(store.stats().compensations >= 2, "{:?}", store.stats());
}

#[test]
fn a_large_transaction_that_read_what_changed_is_taken_back() {
    let (_disk, store) = store();
    let mut large = store.begin();
    large.get(keyspace(2), b"old").unwrap();
    large.put(keyspace(2), b"new", b"mine".to_vec());
    run(large.spill()).unwrap();
    let mut other = store.begin();
    other.put(keyspace(2), b"old", b"theirs".to_vec());
    other.commit_blocking().unwrap();
    let now = contents(&store);
    assert!(matches!(large.commit_blocking(), Err(CommitError::Conflict)));
    check(&store, &[&now], "taken back");
    // The key is free again.
    let mut other = store.begin();
    other.put(keyspace(2), b"new", b"theirs".to_vec());
    other.commit_blocking().unwrap();
}

#[test]
fn savepoints_nest_and_are_rolled_back_to_again_and_again() {
    let (disk, store) = store();
    let get = |txn: &mut Txn, key: &[u8]| txn.get(keyspace(2), key).unwrap();
    let mut txn = store.begin();
    txn.put(keyspace(2), b"a", b"1".to_vec());
    let outer = run(txn.savepoint()).unwrap();
    txn.put(keyspace(2), b"a", b"2".to_vec());
    txn.delete(keyspace(2), b"old");
    let inner = run(txn.savepoint()).unwrap();
    for _ in 0..2 {
        txn.put(keyspace(2), b"a", b"3".to_vec());
        txn.put(keyspace(2), b"old", b"again".to_vec());
        txn.put(keyspace(2), b"b", b"3".to_vec());
        run(txn.spill()).unwrap();
        run(txn.roll_back_to(&inner)).unwrap();
        assert_eq!(get(&mut txn, b"a").unwrap(), b"2");
        assert_eq!(get(&mut txn, b"old"), None);
        assert_eq!(get(&mut txn, b"b"), None);
    }
    run(txn.roll_back_to(&outer)).unwrap();
    assert_eq!(get(&mut txn, b"a").unwrap(), b"1");
    assert_eq!(get(&mut txn, b"old").unwrap(), b"committed");
    txn.put(keyspace(2), b"c", b"after".to_vec());
    txn.commit_blocking().unwrap();
    let mut expected = Model::new();
    let entries = [("a", "1"), ("c", "after"), ("old", "committed")];
    let entries = entries.map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec()));
    expected.insert(keyspace(2), (Class::Replicated, entries.into()));
    check(&store, &[&expected], "committed");
    drop(store);
    check(&open_on(&disk.crash(), options()), &[&expected], "after power loss");
}

/// A savepoint that was rolled back past was taken as if it stood: the transaction believed that writes
/// were there which had been taken back, and committed without them.
#[test]
fn a_void_savepoint_is_refused_and_changes_nothing() {
    let (_disk, store) = store();
    let mut txn = store.begin();
    let outer = run(txn.savepoint()).unwrap();
    txn.put(keyspace(2), b"a", b"1".to_vec());
    let inner = run(txn.savepoint()).unwrap();
    run(txn.roll_back_to(&inner)).unwrap();
    run(txn.roll_back_to(&outer)).unwrap();
    let refused = |rolled: Result<(), CommitError>| {
        assert!(matches!(rolled, Err(CommitError::VoidSavepoint)), "{rolled:?}");
    };
    txn.put(keyspace(2), b"b", b"2".to_vec());
    for spilled in [false, true] {
        if spilled {
            // Its place in the log would lie between two savepoints that stand.
            run(txn.spill()).unwrap();
        }
        refused(run(txn.roll_back_to(&inner)));
        assert_eq!(txn.get(keyspace(2), b"a").unwrap(), None);
        assert_eq!(txn.get(keyspace(2), b"b").unwrap().unwrap(), b"2");
    }
    // One that is made afterwards is not taken for it, nor are those of others for its own.
    let later = run(txn.savepoint()).unwrap();
    refused(run(txn.roll_back_to(&inner)));
    let mut other = store.begin();
    refused(run(other.roll_back_to(&outer)));
    other.put(keyspace(2), b"c", b"3".to_vec());
    let others = run(other.savepoint()).unwrap();
    refused(run(txn.roll_back_to(&others)));
    refused(run(other.roll_back_to(&later)));
    drop(other);
    run(txn.roll_back_to(&later)).unwrap();
    run(txn.roll_back_to(&outer)).unwrap();
    refused(run(txn.roll_back_to(&later)));
    txn.put(keyspace(2), b"d", b"4".to_vec());
    txn.commit_blocking().unwrap();
    let names = store.scan(keyspace(2), b"", None, 9);
    assert_eq!(names, [b"d".to_vec(), b"old".to_vec()]);
}

/// Steal, and what it takes: a pool of four pages, a checkpoint in the middle of a transaction that
/// never commits, and a restart that has to find its writes in the pages and take them back.
#[test]
fn uncommitted_pages_go_to_disk_and_are_undone_at_restart() {
    let (disk, store) = store();
    drop(store);
    let small = Options { pool_pages: 4, ..options() };
    let store = open_on(&disk, small);
    let before = contents(&store);
    let mut large = store.begin();
    put_many(&mut large, 0, 300);
    large.put(keyspace(2), b"old", b"overwritten".to_vec());
    run(large.spill()).unwrap();
    store.checkpoint().unwrap();
    put_many(&mut large, 200, 400);
    run(large.spill()).unwrap();
    let stats = store.stats();
    assert!(stats.pages_uncommitted > 0 && stats.pages_stolen > 0, "{stats:?}");
    assert!(stats.pages_resident <= 4, "{stats:?}");
    check(&store, &[&before], "while it is under way");
    let image = disk.crash();
    std::mem::forget(large);
    let store = open_on(&image, small);
    assert_eq!(store.stats().recovery.undone, 1);
    check(&store, &[&before], "after the restart");
    drop(store);
    let store = open_on(&image.crash(), small);
    assert_eq!(store.stats().recovery.undone, 0);
    check(&store, &[&before], "after another");
}

/// A page splits on account of a transaction that is then taken back: the split is undone by what
/// the tree is, not by the log, and no key is lost on the way.
#[test]
fn a_split_page_survives_the_abort_of_what_split_it() {
    let (disk, store) = store();
    let mut txn = store.begin();
    put_many(&mut txn, 0, 14);
    txn.commit_blocking().unwrap();
    let model = contents(&store);
    let mut large = store.begin();
    put_many(&mut large, 100, 200);
    run(large.spill()).unwrap();
    let mut other = store.begin();
    put_many(&mut other, 14, 40);
    other.commit_blocking().unwrap();
    let grown = contents(&store);
    drop(large);
    store.checkpoint().unwrap();
    check(&store, &[&grown], "aborted");
    assert_ne!(model, grown);
    drop(store);
    check(&open_on(&disk.crash(), options()), &[&grown], "after the restart");
}

#[test]
fn a_keyspace_that_goes_away_takes_a_large_transaction_with_it() {
    let (disk, store) = store();
    let mut large = store.begin();
    put_many(&mut large, 0, 5);
    run(large.spill()).unwrap();
    let mut ddl = store.begin();
    ddl.drop_keyspace(keyspace(2));
    ddl.create_keyspace(keyspace(2), Class::Replicated);
    ddl.commit_blocking().unwrap();
    assert!(matches!(large.commit_blocking(), Err(CommitError::UnknownKeyspace)));
    let model = contents(&store);
    check(&store, &[&model], "dropped");
    assert!(store.scan(keyspace(2), b"", None, 9).is_empty());
    drop(store);
    check(&open_on(&disk.crash(), options()), &[&model], "after the restart");
}

fn recreate(store: &Store) {
    let mut ddl = store.begin();
    ddl.drop_keyspace(keyspace(2));
    ddl.create_keyspace(keyspace(2), Class::Replicated);
    ddl.commit_blocking().unwrap();
}

/// It logged what came later to the keyspace that was made anew, and went on reading what it had logged
/// to the one that was gone, or what others had there: found by the isolation check.
#[test]
fn a_keyspace_that_is_made_anew_refuses_what_follows_writes_to_the_old_one() {
    let (_disk, store) = store();
    let mut large = store.begin();
    large.put(keyspace(2), b"old", b"1".to_vec());
    run(large.spill()).unwrap();
    recreate(&store);
    assert_eq!(large.get(keyspace(2), b"old").unwrap().unwrap(), b"1");
    large.put(keyspace(2), b"old", b"2".to_vec());
    assert_eq!(large.get(keyspace(2), b"old").unwrap().unwrap(), b"2");
    assert!(matches!(run(large.spill()), Err(CommitError::UnknownKeyspace)));
    assert!(matches!(large.commit_blocking(), Err(CommitError::UnknownKeyspace)));
    assert_eq!(store.get(keyspace(2), b"old").unwrap(), None);
}

/// What was rolled back of the old one does not count. What came later was looked for in the old one, and
/// not found: a transaction that did so and wrote what it had read lost its own write, and committed.
#[test]
fn a_keyspace_that_is_made_anew_takes_what_follows_a_rollback() {
    let (_disk, store) = store();
    let mut large = store.begin();
    let savepoint = run(large.savepoint()).unwrap();
    large.put(keyspace(2), b"old", b"1".to_vec());
    run(large.spill()).unwrap();
    run(large.roll_back_to(&savepoint)).unwrap();
    recreate(&store);
    large.put(keyspace(2), b"old", b"2".to_vec());
    run(large.spill()).unwrap();
    assert_eq!(large.get(keyspace(2), b"old").unwrap().unwrap(), b"2");
    large.commit_blocking().unwrap();
    assert_eq!(store.get(keyspace(2), b"old").unwrap().unwrap().value, b"2");
}

/// A spill that met a conflict after its first write counted that write as logged, though its frame
/// was never written: the transaction could not be ended, and a store that was checkpointed then
/// did not open again.
/// What was written before the keyspace went was put back, as uncommitted, when the transaction was taken
/// back: nothing ever took it away, and each checkpoint wrote its page.
#[test]
fn what_is_taken_back_of_a_keyspace_that_went_away_leaves_nothing() {
    for restart in [false, true] {
        let (disk, store) = store();
        let mut txn = store.begin();
        txn.put(keyspace(2), b"old", b"once".to_vec());
        run(txn.spill()).unwrap();
        txn.put(keyspace(2), b"old", b"twice".to_vec());
        run(txn.spill()).unwrap();
        let mut drops = store.begin();
        drops.drop_keyspace(keyspace(2));
        drops.commit_blocking().unwrap();
        let store = if restart {
            // Undone at the first restart, repeated at the second.
            let crashed = disk.crash();
            drop(open_on(&crashed, options()));
            open_on(&crashed.crash(), options())
        } else {
            drop(txn);
            store
        };
        store.checkpoint().unwrap();
        assert_eq!(store.stats().pages_uncommitted, 0, "restart: {restart}");
    }
}

#[test]
fn a_spill_that_is_refused_half_way_leaves_nothing_behind() {
    let (disk, store) = store();
    let mut holder = store.begin();
    holder.put(keyspace(2), b"old", b"held".to_vec());
    run(holder.spill()).unwrap();
    let before = contents(&store);
    // Two frames and more go out before the conflict is met.
    let mut large = store.begin();
    for i in 0..200u32 {
        large.put(keyspace(2), format!("a-{i}").as_bytes(), vec![b'v'; 500]);
    }
    large.put(keyspace(2), b"old", b"mine".to_vec());
    assert!(matches!(run(large.spill()), Err(CommitError::Conflict)));
    drop(large);
    let mut other = store.begin();
    for i in 0..200u32 {
        other.put(keyspace(2), format!("a-{i}").as_bytes(), b"theirs".to_vec());
        other.delete(keyspace(2), format!("a-{i}").as_bytes());
    }
    other.commit_blocking().unwrap();
    store.checkpoint().unwrap();
    check(&store, &[&before], "refused");
    let image = disk.crash();
    drop(holder);
    let store = open_on(&image, options());
    assert_eq!(store.stats().recovery.undone, 1, "the holder alone");
    check(&store, &[&before], "after the restart");
}

/// A transaction whose first spill was cancelled did not know its name, and held its keys for good;
/// and it committed, without what it had lost.
#[test]
fn a_cancelled_spill_is_taken_back_with_its_transaction() {
    use std::task::{Context, Waker};
    let (_disk, store) = store();
    for commits in [false, true] {
        let before = contents(&store);
        let mut large = store.begin();
        loop {
            large.put(keyspace(2), b"old", b"mine".to_vec());
            let mut spill = Box::pin(large.spill());
            if spill.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                break;
            }
            // The committer was faster: that spill was not cancelled. Another transaction, then.
            drop(spill);
            large = store.begin();
        }
        if commits {
            assert!(matches!(large.commit_blocking(), Err(CommitError::Conflict)));
        } else {
            drop(large);
        }
        check(&store, &[&before], "cancelled");
        let mut other = store.begin();
        other.put(keyspace(2), b"old", b"theirs".to_vec());
        other.commit_blocking().unwrap();
    }
}

/// A rollback needs room in the log. Without it the keys stayed held until the next restart.
#[test]
fn a_rollback_on_a_full_disk_is_made_when_there_is_room() {
    let (disk, store) = store();
    let mut large = store.begin();
    put_many(&mut large, 0, 20);
    run(large.spill()).unwrap();
    disk.set_capacity(Some(disk.used()));
    let mut i = 0u32;
    loop {
        let mut filler = store.begin();
        filler.put(keyspace(2), format!("filler-{i}").as_bytes(), vec![b'f'; 3000]);
        match filler.commit_blocking() {
            Ok(_) => i += 1,
            Err(CommitError::NoSpace) => break,
            Err(e) => panic!("{e}"),
        }
    }
    drop(large);
    let mut other = store.begin();
    put_many(&mut other, 0, 1);
    assert!(other.commit_blocking().is_err(), "there is no room");
    disk.set_capacity(None);
    let mut other = store.begin();
    put_many(&mut other, 0, 20);
    other.commit_blocking().unwrap();
    let model = contents(&store);
    drop(store);
    check(&open_on(&disk.crash(), options()), &[&model], "after the restart");
}

/// A deletion of what is not there holds its key, also after a second one was rolled back: found by
/// random workloads, in which another transaction then wrote the key, and the deletion was lost.
#[test]
fn a_deletion_that_is_rolled_back_to_holds_its_key() {
    let (disk, store) = store();
    let mut large = store.begin();
    large.delete(keyspace(2), b"absent");
    let savepoint = run(large.savepoint()).unwrap();
    large.delete(keyspace(2), b"absent");
    run(large.spill()).unwrap();
    run(large.roll_back_to(&savepoint)).unwrap();
    let put = |store: &Store| {
        let mut other = store.begin();
        other.put(keyspace(2), b"absent", b"written".to_vec());
        other.commit_blocking()
    };
    assert!(matches!(put(&store), Err(CommitError::Conflict)));
    large.commit_blocking().unwrap();
    put(&store).unwrap();
    let mut dropped = store.begin();
    dropped.delete(keyspace(2), b"absent");
    run(dropped.spill()).unwrap();
    dropped.delete(keyspace(2), b"absent");
    run(dropped.spill()).unwrap();
    drop(dropped);
    put(&store).unwrap();
    drop(store);
    let store = open_on(&disk, options());
    assert_eq!(store.get(keyspace(2), b"absent").unwrap().unwrap().value, b"written");
}
