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

/// A store that gives segments back as soon as it can.
fn recycling(dir: &Path) -> Store {
    let options = Options { segment_size: SEGMENT, retention_bytes: 0, ..Options::default() };
    let store = Store::open(dir, options).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(KEYSPACE, Class::Replicated);
    // Most of the first segment, which therefore stays.
    txn.put(KEYSPACE, b"kept", vec![1; 700_000]);
    txn.commit_blocking().unwrap();
    store
}

/// Writes so much over one key that segments are given back.
fn overwrite(store: &Store) {
    for n in 0..30 {
        let mut txn = store.begin();
        txn.put(KEYSPACE, b"overwritten", vec![n; 100_000]);
        txn.commit_blocking().unwrap();
    }
    for _ in 0..3 {
        store.checkpoint().unwrap();
    }
    assert!(store.stats().recycled_segments > 0, "{:?}", store.stats());
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

/// The log of a small server is one segment: with its header all of it was out of sight. And a stray segment of
/// another log made all others look like strangers that should be moved away.
#[test]
fn the_store_knows_its_log_when_headers_do_not_tell() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut txn = store.begin();
    txn.create_keyspace(KEYSPACE, Class::Replicated);
    txn.commit_blocking().unwrap();
    store.close().unwrap();
    drop(store);
    let (_, whole) = json(dir.path(), &[]);
    assert_eq!(whole["segments"].as_array().unwrap().len(), 1);
    flip(dir.path(), 0, 20);
    let (code, damaged) = json(dir.path(), &[]);
    let kind = &damaged["findings"][0]["kind"];
    assert_eq!((code, kind, &damaged["log_id"]), (1, &"rotten".into(), &whole["log_id"]));
    assert_eq!(
        (&damaged["findings"].as_array().unwrap().len(), &damaged["frames"]),
        (&1, &whole["frames"])
    );
    fs::remove_file(segment(dir.path(), 0)).unwrap();
    let gone = run(dir.path(), &[]);
    assert_eq!((gone.status.code(), gone.stdout.len()), (Some(1), 0), "the store has one");

    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = recycling(dir.path());
    let mut txn = store.begin();
    txn.delete(KEYSPACE, b"kept");
    txn.commit_blocking().unwrap();
    overwrite(&store);
    store.close().unwrap();
    drop((store, filled(other.path())));
    let (code, whole) = json(dir.path(), &[]);
    assert!(code == 0 && !segment(dir.path(), 0).exists());
    fs::copy(segment(other.path(), 0), segment(dir.path(), 0)).unwrap();
    let (code, mixed) = json(dir.path(), &[]);
    assert_eq!((code, &mixed["frames"]), (1, &whole["frames"]));
    let foreign = |f: &&Value| f["kind"] == "foreign" && f["segment"] == 0;
    assert_eq!(mixed["findings"].as_array().unwrap().iter().filter(foreign).count(), 1);
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

    // Nothing was given back here once, and nothing shown.
    let dir = tempfile::tempdir().unwrap();
    let store = recycling(dir.path());
    overwrite(&store);
    store.close().unwrap();
    drop(store);
    let (code, found) = json(dir.path(), &[]);
    let findings = found["findings"].as_array().unwrap();
    assert_eq!((code, findings.len(), &found["clean"]), (0, 1, &Value::Bool(true)), "{found}");
    assert_eq!(
        (&findings[0]["kind"], &findings[0]["damage"], &findings[0]["segment"]),
        (&"recycled".into(), &Value::Bool(false), &1.into())
    );
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
    let lsns = |args: &[&str]| -> Vec<u64> {
        let (code, live) = json(dir.path(), args);
        assert_eq!(code, 0);
        live["frames"].as_array().unwrap().iter().map(|f| f["lsn"].as_u64().unwrap()).collect()
    };
    let all = lsns(&[]);
    let (from, to) = (all[2].to_string(), all[5].to_string());
    assert_eq!(lsns(&["--from", &from]), all[2..]);
    assert_eq!(lsns(&["--from", &from, "--to", &to]), all[2..5]);
    assert_eq!(
        lsns(&["--from", &(all[2] - 1).to_string(), "--to", &(all[5] + 1).to_string()]),
        all[2..=5]
    );
    assert!(lsns(&["--from", &(u64::MAX - 1).to_string()]).is_empty());
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
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with("wal-inspect: "), "{told}");
        assert!(told.contains(&*folder.to_string_lossy()), "{told}");
    }
    assert_eq!(run(dir.path(), &["--format", "xml"]).status.code(), Some(2));
    // Where nothing can be found nothing is looked for: it looked like an empty log.
    filled(dir.path()).close().unwrap();
    for args in [["--from", "8192", "--to", "4096"], ["--from", "8192", "--to", "8192"]] {
        let output = run(dir.path(), &args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("8192"), "{args:?}");
    }
}

/// Whoever reads the beginning alone, as `head` does, was told that a damaged log is sound.
#[test]
fn the_code_is_that_of_the_whole_log_though_nobody_reads_on() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).close().unwrap();
    for code in [0, 1] {
        for format in ["table", "json"] {
            let mut child = Command::new(env!("CARGO_BIN_EXE_wal-inspect"))
                .arg(dir.path())
                .args(["--records", "--format", format])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            drop(child.stdout.take());
            let output = child.wait_with_output().unwrap();
            assert_eq!((output.status.code(), output.stderr.len()), (Some(code), 0), "{format}");
        }
        flip(dir.path(), 0, 4096 + 20);
    }
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

/// Its updates with the chain through them, what was taken back of it, and its end.
#[test]
fn the_chain_of_a_transaction_is_shown_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let mut large = store.begin();
    large.put(KEYSPACE, b"large/a", vec![1; 10]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let savepoint = runtime.block_on(large.savepoint()).unwrap();
    large.put(KEYSPACE, b"large/b", vec![1; 10]);
    large.delete(KEYSPACE, b"secret/1");
    runtime.block_on(large.spill()).unwrap();
    let mut other = store.begin();
    other.put(KEYSPACE, b"large/c", vec![1; 10]);
    runtime.block_on(other.spill()).unwrap();
    runtime.block_on(large.roll_back_to(&savepoint)).unwrap();
    large.commit_blocking().unwrap();
    other.commit_blocking().unwrap();
    store.close().unwrap();

    let (_, all) = json(dir.path(), &["--key", "large/a"]);
    let first = &all["frames"][0]["records"][0];
    let number = first["lsn"].as_u64().unwrap();
    let (code, chain) = json(dir.path(), &["--transaction", &number.to_string()]);
    assert_eq!(code, 0);
    let records: Vec<&Value> = chain["frames"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|f| f["records"].as_array().unwrap())
        .collect();
    let kinds: Vec<&str> = records.iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["update", "update", "update", "compensation", "compensation", "commit", "end"],
        "{chain}"
    );
    // Each names the one before it; undo steps back over them, and to the one that stays.
    let lsns: Vec<&Value> = records.iter().map(|r| &r["lsn"]).collect();
    let said = [
        "previous 0".to_owned(),
        format!("previous {}", lsns[0]),
        format!("previous {}", lsns[1]),
        format!("undo next {}", lsns[1]),
        format!("undo next {}", lsns[0]),
    ];
    for (record, said) in records.iter().zip(said) {
        let detail = record["detail"].as_str().unwrap();
        assert!(detail.ends_with(&said), "{detail}: {said}");
        assert!(detail.contains(&format!("transaction {number}")), "{detail}");
    }
}

/// What a follower has not seen when it is given back is a gap, and was skipped without a word.
#[test]
fn a_follower_that_falls_behind_is_told_of_the_gap() {
    let dir = tempfile::tempdir().unwrap();
    let store = recycling(dir.path());
    let mut child = Command::new(env!("CARGO_BIN_EXE_wal-inspect"))
        .arg(dir.path())
        .args(["--follow", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| {
        let value: Value = serde_json::from_str(&line.unwrap()).unwrap();
        value
    });
    assert!(lines.next().unwrap()["log"].is_object());
    assert!(lines.next().unwrap()["frame"].is_object());
    let signal = |name: &str| {
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    overwrite(&store);
    signal("-CONT");
    let told: Vec<Value> = lines
        .by_ref()
        .take_while(|line| line["frame"]["segment"].as_u64().is_none_or(|segment| segment < 2))
        .collect();
    let gap = told.iter().find(|line| line["finding"].is_object());
    let gap = &gap.unwrap_or_else(|| panic!("no gap: {told:?}"))["finding"];
    assert_eq!((&gap["kind"], &gap["segment"]), (&"recycled".into(), &1.into()));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Only a write told that nobody reads any more: beside a log that nobody writes to the follower never
/// ended.
#[test]
fn a_follower_whose_reader_is_gone_ends_though_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()));
    let frames = json(dir.path(), &[]).1["frames"].as_array().unwrap().len();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wal-inspect"))
        .arg(dir.path())
        .args(["--follow", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.take(1 + frames).count(), 1 + frames, "all there is to be told");
    assert_eq!(child.wait().unwrap().code(), Some(0));
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
