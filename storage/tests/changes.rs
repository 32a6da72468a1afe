//! The change stream and what it must never do: skip, repeat, or show what is not replicated.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use strongroom_aries::{After, Before, Record, TxnId, Update};
use strongroom_storage::{
    ChangeOp, ChangeReader, ChangesError, Class, KeyspaceId, Lsn, Options, Store, Txn,
};
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, LogOptions, OpenHint};

const SHARED: KeyspaceId = KeyspaceId([1; 16]);
const LOCAL: KeyspaceId = KeyspaceId([2; 16]);

fn open(dir: &tempfile::TempDir, retention_bytes: u64) -> Store {
    let options = Options {
        segment_size: 64 << 10,
        retention_bytes,
        checkpoint_every: u64::MAX,
        compact_after: None,
        ..Options::default()
    };
    Store::open(dir.path(), options).unwrap()
}

fn create(store: &Store) {
    let mut txn = store.begin();
    txn.create_keyspace(SHARED, Class::Replicated);
    txn.create_keyspace(LOCAL, Class::Local);
    txn.commit_blocking().unwrap();
}

fn put(store: &Store, ks: KeyspaceId, key: &str, value: &[u8]) {
    let mut txn = store.begin();
    txn.put(ks, key.as_bytes(), value.to_vec());
    txn.commit_blocking().unwrap();
}

/// Writes 8 kB again and again.
fn put_times(store: &Store, ks: KeyspaceId, times: u8) {
    for i in 0..times {
        put(store, ks, "k", &[i; 8000]);
    }
}

/// A transaction that logged `large` and has yet to commit, and where the log stands after so many
/// others.
fn logged_early(store: &Store, others: KeyspaceId, times: u8) -> (Txn, Lsn) {
    let mut large = store.begin();
    large.put(SHARED, b"large", b"early".to_vec());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(large.spill()).unwrap();
    put_times(store, others, times);
    (large, store.position())
}

/// Reads until the reader is level; answers the operations, and checks each promised root.
fn drain(reader: &mut ChangeReader) -> Vec<ChangeOp> {
    let mut ops = Vec::new();
    while let Some(change) = reader.next().unwrap() {
        assert!(change.start < change.end);
        assert_eq!(change.end, reader.position());
        ops.extend(change.ops);
    }
    ops
}

fn put_op(key: &str, value: &[u8]) -> ChangeOp {
    ChangeOp::Put { keyspace: SHARED, key: key.as_bytes().to_vec(), value: value.to_vec() }
}

#[test]
fn a_reader_sees_replicated_changes_in_order_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, u64::MAX);
    let start = store.position();
    create(&store);
    put(&store, SHARED, "a", b"1");
    put(&store, LOCAL, "secret of this cluster", b"x");
    let middle = store.position();
    let mut reader = store.changes(start).unwrap();
    let created = ChangeOp::CreateKeyspace { id: SHARED, class: Class::Replicated };
    assert_eq!(drain(&mut reader), [created.clone(), put_op("a", b"1")]);
    let mut txn = store.begin();
    txn.delete(SHARED, b"a");
    txn.put(SHARED, b"b", b"2".to_vec());
    txn.commit_blocking().unwrap();
    let deleted = ChangeOp::Delete { keyspace: SHARED, key: b"a".to_vec() };
    assert_eq!(drain(&mut reader), [deleted.clone(), put_op("b", b"2")]);
    store.close().unwrap();
    drop((reader, store));
    let store = open(&dir, u64::MAX);
    let mut txn = store.begin();
    txn.drop_keyspace(SHARED);
    txn.commit_blocking().unwrap();
    // The log still speaks of a keyspace that is gone.
    let gone = ChangeOp::DropKeyspace { id: SHARED };
    let ops = drain(&mut store.changes(middle).unwrap());
    assert_eq!(ops, [deleted, put_op("b", b"2"), gone]);
    assert!(matches!(store.changes(Lsn(1 << 40)), Err(ChangesError::Ahead { .. })));
}

#[test]
fn roots_in_the_stream_are_those_the_store_had() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, u64::MAX);
    create(&store);
    let mut had = vec![(store.position(), store.root(Class::Replicated))];
    let mut reader = store.changes(store.position()).unwrap();
    for i in 0..20u8 {
        put(&store, if i % 3 == 0 { LOCAL } else { SHARED }, "k", &[i]);
        had.push((store.position(), store.root(Class::Replicated)));
    }
    let mut promised = Vec::new();
    while let Some(change) = reader.next().unwrap() {
        promised.push(change.mark.unwrap());
    }
    assert_eq!(promised, had[..20]);
}

#[test]
fn a_reader_past_the_bound_is_told_so_unless_a_snapshot_holds_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, 100 << 10);
    create(&store);
    let early = store.position();
    let snapshot = store.snapshot();
    for i in 0..40u8 {
        put(&store, SHARED, "k", &[i; 8000]);
    }
    store.checkpoint().unwrap();
    let mut held = store.changes(snapshot.lsn()).unwrap();
    assert_eq!(drain(&mut held).len(), 40);
    assert_eq!(snapshot.get(SHARED, b"k").unwrap(), None);
    drop(snapshot);
    // The last checkpoint's state is still in memory, so a bound of the log is what counts.
    store.checkpoint().unwrap();
    assert!(matches!(store.changes(early), Err(ChangesError::Behind { .. })));
    assert_eq!(store.get(SHARED, b"k").unwrap().unwrap().value, [39; 8000]);
    store.changes(store.position()).unwrap();
}

/// A transaction that spans frames and never commits: written by hand, as a store would that lets
/// pages be stolen. Restart repeats it, takes it back, and another restart finds it ended.
#[test]
fn a_loser_in_the_log_is_undone_once_and_never_shipped() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, u64::MAX);
    create(&store);
    put(&store, SHARED, "kept", b"old");
    let start = store.position();
    let root = store.root(Class::Replicated);
    let entry = store.snapshot().index(SHARED).next().unwrap().unwrap();
    store.close().unwrap();
    drop(store);

    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir.path()).unwrap());
    let options = LogOptions { segment_size: 64 << 10, ..LogOptions::default() };
    let (mut log, _) = Log::open(disk, options, OpenHint::default()).unwrap();
    let mut frame = log.begin_frame(4096).unwrap();
    let first = frame.record_lsn();
    let before = Before::Present {
        at: entry.position.0,
        len: entry.value_len,
        version: entry.version.0,
        digest: entry.digest.0,
    };
    let updates = [(&b"kept"[..], before, 0), (b"new", Before::Absent, first.0)];
    for (key, before, prev) in updates {
        let txn = Some((TxnId(first.0), prev));
        let mut bytes = Vec::new();
        let after = After::Value(b"never committed");
        Record::Update(Update { txn, keyspace: 1, key, after, before }).encode(&mut bytes);
        frame.push(&bytes).unwrap();
    }
    log.append(frame).unwrap();
    log.close().unwrap();

    for undone in [1, 0] {
        let store = open(&dir, u64::MAX);
        assert_eq!(store.stats().recovery.undone, undone);
        assert_eq!(store.root(Class::Replicated), root);
        assert_eq!(store.get(SHARED, b"kept").unwrap().unwrap().value, b"old");
        assert_eq!(store.get(SHARED, b"new").unwrap(), None);
        assert_eq!(drain(&mut store.changes(start).unwrap()), []);
        drop(store);
    }
}

/// A frame that could not be read was passed over by the next call, or the reader stood still as if
/// there were no more.
#[test]
fn a_reader_that_met_an_error_goes_on_where_it_stands() {
    let disk = SimDisk::new(1);
    let options = Options {
        segment_size: 64 << 10,
        checkpoint_every: u64::MAX,
        compact_after: None,
        ..Options::default()
    };
    let on: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = Store::open_on(&on, options).unwrap();
    create(&store);
    let (large, from) = logged_early(&store, LOCAL, 10);
    put(&store, SHARED, "a", b"1");
    large.commit_blocking().unwrap();
    put(&store, SHARED, "b", b"2");
    let expected = [put_op("a", b"1"), put_op("large", b"early"), put_op("b", b"2")];
    for call in 0.. {
        let mut reader = store.changes(from).unwrap();
        disk.fail_after(call, std::io::ErrorKind::Other, false);
        let (mut ops, mut failed) = (Vec::new(), 0);
        loop {
            match reader.next() {
                Ok(Some(change)) => ops.extend(change.ops),
                Ok(None) => break,
                Err(ChangesError::Read { .. }) => failed += 1,
                Err(e) => panic!("call {call}: {e}"),
            }
        }
        disk.heal();
        assert_eq!(ops, expected, "call {call}");
        if failed == 0 {
            assert!(call > 10, "only {call} calls were made to fail");
            break;
        }
    }
}

/// What a transaction logged before it committed lies far before its commit, and dies when it is
/// overwritten: a stream that has the commit before it needs it all the same. Commits from before the
/// store was opened were forgotten, and the stream was told that it was behind.
#[test]
fn a_large_transaction_from_before_the_opening_is_streamed() {
    for checkpoint_before in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let retention = 100 << 10;
        let store = open(&dir, retention);
        create(&store);
        let (large, from) = logged_early(&store, SHARED, 40);
        large.commit_blocking().unwrap();
        if checkpoint_before {
            store.checkpoint().unwrap();
        }
        drop(store);

        let store = open(&dir, retention);
        put(&store, SHARED, "large", b"late");
        for _ in 0..3 {
            store.checkpoint().unwrap();
        }
        let ops = drain(&mut store.changes(from).unwrap());
        assert_eq!(ops, [put_op("large", b"early"), put_op("large", b"late")]);
        // Once the stream's bound is past the commit, nothing keeps it.
        let segments = store.stats().log_segments;
        put_times(&store, SHARED, 40);
        for _ in 0..3 {
            store.checkpoint().unwrap();
        }
        assert!(store.stats().log_segments < segments, "{segments}");
        assert!(matches!(store.changes(from), Err(ChangesError::Behind { .. })));
    }
}
