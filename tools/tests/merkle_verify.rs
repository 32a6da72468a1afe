//! `merkle-verify` as a program, on the folder of a real store.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use strongroom_aries::{Record, RootMark};
use strongroom_storage::{Class, KeyspaceId, Options, Store};
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, LogOptions, OpenHint};

const MOUNT: KeyspaceId = KeyspaceId([7; 16]);
const LOCAL: KeyspaceId = KeyspaceId([8; 16]);

fn open(dir: &Path) -> Store {
    Store::open(dir, Options { segment_size: 1 << 20, ..Options::default() }).unwrap()
}

/// A store with two keyspaces, of which some keys were written again and some deleted.
fn filled(dir: &Path) -> Store {
    let store = open(dir);
    let mut txn = store.begin();
    txn.create_keyspace(MOUNT, Class::Replicated);
    txn.create_keyspace(LOCAL, Class::Local);
    txn.commit_blocking().unwrap();
    for round in 0..3u8 {
        let mut txn = store.begin();
        for n in (0..60u8).filter(|n| n % (round + 1) == 0) {
            txn.put(MOUNT, &key(n), value(n, round));
        }
        txn.put(LOCAL, b"token", vec![round; 40]);
        txn.delete(MOUNT, &key(7));
        txn.commit_blocking().unwrap();
    }
    store
}

fn key(n: u8) -> Vec<u8> {
    format!("secret/{n}").into_bytes()
}

fn value(n: u8, round: u8) -> Vec<u8> {
    format!("value of {n} in round {round}, long enough to be found again").into_bytes()
}

/// Until a child has become another program it holds all that this process has open, locks of other tests'
/// stores among it: a store that was just dropped was still in use then.
static SPAWNING: Mutex<()> = Mutex::new(());

fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_merkle-verify"));
    command.arg(dir).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let spawning = SPAWNING.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.spawn().unwrap();
    drop(spawning);
    child.wait_with_output().unwrap()
}

fn json(dir: &Path) -> (i32, Value) {
    let output = run(dir, &["--format", "json"]);
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// Flips a bit of the only place in the folder where `bytes` stand last.
fn flip(dir: &Path, bytes: &[u8], offset: usize) {
    for (path, mut content) in files(dir) {
        let at = content.windows(bytes.len()).rposition(|window| window == bytes);
        if let Some(at) = at {
            content[at + offset] ^= 0x20;
            fs::write(path, content).unwrap();
            return;
        }
    }
    panic!("not found");
}

#[test]
fn a_closed_store_is_the_same_and_keeps_its_roots() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let root = store.root(Class::Replicated).to_string();
    store.close().unwrap();
    drop(store);
    let before = files(dir.path());
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["same"]), (0, &Value::Bool(true)), "{report:#}");
    assert_eq!(
        (&report["replicated_root"], &report["recomputed_replicated_root"]),
        (&root.clone().into(), &root.into())
    );
    let keyspaces = report["keyspaces"].as_array().unwrap();
    assert_eq!(keyspaces.len(), 2);
    assert_eq!(
        (&keyspaces[0]["entries"], &keyspaces[0]["class"]),
        (&59.into(), &"replicated".into())
    );
    assert_eq!((&keyspaces[1]["entries"], &keyspaces[1]["class"]), (&1.into(), &"local".into()));
    let table = String::from_utf8(run(dir.path(), &[]).stdout).unwrap();
    assert!(table.ends_with("same\n"), "{table}");
    assert_eq!(files(dir.path()), before, "nothing was changed");
}

// Without a checkpoint the roots come from repeating the log, where frames promise them.
#[test]
fn a_killed_store_keeps_what_its_log_promises() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["same"]), (0, &Value::Bool(true)), "{report:#}");
    assert!(report["promised_roots_kept"].as_u64().unwrap() > 0, "{report:#}");
}

#[test]
fn a_flipped_byte_of_a_value_names_its_key_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    store.close().unwrap();
    drop(store);
    flip(dir.path(), &value(6, 2), 9);
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["same"]), (1, &Value::Bool(false)), "{report:#}");
    let differences = report["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{report:#}");
    assert_eq!(differences[0]["key"], "secret/6");
    let same: Vec<_> = report["keyspaces"].as_array().unwrap().iter().map(|k| &k["same"]).collect();
    assert_eq!(same, [&Value::Bool(false), &Value::Bool(true)]);
    let output = run(dir.path(), &[]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(table.contains("DIFFERS") && table.contains("secret/6"), "{table}");
    assert!(!table.contains("value of"), "values are never shown");
}

#[test]
fn a_flipped_byte_of_a_page_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    store.close().unwrap();
    drop(store);
    let (path, mut page) = files(dir.path())
        .into_iter()
        .find(|(path, _)| path.to_string_lossy().contains("pages-"))
        .unwrap();
    page[100] ^= 1;
    fs::write(path, page).unwrap();
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["same"]), (1, &Value::Bool(false)));
    assert!(report["damage"].as_str().unwrap().contains("pages-"), "{report:#}");
    let table = String::from_utf8(run(dir.path(), &[]).stdout).unwrap();
    assert!(table.starts_with("DAMAGED"), "{table}");
}

/// The first such page was told, and nothing of what else was wrong.
#[test]
fn behind_a_damaged_page_all_else_is_compared() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    store.close().unwrap();
    drop(store);
    let (path, mut pages) = files(dir.path())
        .into_iter()
        .rfind(|(path, _)| path.to_string_lossy().contains("pages-"))
        .unwrap();
    let places = |bytes: &[u8], what: &[u8]| -> Vec<usize> {
        let windows = bytes.windows(what.len()).enumerate();
        windows.filter(|(_, window)| *window == what).map(|(at, _)| at).collect()
    };
    let images = places(&pages, b"SRPG");
    assert!(images.len() > 3);
    for at in &images[..2] {
        pages[at + 60] ^= 1;
    }
    fs::write(path, pages).unwrap();
    let (_, lost) = json(dir.path());
    let lost = lost["differences"].as_array().unwrap();
    let unread = |d: &Value| d["what"].as_str().unwrap().contains("pages-");
    assert!(!lost.is_empty() && lost.iter().all(unread), "{lost:?}");
    // One whose page is whole.
    let victim = (0..59u8).rev().find(|n| {
        let name = String::from_utf8(key(*n)).unwrap();
        n % 3 == 0 && lost.iter().all(|d| d["key"] != name)
    });
    let victim = victim.unwrap();
    flip(dir.path(), &value(victim, 2), 9);
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["unreadable_pages"]), (1, &2.into()), "{report:#}");
    assert!(report["damage"].as_str().unwrap().contains("pages-"), "{report:#}");
    let name = String::from_utf8(key(victim)).unwrap();
    let differences = report["differences"].as_array().unwrap();
    assert_eq!(differences.len(), lost.len() + 1, "{report:#}");
    assert!(differences.iter().any(|d| d["key"] == name && !unread(d)), "{report:#}");
    let table = String::from_utf8(run(dir.path(), &[]).stdout).unwrap();
    assert!(table.starts_with("DAMAGED"), "{table}");
    assert!(table.contains("2 pages") && table.contains(&format!("key {name}\n")), "{table}");
}

/// Whatever the index and the values agree on, the log has the last word.
#[test]
fn a_root_that_the_log_promises_and_nothing_has_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir.path()).unwrap());
    let options = LogOptions { segment_size: 1 << 20, ..LogOptions::default() };
    let (mut log, _) = Log::open(disk, options, OpenHint::default()).unwrap();
    let end = log.reader().frames(log.oldest()).last().unwrap().unwrap().end();
    let mut frame = log.begin_frame(100).unwrap();
    let mut bytes = Vec::new();
    let mark = RootMark { at: end.0, replicated: [1; 32], all: [1; 32] };
    Record::RootMark(mark).encode(&mut bytes);
    frame.push(&bytes).unwrap();
    log.append(frame).unwrap();
    log.close().unwrap();
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["same"]), (1, &Value::Bool(false)), "{report:#}");
    let damage = report["damage"].as_str().unwrap();
    assert!(damage.contains(&end.to_string()) && damage.contains("promised root"), "{damage}");
}

/// Both were told to be the same, or no store.
#[test]
fn half_a_restore_and_a_lost_master_record_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).close().unwrap();
    fs::write(dir.path().join("RESTORING"), "").unwrap();
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["same"]), (1, &Value::Bool(false)), "{report:#}");
    assert!(report["damage"].as_str().unwrap().contains("restore"), "{report:#}");
    fs::remove_file(dir.path().join("RESTORING")).unwrap();
    assert_eq!(json(dir.path()).0, 0);
    fs::remove_file(dir.path().join("MASTER")).unwrap();
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["same"]), (1, &Value::Bool(false)), "{report:#}");
    assert!(report["damage"].as_str().unwrap().contains("MASTER"), "{report:#}");
}

/// No digest covers the names that lists show, so that they are held against the entries. What is
/// forged here has every checksum that it needs.
#[test]
fn a_forged_name_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    store.close().unwrap();
    drop(store);
    let (path, mut pages) = files(dir.path())
        .into_iter()
        .rfind(|(path, _)| path.to_string_lossy().contains("pages-"))
        .unwrap();
    let find = |bytes: &[u8], what: &[u8]| {
        bytes.windows(what.len()).position(|window| window == what).unwrap()
    };
    // The names of one keyspace, of the other, and the map.
    let names = find(&pages, b"SRNB");
    let end = names + 4 + find(&pages[names + 4..], b"SRNB");
    let map = find(&pages, b"SRPM");
    let crc = pages[names + 4..names + 8].to_vec();
    // All begin with "secret/", so that the rest of the last one is "9".
    let last = names + pages[names..end].iter().rposition(|byte| *byte == b'9').unwrap();
    pages[last] = b'x';
    let forged = crc32fast::hash(&pages[names + 8..end]).to_le_bytes();
    pages[names + 4..names + 8].copy_from_slice(&forged);
    let listed = map + find(&pages[map..], &crc);
    pages[listed..listed + 4].copy_from_slice(&forged);
    let whole = crc32fast::hash(&pages[map + 8..]).to_le_bytes();
    pages[map + 4..map + 8].copy_from_slice(&whole);
    fs::write(path, pages).unwrap();
    let (code, report) = json(dir.path());
    assert_eq!((code, &report["same"]), (1, &Value::Bool(false)), "{report:#}");
    let differences = report["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{report:#}");
    assert_eq!(differences[0]["key"], "secret/x");
}

#[test]
fn what_cannot_be_read_is_told_from_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let no_store = run(dir.path(), &[]);
    assert_eq!(no_store.status.code(), Some(2));
    assert!(String::from_utf8(no_store.stderr).unwrap().contains("no store"));
    let missing = run(&dir.path().join("nowhere"), &[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("nowhere"), "which one is told");

    let store = filled(dir.path());
    let in_use = run(dir.path(), &[]);
    assert_eq!(in_use.status.code(), Some(2));
    let told = String::from_utf8(in_use.stderr).unwrap();
    assert!(told.contains("in use") && told.contains("take a backup"), "{told}");
    store.close().unwrap();
}

#[test]
fn a_backup_is_whole_or_refused_for_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir.path().join("store"));
    let path = dir.path().join("backup");
    let report = store.backup_to_file(&path).unwrap();
    let (code, whole) = json(&path);
    assert_eq!((code, &whole["same"]), (0, &Value::Bool(true)));
    assert_eq!(whole["root"], report.root.to_string());
    assert_eq!(whole["keyspaces"].as_array().unwrap().len(), 2);
    let table = String::from_utf8(run(&path, &[]).stdout).unwrap();
    assert!(table.ends_with("whole: every root is that of the values\n"), "{table}");

    let bytes = fs::read(&path).unwrap();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    for (refused, word) in [(&damaged[..], "damaged"), (&bytes[..bytes.len() - 1], "incomplete")] {
        fs::write(&path, refused).unwrap();
        let (code, found) = json(&path);
        assert_eq!((code, &found["same"]), (1, &Value::Bool(false)));
        assert!(found["damage"].as_str().unwrap().contains(word), "{found}");
    }
    fs::write(&path, "something else").unwrap();
    let output = run(&path, &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));

    // One that is unpacked on the way, or comes from elsewhere: it is no file.
    let piped = |bytes: &[u8]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_merkle-verify"))
            .arg("/dev/stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        child.wait_with_output().unwrap().status.code()
    };
    assert_eq!((piped(&bytes), piped(&damaged)), (Some(0), Some(1)));
}
