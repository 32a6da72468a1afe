//! The rows of the ARIES checklist that no other suite is about, by their numbers in
//! `docs/recovery.md`. `tools/aries-mutants` breaks each row and expects its test to fail.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use strongroom_aries::{Record, TxnId};
use strongroom_storage::{Class, Store, Txn};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Log, LogOptions, OpenHint};
use support::{check, contents, four_pages, keyspace, open, open_with, options};

fn store() -> (SimDisk, Store) {
    let disk = SimDisk::new(11);
    let store = open(&disk).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.put(keyspace(2), b"old", b"committed".to_vec());
    txn.commit_blocking().unwrap();
    (disk, store)
}

fn spill(txn: &mut Txn) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(txn.spill()).unwrap();
}

fn put_many(txn: &mut Txn, name: &str, n: u32) {
    for i in 0..n {
        txn.put(keyspace(2), format!("{name}-{i}").as_bytes(), vec![b'v'; 200]);
    }
}

fn commit_many(store: &Store, name: &str, n: u32) {
    let mut txn = store.begin();
    put_many(&mut txn, name, n);
    txn.commit_blocking().unwrap();
}

/// Every record of the log as it is found after a crash.
fn records(disk: &SimDisk) -> Vec<(u64, Vec<u8>)> {
    let disk: Arc<dyn Disk> = Arc::new(disk.crash());
    let log_options = LogOptions { segment_size: 64 << 10, ..LogOptions::default() };
    let (log, _) = Log::open(disk, log_options, OpenHint::default()).unwrap();
    let frames: Vec<_> = log.reader().frames(log.oldest()).map(Result::unwrap).collect();
    let of = |frame: &strongroom_wal::Frame| {
        frame.records().map(|(lsn, bytes)| (lsn.0, bytes.to_vec())).collect::<Vec<_>>()
    };
    frames.iter().flat_map(of).collect()
}

/// No-force: what a commit makes durable is the log. Steal: see `uncommitted_pages_go_to_disk`.
#[test]
fn row_02_a_commit_writes_no_page() {
    let (_disk, store) = store();
    let before = store.stats();
    commit_many(&store, "a", 300);
    let after = store.stats();
    assert_eq!(after.page_bytes, before.page_bytes);
    assert!(after.log_bytes > before.log_bytes);
}

/// Each update names the last update before it that is not undone; each compensation names the next
/// one to undo.
#[test]
fn row_04_the_chains_of_all_transactions_hold() {
    let (disk, store) = store();
    let mut a = store.begin();
    let mut b = store.begin();
    for round in 0..4 {
        put_many(&mut a, &format!("a-{round}"), 30);
        spill(&mut a);
        put_many(&mut b, &format!("b-{round}"), 3);
        spill(&mut b);
    }
    drop(a);
    b.commit_blocking().unwrap();
    store.checkpoint().unwrap();
    let mut standing: BTreeMap<TxnId, Vec<u64>> = BTreeMap::new();
    let (mut updates, mut compensations) = (0, 0);
    for (lsn, bytes) in records(&disk) {
        match Record::decode(&bytes).unwrap() {
            Record::Update(u) => {
                let Some((txn, previous)) = u.txn else { continue };
                let chain = standing.entry(txn).or_default();
                assert_eq!(chain.last().copied().unwrap_or_default(), previous);
                assert!(!chain.is_empty() || txn.0 == lsn, "named by its first record");
                chain.push(lsn);
                updates += 1;
            }
            Record::Compensation(c) => {
                let chain = standing.get_mut(&c.txn).unwrap();
                chain.pop().unwrap();
                assert_eq!(chain.last().copied().unwrap_or_default(), c.undo_next);
                compensations += 1;
            }
            _ => {}
        }
    }
    assert_eq!((updates, compensations), (4 * 33, 4 * 30));
}

/// A loser of which all was logged before the checkpoint is known from the table of the
/// checkpoint's end record alone.
#[test]
fn row_06_analysis_takes_in_the_table_of_the_checkpoint() {
    let (disk, store) = store();
    let before = contents(&store);
    let mut large = store.begin();
    put_many(&mut large, "large", 50);
    spill(&mut large);
    store.checkpoint().unwrap();
    let image = disk.crash();
    drop(large);
    let store = open(&image).unwrap();
    assert_eq!(store.stats().recovery.undone, 1);
    check(&store, &[&before], "after the restart");
    commit_many(&store, "large", 50);
}

/// What is not committed is repeated as well, filtered by the LSN of the page that it is in.
#[test]
fn row_07_history_is_repeated_for_winners_and_losers() {
    let (disk, store) = store();
    let (mut winner, mut loser) = (store.begin(), store.begin());
    for part in ["first", "second"] {
        put_many(&mut winner, &format!("winner-{part}"), 40);
        spill(&mut winner);
        put_many(&mut loser, &format!("loser-{part}"), 40);
        spill(&mut loser);
        if part == "first" {
            store.checkpoint().unwrap();
        }
    }
    winner.commit_blocking().unwrap();
    let after = contents(&store);
    let image = disk.crash();
    drop(loser);
    for options in [options(), four_pages()] {
        let store = open_with(&image.clone_image(), options).unwrap();
        let recovery = store.stats().recovery;
        assert_eq!((recovery.undone, recovery.redone), (1, 80), "{recovery:?}");
        check(&store, &[&after], "after the restart");
    }
}

/// Checkpoints wait for nobody: commits and an active transaction go on through them, and the
/// end record has that transaction.
#[test]
fn row_09_checkpoints_are_fuzzy() {
    let (disk, store) = store();
    let mut large = store.begin();
    put_many(&mut large, "large", 20);
    spill(&mut large);
    let done = std::sync::atomic::AtomicBool::new(false);
    let between = std::thread::scope(|scope| {
        let committer = scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                commit_many(&store, "busy", 20);
            }
        });
        // A hundred are more than enough for one of them to overlap with a commit.
        let overlaps = (0..100).any(|_| {
            store.checkpoint().unwrap();
            commits_inside_the_last_checkpoint(&disk) > 0
        });
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        committer.join().unwrap();
        overlaps
    });
    assert!(between, "no commit lies between a begin and its end record");
    let tables =
        records(&disk).into_iter().filter_map(|(_, b)| match Record::decode(&b).unwrap() {
            Record::CheckpointEnd(end) => Some(end.transactions.len()),
            _ => None,
        });
    assert!(tables.into_iter().all(|active| active == 1));
    large.commit_blocking().unwrap();
}

fn commits_inside_the_last_checkpoint(disk: &SimDisk) -> usize {
    let (mut inside, mut last) = (0, 0);
    for (_, bytes) in records(disk) {
        match Record::decode(&bytes).unwrap() {
            Record::CheckpointBegin => inside = 0,
            Record::Update(_) => inside += 1,
            Record::CheckpointEnd(_) => last = inside,
            _ => {}
        }
    }
    last
}

/// The shape of a tree is what its keys make it, and the two trees of a keyspace know nothing of
/// each other: pages that split on account of a loser need no undoing of their own, and a winner's
/// pages that split meanwhile stay split.
#[test]
fn row_11_pages_that_split_beside_a_loser_stay_split() {
    let (disk, store) = store();
    let mut loser = store.begin();
    put_many(&mut loser, "loser", 100);
    spill(&mut loser);
    commit_many(&store, "winner", 100);
    put_many(&mut loser, "more", 100);
    spill(&mut loser);
    store.checkpoint().unwrap();
    commit_many(&store, "later", 100);
    let after = contents(&store);
    let image = disk.crash();
    drop(loser);
    check(&store, &[&after], "rolled back");
    let store = open_with(&image, four_pages()).unwrap();
    check(&store, &[&after], "after the restart");
    commit_many(&store, "loser", 100);
}

/// Undo looks the entry up where it is by then, not where it was, and leaves nothing behind.
#[test]
fn row_12_undo_finds_an_entry_whose_page_has_moved() {
    let (disk, store) = store();
    let mut loser = store.begin();
    loser.put(keyspace(2), b"old", b"loser's".to_vec());
    loser.put(keyspace(2), b"new", b"loser's".to_vec());
    spill(&mut loser);
    commit_many(&store, "winner", 300);
    let after = contents(&store);
    let image = disk.crash();
    drop(loser);
    for store in [store, open(&image).unwrap()] {
        check(&store, &[&after], "undone");
        let mut other = store.begin();
        other.put(keyspace(2), b"old", b"theirs".to_vec());
        other.put(keyspace(2), b"new", b"theirs".to_vec());
        other.commit_blocking().unwrap();
    }
}

/// The log is never cut behind the first record of an active transaction, whatever else would let
/// it go.
#[test]
fn row_18_an_active_transaction_holds_the_log() {
    let (disk, store) = store();
    let mut large = store.begin();
    put_many(&mut large, "large", 20);
    spill(&mut large);
    let first = records(&disk).into_iter().find_map(|(lsn, b)| {
        matches!(Record::decode(&b).unwrap(), Record::Update(u) if u.txn.is_some()).then_some(lsn)
    });
    let first = first.unwrap();
    for _ in 0..8 {
        for _ in 0..8 {
            commit_many(&store, "busy", 60);
        }
        store.checkpoint().unwrap();
        let kept = records(&disk).into_iter().map(|(lsn, _)| lsn);
        assert!(kept.min().unwrap() <= first, "the log is cut behind an active transaction");
    }
    let after = contents(&store);
    let image = disk.crash();
    drop(large);
    store.checkpoint().unwrap();
    store.checkpoint().unwrap();
    assert!(store.stats().recycled_segments > 0, "nothing holds it any more");
    assert!(records(&disk)[0].0 > first);
    check(&store, &[&after], "rolled back");
    check(&open(&image).unwrap(), &[&after], "after a crash");
}

/// A row whose code has moved on cannot be broken, and nobody would know that its test still notices.
#[test]
fn every_row_can_still_be_broken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = std::fs::read_to_string(root.join("aries/mutants/table.tsv")).unwrap();
    let mut rows = BTreeSet::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (row, file, from) = (fields[0], fields[4], fields[5]);
        // Patterns are plain text, but for what perl wants to have escaped.
        let from = from.replace("\\n", "\n").replace('\\', "");
        let code = std::fs::read_to_string(root.join(file)).unwrap();
        assert_eq!(code.matches(&from).count(), 1, "row {row}: {from:?} in {file}");
        rows.insert(row.to_owned());
    }
    let all: BTreeSet<String> = (1..=12).chain(16..=19).map(|row| format!("{row:02}")).collect();
    assert_eq!(rows, all);
}
