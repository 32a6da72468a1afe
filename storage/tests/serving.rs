//! A store that answers reads before its recovery is over: what it says has to be what it says
//! afterwards.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use strongroom_storage::{Class, CommitError, KeyspaceId, OpenError, Options, Store};

const KS: KeyspaceId = KeyspaceId([2; 16]);

fn options() -> Options {
    Options {
        segment_size: 1 << 20,
        checkpoint_every: u64::MAX,
        compact_after: None,
        ..Options::default()
    }
}

fn put(store: &Store, from: u32, to: u32, value: &str) {
    let mut txn = store.begin();
    for i in from..to {
        txn.put(KS, format!("key-{i}").as_bytes(), format!("{value} {i}").into_bytes());
    }
    txn.commit_blocking().unwrap();
}

/// Keys that the checkpoint has, that the log overwrote, deleted and added since.
fn prepared(dir: &Path) {
    let store = Store::open(dir, options()).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(KS, Class::Replicated);
    txn.commit_blocking().unwrap();
    put(&store, 0, 3000, "old");
    store.checkpoint().unwrap();
    put(&store, 1000, 2000, "new");
    put(&store, 3000, 3500, "added");
    let mut txn = store.begin();
    txn.delete(KS, b"key-7");
    txn.commit_blocking().unwrap();
}

fn expected(i: u32) -> Option<Vec<u8>> {
    let value = match i {
        7 => return None,
        1000..2000 => "new",
        3000..3500 => "added",
        0..3000 => "old",
        _ => return None,
    };
    Some(format!("{value} {i}").into_bytes())
}

#[test]
fn reads_say_the_same_before_and_after_the_recovery() {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path());
    let store = Store::open_serving(dir.path(), options()).unwrap();
    for _ in 0..2 {
        for i in (0..3600).step_by(7) {
            let found = store.get(KS, format!("key-{i}").as_bytes()).unwrap();
            assert_eq!(found.map(|entry| entry.value), expected(i), "key-{i}");
        }
        let mut names: Vec<_> = (0..3500).filter(|i| *i != 7).map(|i| format!("key-{i}")).collect();
        names.sort();
        assert!(
            store.scan(KS, b"", None, usize::MAX).iter().eq(names.iter().map(String::as_bytes))
        );
        assert_eq!(store.list(KS, b"key-349", None, 9).len(), 9);
        assert_eq!(store.scan(KeyspaceId([3; 16]), b"", None, 9), Vec::<Vec<u8>>::new());
        store.wait_recovered().unwrap();
    }
    assert_eq!(store.scan(KS, b"", None, usize::MAX).len(), 3499);
    assert!(store.stats().recovery.roots_checked > 0);
    put(&store, 0, 1, "later");
    assert_eq!(store.get(KS, b"key-0").unwrap().unwrap().value, b"later 0");
    assert_eq!(store.get(KS, b"key-7").unwrap(), None);
}

/// A key that the log speaks of often is worth what is said last.
#[test]
fn the_last_of_many_segments_counts() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_size: 64 << 10, ..options() };
    let store = Store::open(dir.path(), options).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(KS, Class::Replicated);
    txn.commit_blocking().unwrap();
    put(&store, 0, 1000, "old");
    store.checkpoint().unwrap();
    for round in 0..20u32 {
        put(&store, 0, 1000, &format!("round {round}"));
        let mut txn = store.begin();
        // Each round takes what the one before left.
        txn.delete(KS, format!("key-{round}").as_bytes());
        txn.commit_blocking().unwrap();
    }
    assert!(store.stats().log_segments > 10);
    drop(store);
    let store = Store::open_serving(dir.path(), options).unwrap();
    for _ in 0..2 {
        for i in 0..1000 {
            let found = store.get(KS, format!("key-{i}").as_bytes()).unwrap();
            let want = (i != 19).then(|| format!("round 19 {i}").into_bytes());
            assert_eq!(found.map(|entry| entry.value), want, "key-{i}");
        }
        assert_eq!(store.scan(KS, b"", None, usize::MAX).len(), 999);
        store.wait_recovered().unwrap();
    }
}

#[test]
fn a_write_waits_for_the_recovery_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path());
    let store = Store::open_serving(dir.path(), options()).unwrap();
    put(&store, 0, 10, "first");
    drop(store);
    let store = Store::open(dir.path(), options()).unwrap();
    assert_eq!(store.get(KS, b"key-7").unwrap().unwrap().value, b"first 7");
    assert_eq!(store.get(KS, b"key-11").unwrap().unwrap().value, b"old 11");
}

#[test]
fn a_log_of_more_than_plain_updates_is_recovered_first() {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path());
    let store = Store::open(dir.path(), options()).unwrap();
    let mut txn = store.begin();
    txn.drop_keyspace(KS);
    txn.create_keyspace(KS, Class::Replicated);
    txn.put(KS, b"key-1", b"anew".to_vec());
    txn.commit_blocking().unwrap();
    drop(store);
    let store = Store::open_serving(dir.path(), options()).unwrap();
    assert_eq!(store.get(KS, b"key-2").unwrap(), None);
    assert_eq!(store.get(KS, b"key-1").unwrap().unwrap().value, b"anew");
}

/// A page that rots, or a block of names, is no reason to serve what the log says and commit on top of
/// it, nor to let anybody wait for ever.
#[test]
fn a_recovery_that_fails_is_told_and_nothing_is_committed() {
    for magic in [b"SRPG", b"SRNB"] {
        fails_to_recover(magic);
    }
}

fn fails_to_recover(magic: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path());
    let pages = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("pages-"))
        .unwrap();
    let mut bytes = std::fs::read(&pages).unwrap();
    let at = bytes.windows(4).position(|window| window == magic).unwrap();
    bytes[at + 100] ^= 1;
    std::fs::write(&pages, bytes).unwrap();
    let store = Store::open_serving(dir.path(), options()).unwrap();
    assert!(store.scan(KS, b"", None, usize::MAX).len() <= 3499);
    assert!(matches!(store.wait_recovered(), Err(OpenError::Damaged { .. })));
    assert!(matches!(store.wait_recovered(), Err(OpenError::Failed(_))));
    assert!(store.health().is_err());
    let mut txn = store.begin();
    txn.put(KS, b"key-1", b"on sand".to_vec());
    assert!(matches!(txn.commit_blocking(), Err(CommitError::Closed | CommitError::Failed(_))));
    drop(store);
    assert!(Store::open(dir.path(), options()).is_err());
}
