//! Is the store strictly serializable? Concurrent transactions note what they see; a search for
//! cycles among them looks for proof that it is not.
//!
//! `STRONGROOM_ISOLATION_TXNS` sets how many transactions there are in all, and
//! `STRONGROOM_ISOLATION_KILLS` how often the store is killed under them.

#![allow(unreachable_pub, clippy::unwrap_used, reason = "tests")]

mod checker;
mod graph;
mod handmade;
mod history;
mod workload;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use history::Outcome;
use strongroom_storage::{Class, KeyspaceId, Options, Store};
use workload::Run;

const CLIENTS: u64 = 6;
/// Names the folder to the child process that is going to be killed.
const CHILD: &str = "STRONGROOM_ISOLATION_CHILD";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

fn txns() -> u64 {
    setting("STRONGROOM_ISOLATION_TXNS", 2000)
}

fn options() -> Options {
    Options { segment_size: 1 << 20, checkpoint_every: 256 << 10, ..Options::default() }
}

fn run_clients(run: &Run<'_>, total: u64) {
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || run.client(run.round * CLIENTS + client, total));
        }
    });
}

/// Checks a history, and that it is worth checking; answers how many have an unknown fate.
fn assert_serializable(log: &Path) -> usize {
    let history = history::parse(&std::fs::read_to_string(log).unwrap());
    let count = |f: fn(&Outcome) -> bool| history.iter().filter(|t| f(&t.outcome)).count();
    let committed = count(|outcome| matches!(outcome, Outcome::Committed { .. }));
    let aborted = count(|outcome| *outcome == Outcome::Aborted);
    println!("{committed} committed, {aborted} refused, of {}", history.len());
    assert!(committed > history.len() / 10, "{committed} of {}", history.len());
    let found = checker::check(&history);
    for anomaly in found.iter().take(5) {
        println!("{anomaly:?}");
    }
    assert!(found.is_empty(), "{} anomalies", found.len());
    count(|outcome| *outcome == Outcome::Unknown)
}

#[test]
fn concurrent_transactions_are_strictly_serializable() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store"), options()).unwrap();
    let log = folder.path().join("history");
    let run = Run::new(&store, 0, &log);
    run_clients(&run, txns());
    run.read_all();
    assert_eq!(assert_serializable(&log), 0);
}

/// Not a test of its own: the process that the next one starts and kills.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let folder = Path::new(&folder);
    let round = std::fs::read_to_string(folder.join("round")).unwrap().parse().unwrap();
    let store = Store::open(&folder.join("store"), options()).unwrap();
    let run = Run::new(&store, round, &folder.join("history"));
    run.read_all();
    std::fs::write(folder.join("ready"), "").unwrap();
    run_clients(&run, u64::MAX >> 30);
}

#[test]
fn transactions_across_kills_are_strictly_serializable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let kills = setting("STRONGROOM_ISOLATION_KILLS", 4);
    for round in 0..kills {
        std::fs::write(path.join("round"), round.to_string()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact"])
            .env(CHILD, path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !path.join("ready").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the child did not open the store");
            std::thread::sleep(Duration::from_millis(2));
        }
        std::fs::remove_file(path.join("ready")).unwrap();
        std::thread::sleep(Duration::from_millis(100 + round * 37 % 150));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let store = Store::open(&path.join("store"), options()).unwrap();
    Run::new(&store, kills, &path.join("history")).read_all();
    assert!(assert_serializable(&path.join("history")) > 0, "no transaction was cut off");
}

/// Each transaction leaves only if it sees that another stays: without validated scans two would
/// leave at once (write skew on a predicate, Adya's G2).
#[test]
fn the_last_one_never_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), options()).unwrap();
    let room = KeyspaceId([1; 16]);
    let mut txn = store.begin();
    txn.create_keyspace(room, Class::Replicated);
    (0..CLIENTS).for_each(|name| txn.put(room, &[b'p', u8::try_from(name).unwrap()], vec![]));
    txn.commit_blocking().unwrap();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (store, own) = (&store, [b'p', u8::try_from(client).unwrap()]);
            scope.spawn(move || {
                for _ in 0..txns() / 20 {
                    let mut txn = store.begin();
                    let present = txn.scan(room, b"p", None, usize::MAX);
                    assert!(!present.is_empty());
                    if !present.contains(&own.to_vec()) {
                        txn.put(room, &own, vec![]);
                    } else if present.len() > 1 {
                        txn.delete(room, &own);
                    }
                    // A conflict is as good as any other outcome.
                    let _ = txn.commit_blocking();
                }
            });
        }
    });
}
