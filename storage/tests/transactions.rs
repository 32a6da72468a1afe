//! Transactions through the public interface, on a real disk.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::thread;

use strongroom_storage::{Class, CommitError, KeyspaceId, OpenError, Options, Store};
use strongroom_wal::disk::DurableMethod;

const KS: KeyspaceId = KeyspaceId([1; 16]);
const OTHER: KeyspaceId = KeyspaceId([2; 16]);

fn options() -> Options {
    Options { segment_size: 1 << 20, ..Options::default() }
}

fn store(dir: &tempfile::TempDir) -> Store {
    let store = Store::open(dir.path(), options()).unwrap();
    if store.keyspaces().is_empty() {
        let mut txn = store.begin();
        txn.create_keyspace(KS, Class::Replicated);
        txn.create_keyspace(OTHER, Class::Local);
        txn.commit_blocking().unwrap();
    }
    store
}

fn put(store: &Store, key: &str, value: &str) {
    let mut txn = store.begin();
    txn.put(KS, key.as_bytes(), value.as_bytes().to_vec());
    txn.commit_blocking().unwrap();
}

fn get(store: &Store, ks: KeyspaceId, key: &str) -> Option<String> {
    store.get(ks, key.as_bytes()).unwrap().map(|e| String::from_utf8(e.value).unwrap())
}

#[test]
fn what_was_committed_is_there_after_a_clean_stop_and_after_a_dropped_store() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(&dir);
    put(&first, "a", "1");
    put(&first, "dir/b", "2");
    let roots = (first.root(Class::Replicated), first.root(Class::Local));
    first.close().unwrap();
    drop(first);
    let second = store(&dir);
    assert_eq!(second.stats().recovery.redone, 0, "a clean stop leaves nothing to repeat");
    assert_eq!((second.root(Class::Replicated), second.root(Class::Local)), roots);
    put(&second, "c", "3");
    let root = second.root(Class::Replicated);
    drop(second);
    let third = store(&dir);
    assert_eq!(third.stats().recovery.redone, 1);
    assert_eq!(third.root(Class::Replicated), root);
    for (key, value) in [("a", "1"), ("dir/b", "2"), ("c", "3")] {
        assert_eq!(get(&third, KS, key).as_deref(), Some(value));
    }
    assert_eq!(third.list(KS, b"", None, 10), [&b"a"[..], b"c", b"dir/"]);
}

#[test]
fn a_transaction_spans_keyspaces_and_sees_its_own_writes() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let mut txn = store.begin();
    txn.put(KS, b"x", b"1".to_vec());
    txn.put(OTHER, b"y", b"2".to_vec());
    assert_eq!(txn.get(KS, b"x").unwrap(), Some(b"1".to_vec()));
    assert_eq!(txn.list(KS, b"", None, 9), [b"x".to_vec()]);
    assert!(txn.writes_replicated());
    assert_eq!(get(&store, KS, "x"), None, "nothing is visible before the commit");
    let committed = txn.commit_blocking().unwrap();
    assert_eq!(store.position(), committed.lsn);
    assert_eq!(
        (get(&store, KS, "x"), get(&store, OTHER, "y")),
        (Some("1".into()), Some("2".into()))
    );
    let mut txn = store.begin();
    txn.delete(KS, b"x");
    txn.delete(KS, b"never there");
    txn.commit_blocking().unwrap();
    assert_eq!(get(&store, KS, "x"), None);
}

#[test]
fn a_transaction_whose_reads_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    put(&store, "k", "1");
    let mut reader = store.begin();
    reader.get(KS, b"k").unwrap();
    reader.put(KS, b"out", b"x".to_vec());
    put(&store, "k", "2");
    assert!(matches!(reader.commit_blocking(), Err(CommitError::Conflict)));
    // A key that was not there counts as read too, and so does a list.
    let mut absent = store.begin();
    assert_eq!(absent.get(KS, b"new").unwrap(), None);
    absent.put(KS, b"out", b"x".to_vec());
    let mut lister = store.begin();
    lister.list(KS, b"", None, 9);
    lister.put(KS, b"out", b"x".to_vec());
    let mut elsewhere = store.begin();
    elsewhere.list(OTHER, b"", None, 9);
    elsewhere.put(OTHER, b"out", b"x".to_vec());
    put(&store, "new", "1");
    assert!(matches!(absent.commit_blocking(), Err(CommitError::Conflict)));
    assert!(matches!(lister.commit_blocking(), Err(CommitError::Conflict)));
    elsewhere.commit_blocking().unwrap();
    // It read one consistent state all along.
    let mut snapshot = store.begin();
    snapshot.version(KS, b"k").unwrap();
    put(&store, "k", "3");
    assert_eq!(snapshot.get(KS, b"k").unwrap(), Some(b"2".to_vec()));
    snapshot.commit_blocking().unwrap();
}

#[test]
fn increments_from_many_threads_are_all_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(store(&dir));
    put(&store, "n", "0");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                for _ in 0..25 {
                    loop {
                        let mut txn = store.begin();
                        let n = txn.get(KS, b"n").unwrap().unwrap();
                        let n: u32 = String::from_utf8(n).unwrap().parse().unwrap();
                        txn.put(KS, b"n", (n + 1).to_string().into_bytes());
                        match txn.commit_blocking() {
                            Ok(_) => break,
                            Err(CommitError::Conflict) => {}
                            Err(e) => panic!("{e}"),
                        }
                    }
                }
            })
        })
        .collect();
    for t in threads {
        t.join().unwrap();
    }
    assert_eq!(get(&store, KS, "n").as_deref(), Some("200"));
}

#[test]
fn keyspaces_come_and_go_with_all_their_entries() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(&dir);
    put(&first, "a", "1");
    let mut txn = first.begin();
    txn.drop_keyspace(KS);
    txn.create_keyspace(KS, Class::Replicated);
    txn.put(KS, b"b", b"2".to_vec());
    txn.commit_blocking().unwrap();
    assert_eq!((get(&first, KS, "a"), get(&first, KS, "b")), (None, Some("2".into())));
    let mut txn = first.begin();
    txn.drop_keyspace(OTHER);
    txn.commit_blocking().unwrap();
    let mut txn = first.begin();
    txn.put(OTHER, b"x", vec![]);
    assert!(matches!(txn.commit_blocking(), Err(CommitError::UnknownKeyspace)));
    let mut txn = first.begin();
    txn.create_keyspace(KS, Class::Local);
    assert!(matches!(txn.commit_blocking(), Err(CommitError::UnknownKeyspace)));
    drop(first);
    let second = Store::open(dir.path(), options()).unwrap();
    assert_eq!(second.keyspaces(), [(KS, Class::Replicated)]);
    assert_eq!((get(&second, KS, "a"), get(&second, KS, "b")), (None, Some("2".into())));
}

#[test]
fn a_folder_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(&dir);
    assert!(matches!(Store::open(dir.path(), options()), Err(OpenError::InUse)));
    first.close().unwrap();
    Store::open(dir.path(), options()).unwrap();
}

#[test]
fn a_foreign_folder_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(Store::open(dir.path(), options()), Err(OpenError::Damaged { .. })));
    assert!(dir.path().join("thesis.txt").exists());
}

#[test]
fn a_closed_store_answers_closed_and_still_reads() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    put(&store, "a", "1");
    store.close().unwrap();
    let mut txn = store.begin();
    txn.put(KS, b"b", vec![1]);
    assert!(matches!(txn.commit_blocking(), Err(CommitError::Closed)));
    assert_eq!(get(&store, KS, "a").as_deref(), Some("1"));
}

#[test]
fn large_values_and_many_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let opts = Options { checkpoint_every: 1 << 20, retention_bytes: 1 << 20, ..options() };
    let store = Store::open(dir.path(), opts).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(KS, Class::Replicated);
    txn.commit_blocking().unwrap();
    let value = |i: u32| vec![u8::try_from(i % 251).unwrap(); 20_000];
    for i in 0..400u32 {
        let mut txn = store.begin();
        txn.put(KS, format!("k{:03}", i % 40).as_bytes(), value(i));
        txn.commit_blocking().unwrap();
    }
    let mut txn = store.begin();
    txn.put(KS, b"huge", vec![0; 2 << 20]);
    assert!(matches!(txn.commit_blocking(), Err(CommitError::TooLarge(_))));
    store.checkpoint().unwrap();
    assert!(store.stats().checkpoints >= 3, "{:?}", store.stats());
    let on_disk: u64 =
        std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(on_disk < 6 << 20, "dead log segments are given back: {on_disk} bytes");
    let root = store.root(Class::Replicated);
    drop(store);
    let store = Store::open(dir.path(), opts).unwrap();
    assert_eq!(store.root(Class::Replicated), root);
    for i in 360..400u32 {
        let got = store.get(KS, format!("k{:03}", i % 40).as_bytes()).unwrap().unwrap();
        assert_eq!(got.value, value(i));
    }
}

#[test]
fn a_look_at_a_stopped_store_finds_what_a_restart_would_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = store(&dir);
    put(&first, "a", "1");
    first.checkpoint().unwrap();
    put(&first, "b", "2");
    let root = first.root(Class::Replicated);
    assert!(matches!(strongroom_storage::look(dir.path()), Err(OpenError::InUse)));
    drop(first);
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|f| f.unwrap().path())
            .map(|p| (p.clone(), std::fs::read(p).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let look = strongroom_storage::look(dir.path()).unwrap();
    assert_eq!(look.snapshot.root(Class::Replicated), root);
    assert_eq!(look.snapshot.get(KS, b"b").unwrap(), Some(b"2".to_vec()));
    assert_eq!((look.losers, look.recovery.redone), (0, 1));
    assert!(look.recovery.roots_checked > 0);
    assert!(before == files(), "a look changed a file");
}

#[test]
fn a_sighting_stands_until_its_entry_is_written_or_its_keyspace_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    put(&store, "a", "1");
    let mut first = store.begin();
    let (mut there, mut none) = (first.sight(KS, b"a").unwrap(), first.sight(KS, b"b").unwrap());
    assert_eq!((there.version().is_some(), none.version()), (true, None));
    let mut stand = |want: (bool, bool)| {
        let mut txn = store.begin();
        assert_eq!((txn.still(&mut there).unwrap(), txn.still(&mut none).unwrap()), want);
    };
    stand((true, true));
    put(&store, "c", "x");
    stand((true, true));
    put(&store, "b", "1");
    stand((true, false));
    put(&store, "a", "1");
    stand((false, false));
    let mut again = store.begin().sight(KS, b"a").unwrap();
    let mut drops = store.begin();
    drops.drop_keyspace(KS);
    drops.create_keyspace(KS, Class::Replicated);
    drops.commit_blocking().unwrap();
    let mut gone = store.begin();
    assert!(!gone.still(&mut again).unwrap());
    // What a transaction read before a mark, or lists, is not in what came after it.
    let mark = gone.read_mark();
    assert!(gone.still(&mut none).unwrap());
    assert_eq!(gone.sighted_since(mark).unwrap().len(), 1);
    gone.list(KS, b"", None, 1);
    assert!(gone.sighted_since(mark).is_none());
}

/// A conflict with a frame in flight was told at once: whoever tried again read the same as before, met
/// the same conflict, and a server gave up after its 128 tries before the frame had landed.
#[test]
fn after_a_conflict_there_is_something_new_to_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    put(&store, "n", "0");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut made = 0;
                let mut conflicted = None;
                while made < 100 {
                    let mut txn = store.begin();
                    let read = String::from_utf8(txn.get(KS, b"n").unwrap().unwrap()).unwrap();
                    assert_ne!(conflicted.as_ref(), Some(&read), "the same is read again");
                    let next: u64 = read.parse::<u64>().unwrap() + 1;
                    txn.put(KS, b"n", next.to_string().into_bytes());
                    match txn.commit_blocking() {
                        Ok(_) => (made, conflicted) = (made + 1, None),
                        Err(CommitError::Conflict) => conflicted = Some(read),
                        Err(e) => panic!("{e}"),
                    }
                }
            });
        }
    });
    assert_eq!(get(&store, KS, "n").as_deref(), Some("400"));
}

/// The log could be kept from io_uring, and told how it is written, in the wal crate alone: no setting of
/// the store reached it.
#[test]
fn the_log_is_written_by_plain_calls_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for _made_then_opened in 0..2 {
        let store = Store::open(dir.path(), Options { io_uring: false, ..options() }).unwrap();
        let report = store.durable_report().unwrap();
        assert_ne!(report.method, DurableMethod::Uring);
        assert!(report.timings.iter().all(|(method, _)| *method != DurableMethod::Uring));
        assert!(report.timings.iter().any(|(method, _)| *method == report.method));
        let mut txn = store.begin();
        if store.keyspaces().is_empty() {
            txn.create_keyspace(KeyspaceId([7; 16]), Class::Replicated);
        }
        txn.put(KeyspaceId([7; 16]), b"key", b"value".to_vec());
        txn.commit_blocking().unwrap();
        store.close().unwrap();
    }
}
