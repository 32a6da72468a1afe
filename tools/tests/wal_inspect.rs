//! `wal-inspect` as a program, on the folder of a real store.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use strongroom_storage::{Class, KeyspaceId, Options, Store};

const KEYSPACE: KeyspaceId = KeyspaceId([7; 16]);
const SEGMENT: u64 = 1 << 20;

fn open(dir: &Path) -> Store {
    Store::open(dir, Options { segment_size: SEGMENT, ..Options::default() }).unwrap()
}

/// A store with a few commits, large enough for a second segment.
fn filled(dir: &Path) -> Store {
    let store = open(dir);
    let mut txn = store.begin();
    txn.create_keyspace(KEYSPACE, Class::Replicated);
    txn.commit_blocking().unwrap();
    for n in 0..8u8 {
        let mut txn = store.begin();
        txn.put(KEYSPACE, format!("secret/{n}").as_bytes(), vec![n; 200_000]);
        txn.commit_blocking().unwrap();
    }
    store
}

fn run(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wal-inspect")).arg(dir).args(args).output().unwrap()
}

fn json(dir: &Path, args: &[&str]) -> (i32, Value) {
    let args = [&["--format", "json"], args].concat();
    let output = run(dir, &args);
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn segment(dir: &Path, no: u64) -> PathBuf {
    dir.join(format!("wal-{no:016x}.log"))
}

fn flip(dir: &Path, no: u64, offset: u64) {
    let path = segment(dir, no);
    let mut bytes = fs::read(&path).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 0x10;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn a_closed_store_is_clean_and_a_flipped_byte_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    store.close().unwrap();
    drop(store);

    let (code, clean) = json(dir.path(), &["--records"]);
    assert_eq!((code, &clean["clean"]), (0, &Value::Bool(true)));
    assert_eq!(clean["segment_size"], SEGMENT);
    assert!(clean["segments"].as_array().unwrap().len() >= 2);
    let frames = clean["frames"].as_array().unwrap();
    assert_eq!(clean["frame_count"], frames.len());
    let puts = frames.iter().flat_map(|f| f["records"].as_array().unwrap());
    let puts = puts.filter(|r| r["detail"].as_str().unwrap().contains("secret/"));
    assert_eq!(puts.count(), 8);
    let table = run(dir.path(), &[]);
    assert!(String::from_utf8(table.stdout).unwrap().ends_with("clean\n"));

    let victim = frames.iter().find(|f| f["bytes"].as_u64().unwrap() > 100_000).unwrap();
    let offset = victim["offset"].as_u64().unwrap();
    flip(dir.path(), 0, offset + 5000);
    let before = fs::read(segment(dir.path(), 0)).unwrap();
    let (code, damaged) = json(dir.path(), &[]);
    assert_eq!((code, &damaged["clean"]), (1, &Value::Bool(false)));
    let findings = damaged["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0]["kind"], "rotten");
    assert_eq!((&findings[0]["segment"], &findings[0]["offset"]), (&0.into(), &victim["offset"]));
    assert_eq!(damaged["frames"].as_array().unwrap().len(), frames.len() - 1, "it reads on");
    let table = run(dir.path(), &[]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(text.contains("ROTTEN") && text.contains(&offset.to_string()));
    assert!(fs::read(segment(dir.path(), 0)).unwrap() == before, "nothing was changed");
}

#[test]
fn damage_in_several_places_is_all_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    store.close().unwrap();
    drop(store);
    flip(dir.path(), 0, 4096 + 20);
    flip(dir.path(), 1, 9);
    let (code, damaged) = json(dir.path(), &[]);
    let places: Vec<_> = damaged["findings"].as_array().unwrap().iter().collect();
    assert_eq!((code, places.len()), (1, 2));
    assert_eq!((&places[0]["segment"], &places[0]["offset"]), (&0.into(), &4096.into()));
    assert_eq!((&places[1]["segment"], &places[1]["offset"]), (&1.into(), &0.into()));
}

#[test]
fn a_missing_segment_is_damage_when_the_store_needs_it_and_a_recycled_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    store.close().unwrap();
    drop(store);
    let (_, whole) = json(dir.path(), &[]);
    let needed = whole["segments"].as_array().unwrap().last().unwrap()["segment"].as_u64().unwrap();
    fs::remove_file(segment(dir.path(), needed)).unwrap();
    let (code, found) = json(dir.path(), &[]);
    assert_eq!((code, &found["findings"][0]["kind"]), (1, &"missing".into()));
    assert_eq!(found["findings"][0]["segment"], needed);

    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    for n in 0..20 {
        let mut txn = store.begin();
        txn.put(KEYSPACE, b"overwritten", vec![n; 100_000]);
        txn.commit_blocking().unwrap();
    }
    store.checkpoint().unwrap();
    store.close().unwrap();
    drop(store);
    let (code, _) = json(dir.path(), &[]);
    assert_eq!(code, 0);
}

#[test]
fn a_torn_tail_is_told_from_rot() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut txn = store.begin();
    txn.create_keyspace(KEYSPACE, Class::Replicated);
    txn.put(KEYSPACE, b"secret", vec![1; 200_000]);
    txn.commit_blocking().unwrap();
    drop(store);
    let (_, before) = json(dir.path(), &[]);
    let end = before["end"].as_u64().unwrap();
    // A segment that was prepared ahead counts as recycled: what is torn there may be from its
    // former life.
    assert!(end < SEGMENT);
    let (no, offset) = (end / SEGMENT, usize::try_from(end % SEGMENT).unwrap());
    let path = segment(dir.path(), no);
    let mut bytes = fs::read(&path).unwrap();
    if bytes.len() < offset + 4096 {
        bytes.resize(offset + 4096, 0);
    }
    bytes[offset..offset + 300].fill(0x77);
    fs::write(&path, bytes).unwrap();
    let (code, torn) = json(dir.path(), &[]);
    assert_eq!(code, 1);
    assert_eq!(
        (&torn["findings"][0]["kind"], &torn["findings"][0]["lsn"]),
        (&"torn".into(), &end.into())
    );
    assert_eq!(torn["frame_count"], before["frame_count"]);
}

#[test]
fn it_reads_beside_a_live_store_and_through_a_data_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir.path().join("store-1"));
    fs::write(dir.path().join("CURRENT"), "store-1\n").unwrap();
    let (code, live) = json(dir.path(), &["--from", "8192"]);
    assert_eq!(code, 0);
    let frames = live["frames"].as_array().unwrap();
    assert!(frames.iter().all(|f| f["lsn"].as_u64().unwrap() >= 8192));
    // The store goes on as if nothing had looked.
    let mut txn = store.begin();
    txn.put(KEYSPACE, b"after", b"1".to_vec());
    txn.commit_blocking().unwrap();
    store.close().unwrap();
}

#[test]
fn what_cannot_be_read_ends_with_two() {
    let dir = tempfile::tempdir().unwrap();
    for folder in [dir.path().to_owned(), dir.path().join("none")] {
        let output = run(&folder, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("wal-inspect: "));
    }
    assert_eq!(run(dir.path(), &["--format", "xml"]).status.code(), Some(2));
}

fn details(json: &Value) -> Vec<String> {
    let records = json["frames"].as_array().unwrap().iter();
    let records = records.flat_map(|f| f["records"].as_array().unwrap().clone());
    records.map(|r| format!("{} {}", r["kind"].as_str().unwrap(), r["detail"])).collect()
}

#[test]
fn records_are_chosen_by_key_and_by_kind() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).close().unwrap();
    let (code, one) = json(dir.path(), &["--key", "secret/3"]);
    assert_eq!((code, details(&one).len()), (0, 1), "{one}");
    assert!(details(&one)[0].contains("secret/3"));
    let (_, all) = json(dir.path(), &["--key", "secret/"]);
    assert_eq!(details(&all).len(), 8);
    let (_, other) = json(dir.path(), &["--key", "secret/", "--keyspace", "4711"]);
    let (_, none) = json(dir.path(), &["--key", "nothing/"]);
    assert_eq!(details(&other).len() + details(&none).len(), 0);
    assert_eq!(none["frame_count"], one["frame_count"], "all frames are still checked");
    let (_, roots) = json(dir.path(), &["--roots"]);
    assert!(!details(&roots).is_empty());
    assert!(details(&roots).iter().all(|d| d.starts_with("root-mark")));
    let table = run(dir.path(), &["--key", "secret/3"]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert_eq!(text.matches("secret/").count(), 1, "{text}");
}

#[test]
fn a_live_log_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let mut child = Command::new(env!("CARGO_BIN_EXE_wal-inspect"))
        .arg(dir.path())
        .args(["--follow", "--format", "json", "--key", "secret/"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| {
        let value: Value = serde_json::from_str(&line.unwrap()).unwrap();
        value
    });
    assert_eq!(lines.next().unwrap()["log"]["segment_size"], SEGMENT);
    for n in 0..8 {
        let record = lines.next().unwrap()["frame"]["records"][0]["detail"].to_string();
        assert!(record.contains(&format!("secret/{n}")), "{record}");
    }
    // Written while it looks on, over the ends of segments.
    for n in 8..30u8 {
        let mut txn = store.begin();
        txn.put(KEYSPACE, format!("secret/{n}").as_bytes(), vec![n; 150_000]);
        txn.commit_blocking().unwrap();
        let record = lines.next().unwrap()["frame"]["records"][0]["detail"].to_string();
        assert!(record.contains(&format!("secret/{n}")), "{record}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
