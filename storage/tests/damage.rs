//! Damaged files are refused by name; nothing is served that failed a check.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;

use strongroom_aries::{Record, RootMark};
use strongroom_storage::{OpenError, ReadError, Store};
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, LogOptions, OpenHint};
use support::{Step, keyspace, options, run};

/// A stopped store: one checkpoint, and frames after it.
fn stopped() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options()).unwrap();
    run(&store, 0, &Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(10))])).unwrap();
    store.checkpoint().unwrap();
    run(&store, 1, &Step::Commit(vec![(2, 2, Some(500))])).unwrap();
    dir
}

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, options())
}

fn file_starting(dir: &Path, start: &str) -> std::path::PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with(start))
        .collect();
    found.sort();
    found.remove(0)
}

/// Reads everything; which file is damaged, if one is.
fn damaged(dir: &Path) -> Option<String> {
    let store = match open(dir) {
        Ok(store) => store,
        Err(OpenError::Damaged { file, .. }) => return Some(file),
        Err(e) => panic!("{e}"),
    };
    let snapshot = store.snapshot();
    let entries = snapshot
        .keyspaces()
        .into_iter()
        .flat_map(|(id, _)| snapshot.entries(id).map(|entry| entry.map(drop)).collect::<Vec<_>>());
    match entries.collect::<Result<Vec<()>, ReadError>>() {
        Ok(all) => {
            assert_eq!((all.len(), store.stats().pages_unreadable), (3, 0));
            None
        }
        Err(ReadError::Page { cause }) => {
            assert_eq!(store.stats().pages_unreadable, 1);
            cause.split_once(' ').map(|(file, _)| file.to_owned())
        }
        Err(e) => panic!("{e}"),
    }
}

/// What a restart needs is found when the store is opened, other pages when they are read.
#[test]
fn every_byte_of_the_master_record_and_of_the_pages_counts() {
    let dir = stopped();
    for start in ["MASTER", "pages-"] {
        let path = file_starting(dir.path(), start);
        let good = std::fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 0x20;
            std::fs::write(&path, &bad).unwrap();
            let file = damaged(dir.path()).unwrap_or_else(|| panic!("{start} byte {at}: not seen"));
            assert!(file.starts_with(start), "{start} byte {at}: {file}");
        }
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(open(dir.path()).is_err());
        std::fs::write(&path, &good).unwrap();
    }
    assert_eq!(damaged(dir.path()), None);
}

#[test]
fn a_lost_master_record_does_not_make_a_new_store_over_the_old_log() {
    let dir = stopped();
    std::fs::remove_file(file_starting(dir.path(), "pages-")).unwrap();
    std::fs::remove_file(dir.path().join("MASTER")).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Damaged { file, .. }) if file == "MASTER"));
}

/// All of it was removed, and a new store made, if the log did not open besides: because it is damaged, or
/// could not be read at the moment.
#[test]
fn a_lost_master_record_and_a_log_that_does_not_open_leave_the_log_alone() {
    let disk = SimDisk::new(1);
    let store = support::open(&disk).unwrap();
    for step in 0..3 {
        run(&store, step, &Step::Commit(vec![(2, 0, Some(5_000))])).unwrap();
    }
    drop(store);
    disk.remove("MASTER").unwrap();
    assert_eq!(disk.list().unwrap(), ["wal-0000000000000000.log"]);
    let bytes = |disk: &SimDisk| disk.contents("wal-0000000000000000.log");
    let refused = |disk: &SimDisk, context: &str| {
        let before = bytes(disk);
        assert!(support::open(disk).is_err(), "{context}");
        assert!(bytes(disk) == before, "{context}");
    };
    refused(&disk.clone_image(), "whole");
    for offset in (0..30_000).step_by(50) {
        let rotten = disk.clone_image();
        rotten.flip("wal-0000000000000000.log", offset, 1);
        refused(&rotten, &format!("rot at {offset}"));
    }
    for call in 0..30 {
        let failing = disk.clone_image();
        failing.fail_after(call, std::io::ErrorKind::Other, false);
        refused(&failing, &format!("call {call}"));
    }
}

#[test]
fn the_master_record_of_another_store_is_refused() {
    let (dir, other) = (stopped(), stopped());
    std::fs::copy(other.path().join("MASTER"), dir.path().join("MASTER")).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Damaged { file, .. }) if file == "MASTER"));
}

/// The stray file was taken for the log, and MASTER was said to be another log's.
#[test]
fn a_stray_log_segment_in_front_of_the_log_is_named() {
    let dir = stopped();
    let store = open(dir.path()).unwrap();
    let first = dir.path().join("wal-0000000000000000.log");
    for i in 2.. {
        run(&store, i, &Step::Commit(vec![(2, 0, Some(500)), (2, 2, Some(500))])).unwrap();
        store.checkpoint().unwrap();
        if !first.exists() {
            break;
        }
    }
    store.close().unwrap();
    drop(store);
    let other = stopped();
    std::fs::copy(file_starting(other.path(), "wal-"), &first).unwrap();
    let id = |dir: &Path| {
        let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir).unwrap());
        let id = strongroom_storage::store_log(&disk).unwrap().unwrap().id;
        id.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    };
    let (own, others) = (id(dir.path()), id(other.path()));
    let refused = [open(dir.path()).err(), strongroom_storage::look(dir.path()).err()];
    for why in refused.map(|refused| refused.unwrap().to_string()) {
        let told = why.starts_with("wal-0000000000000000.log is a file of log ");
        assert!(
            told && why.contains(&others) && why.contains(&format!("not of log {own}")),
            "{why}"
        );
        assert!(why.ends_with("move it out of the folder"), "{why}");
    }
    std::fs::remove_file(first).unwrap();
    open(dir.path()).unwrap();
}

fn log_of(dir: &Path) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir).unwrap());
    let log_options = LogOptions { segment_size: 64 << 10, ..LogOptions::default() };
    Log::open(disk, log_options, OpenHint::default()).unwrap().0
}

fn append(mut log: Log, record: &Record<'_>) {
    let mut frame = log.begin_frame(100).unwrap();
    let mut bytes = Vec::new();
    record.encode(&mut bytes);
    frame.push(&bytes).unwrap();
    log.append(frame).unwrap();
}

#[test]
fn a_root_that_the_state_does_not_have_is_refused() {
    let dir = stopped();
    let log = log_of(dir.path());
    let last = log.reader().frames(log.oldest()).last().unwrap().unwrap().end();
    let mark = RootMark { at: last.0, replicated: [1; 32], all: [1; 32] };
    append(log, &Record::RootMark(mark));
    assert!(matches!(open(dir.path()), Err(OpenError::RootMismatch { at }) if at == last));
}

/// Two keyspaces of one number were taken on once, and could not be told apart after the next
/// checkpoint: a root was missed then.
#[test]
fn a_number_or_a_name_that_is_taken_makes_no_keyspace() {
    for (number, name, taken) in [(1, 9, true), (99, 2, true), (99, 9, false)] {
        let dir = stopped();
        let made = Record::CreateKeyspace { keyspace: number, id: keyspace(name).0, class: 1 };
        append(log_of(dir.path()), &made);
        match open(dir.path()) {
            Err(OpenError::Record { .. }) => assert!(taken),
            Err(e) => panic!("{e}"),
            Ok(store) => assert!(!taken && store.keyspaces().len() == 3),
        }
    }
}

#[test]
fn rot_in_the_acknowledged_log_is_refused_and_rot_in_a_value_is_not_served() {
    let dir = stopped();
    let path = file_starting(dir.path(), "wal-");
    let good = std::fs::read(&path).unwrap();
    let needle = b"0/0/.";
    let value = good.windows(needle.len()).position(|w| w == needle).unwrap();
    let mut bad = good.clone();
    bad[value + 5] ^= 1;
    // The value lies before the checkpoint: restart does not read it, a reader does.
    std::fs::write(&path, &bad).unwrap();
    let store = open(dir.path()).unwrap();
    assert!(matches!(store.get(keyspace(2), b"k\0"), Err(ReadError::Corrupt { .. })));
    drop(store);
    // After the checkpoint the log itself is needed, and what was acknowledged is known by what
    // was written after it.
    let store = {
        std::fs::write(&path, &good).unwrap();
        open(dir.path()).unwrap()
    };
    run(&store, 2, &Step::Commit(vec![(2, 3, Some(10))])).unwrap();
    drop(store);
    let mut bad = std::fs::read(&path).unwrap();
    let needle = b"1/2/.";
    let value = bad.windows(needle.len()).position(|w| w == needle).unwrap();
    bad[value] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Log(_))));
}

/// Found by the fuzzer: a master record with another size of segments, and a checksum that holds,
/// ended in a division by zero.
#[test]
fn a_master_record_of_another_segment_size_is_refused() {
    let dir = stopped();
    let path = dir.path().join("MASTER");
    let good = std::fs::read(&path).unwrap();
    for size in [0, 1 << 12, u64::MAX] {
        let mut bad = good.clone();
        // Magic, checksum, version and the log's id come before it.
        bad[28..36].copy_from_slice(&size.to_le_bytes());
        let checksum = crc32fast::hash(&bad[8..]).to_le_bytes();
        bad[4..8].copy_from_slice(&checksum);
        std::fs::write(&path, &bad).unwrap();
        let refused = |result: Result<(), OpenError>| match result {
            Err(OpenError::Damaged { file, .. }) => assert_eq!(file, "MASTER"),
            other => panic!("{size}: {other:?}"),
        };
        refused(open(dir.path()).map(drop));
        refused(strongroom_storage::look(dir.path()).map(drop));
    }
}
