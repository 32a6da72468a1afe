//! Real crashes: a child process commits under load, large transactions and checkpoints among it,
//! and is killed with SIGKILL at a random moment, again and again on the same folder. What it
//! acknowledged over a pipe is there, what it did not is wholly there or wholly not, and the roots
//! are those of the contents.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use strongroom_storage::{Class, Options, Store};
use support::{check, contents, keyspace};

/// Set for the child: the folder of the store.
const FOLDER: &str = "STRONGROOM_KILLED_FOLDER";
/// Writers of ordinary transactions; the one after them makes large ones.
const WRITERS: u64 = 2;
const LARGE: u64 = WRITERS;
/// Keys of each writer.
const KEYS: u64 = 40;
const LARGE_KEYS: u64 = 300;

fn small() -> Options {
    Options {
        segment_size: 256 << 10,
        retention_bytes: 0,
        snapshot_bytes: u64::MAX,
        checkpoint_every: 128 << 10,
        pool_pages: 16,
        compact_after: Some(Duration::from_millis(20)),
        warm_pages: true,
        io_uring: true,
        at_rest: None,
    }
}

fn key(writer: u64, n: u64) -> Vec<u8> {
    format!("{writer}/{n}").into_bytes()
}

fn value(turn: u64) -> Vec<u8> {
    let mut value = format!("{turn}/").into_bytes();
    value.resize(200, b'.');
    value
}

/// The turn that wrote a key; 0 when nobody did.
fn turn_of(store: &Store, key: &[u8]) -> u64 {
    let Some(entry) = store.get(keyspace(2), key).unwrap() else { return 0 };
    let text = String::from_utf8(entry.value).unwrap();
    text.split('/').next().unwrap().parse().unwrap()
}

/// The child's part: it never ends by itself.
fn write_until_killed(folder: &Path) {
    let store = Store::open(folder, small()).unwrap();
    if store.keyspaces().is_empty() {
        let mut txn = store.begin();
        txn.create_keyspace(keyspace(2), Class::Replicated);
        txn.commit_blocking().unwrap();
    }
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || write_small(store, writer));
        }
        scope.spawn(|| write_large(&store));
        scope.spawn(|| {
            loop {
                store.checkpoint().unwrap();
                std::thread::sleep(Duration::from_millis(7));
            }
        });
    });
}

/// Each turn writes two keys: one of many, and the count of turns.
fn write_small(store: &Store, writer: u64) {
    for turn in 1 + turn_of(store, &key(writer, KEYS)).. {
        let mut txn = store.begin();
        txn.put(keyspace(2), &key(writer, turn % KEYS), value(turn));
        txn.put(keyspace(2), &key(writer, KEYS), value(turn));
        txn.commit_blocking().unwrap();
        println!("ack {writer} {turn}");
    }
}

/// Each turn writes all keys, in parts, with a detour that it takes back; every third is dropped.
fn write_large(store: &Store) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for turn in 1 + turn_of(store, &key(LARGE, 0)).. {
        let mut txn = store.begin();
        for n in 0..LARGE_KEYS / 2 {
            txn.put(keyspace(2), &key(LARGE, n), value(turn));
        }
        let savepoint = runtime.block_on(txn.savepoint()).unwrap();
        for n in LARGE_KEYS / 4..LARGE_KEYS {
            txn.delete(keyspace(2), &key(LARGE, n));
        }
        runtime.block_on(txn.spill()).unwrap();
        runtime.block_on(txn.roll_back_to(&savepoint)).unwrap();
        for n in LARGE_KEYS / 2..LARGE_KEYS {
            txn.put(keyspace(2), &key(LARGE, n), value(turn));
        }
        if turn.is_multiple_of(3) {
            runtime.block_on(txn.spill()).unwrap();
            drop(txn);
            // Its turn is taken by the next, which is acknowledged.
            continue;
        }
        txn.commit_blocking().unwrap();
        println!("ack {LARGE} {turn}");
    }
}

/// The last turn of each writer that was acknowledged.
type Acks = BTreeMap<u64, u64>;

/// Runs the child until it has acknowledged something and a while more, and kills it.
fn run_and_kill(folder: &Path, linger: Duration) -> Acks {
    let mut child = spawn(folder);
    let lines = BufReader::new(child.stdout.take().unwrap());
    let (first, seen) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut acks = Acks::new();
        for line in lines.split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let words: Vec<&str> = line.split(' ').collect();
            // The harness writes before the first line, and a line that was cut short says nothing.
            if let [.., "ack", writer, turn] = words.as_slice()
                && let (Ok(writer), Ok(turn)) = (writer.parse(), turn.parse::<u64>())
            {
                let last = acks.entry(writer).or_insert(0);
                *last = turn.max(*last);
                let _ = first.send(());
            }
        }
        acks
    });
    assert!(seen.recv().is_ok(), "the child ended by itself");
    std::thread::sleep(linger);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn spawn(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_acknowledged_survives_sigkill", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn holds(store: &Store, acks: &Acks, context: &str) {
    let acked = |writer| acks.get(&writer).copied().unwrap_or(0);
    for writer in 0..WRITERS {
        let turn = turn_of(store, &key(writer, KEYS));
        assert!(turn >= acked(writer), "{context}: writer {writer} lost {}", acked(writer));
        for n in 0..KEYS {
            // The last turn that wrote this key.
            let last = (turn + KEYS - n) / KEYS * KEYS + n;
            let last = last.saturating_sub(KEYS);
            assert_eq!(turn_of(store, &key(writer, n)), last, "{context}: {writer}/{n} at {turn}");
        }
    }
    let turn = turn_of(store, &key(LARGE, 0));
    assert!(turn >= acked(LARGE), "{context}: a large transaction is lost: {}", acked(LARGE));
    assert!(turn == 0 || !turn.is_multiple_of(3), "{context}: {turn} was never committed");
    for n in 0..LARGE_KEYS {
        assert_eq!(turn_of(store, &key(LARGE, n)), turn, "{context}: a part of a transaction");
    }
    check(store, &[&contents(store)], context);
}

/// `STRONGROOM_KILLS` makes the long run, `STRONGROOM_SEED` repeats its moments.
#[test]
fn what_was_acknowledged_survives_sigkill() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_until_killed(Path::new(&folder));
    }
    let number =
        |name, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (kills, seed): (u64, u64) = (number("STRONGROOM_KILLS", 5), number("STRONGROOM_SEED", 1));
    let dir = tempfile::tempdir().unwrap();
    let (mut undone, mut checkpointed, mut random) = (0u64, 0u64, seed);
    for kill in 0..kills {
        // A linear congruential generator; the machine adds chance of its own.
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let acks = run_and_kill(dir.path(), Duration::from_millis(random >> 33 & 0xff));
        let store = Store::open(dir.path(), small()).unwrap();
        holds(&store, &acks, &format!("kill {kill} of seed {seed}"));
        undone += store.stats().recovery.undone;
        checkpointed += u64::from(store.stats().checkpoint_lsn.0 > 0);
    }
    println!("{kills} kills, {undone} losers undone, {checkpointed} restarts from a checkpoint");
    assert!(checkpointed > 0, "no restart began at a checkpoint");
}
