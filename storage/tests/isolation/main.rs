//! Is the store strictly serializable? Concurrent transactions note what they see; a search for
//! cycles among them looks for proof that it is not, and all of it is run again in the order of the log.
//!
//! `STRONGROOM_ISOLATION_TXNS` sets how many transactions there are in all, and
//! `STRONGROOM_ISOLATION_KILLS` how often the store is killed under them.

#![allow(unreachable_pub, clippy::unwrap_used, reason = "tests")]

mod checker;
mod client;
mod effects;
mod graph;
mod handmade;
mod history;
mod lists;
mod random;
mod replay;
mod replayed;
mod run;
mod windows;
mod world;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use client::Client;
use history::Outcome;
use replay::Seen;
use run::Run;
use strongroom_storage::{Class, KeyspaceId, Options, Store};

const CLIENTS: u64 = 6;
/// Names the folder to the child process that is going to be killed.
const CHILD: &str = "STRONGROOM_ISOLATION_CHILD";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

fn txns() -> u64 {
    setting("STRONGROOM_ISOLATION_TXNS", 20_000)
}

/// So few pages that those of transactions under way are stolen, and segments so small that what is
/// called large here is.
fn options() -> Options {
    Options {
        segment_size: 64 << 10,
        checkpoint_every: 256 << 10,
        retention_bytes: 16 << 20,
        pool_pages: 4,
        ..Options::default()
    }
}

/// Checks a history, and that it is worth checking.
fn assert_serializable(folder: &Path) -> Seen {
    let history = history::parse(&std::fs::read_to_string(run::history(folder)).unwrap());
    let txns = &history.txns;
    let count = |f: fn(&Outcome) -> bool| txns.iter().filter(|t| f(&t.outcome)).count();
    let committed = count(|outcome| matches!(outcome, Outcome::Committed { .. }));
    let aborted = count(|outcome| matches!(outcome, Outcome::Aborted { .. }));
    let looks = count(|outcome| matches!(outcome, Outcome::Looked { .. }));
    println!("{committed} committed, {aborted} refused or dropped, {looks} single reads");
    let (unexplained, seen) = replay::replay(&history);
    println!("{seen:?}");
    let anomalies = checker::check(txns);
    for wrong in unexplained.iter().take(5) {
        println!("{wrong:?}: {:?}", txns[wrong.txn()]);
    }
    for wrong in anomalies.iter().take(5) {
        println!("{wrong:?}");
    }
    let found = (unexplained.len(), anomalies.len());
    assert_eq!(found, (0, 0), "reads that the log does not explain, and anomalies");
    assert!(committed * 3 > aborted, "{committed} and {aborted}");
    seen
}

#[test]
fn concurrent_transactions_are_strictly_serializable() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store"), options()).unwrap();
    let run = &Run::new(&store, 0, folder.path());
    run.prepare();
    std::thread::scope(|scope| {
        scope.spawn(|| run.follow());
        scope.spawn(|| run.look_on(&AtomicBool::new(true), 0));
        let client = |name| scope.spawn(move || Client::new(run, name).work(txns()));
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        let ended: Result<Vec<()>, _> = clients.into_iter().map(ScopedJoinHandle::join).collect();
        run.read_all();
        run.stop.store(true, Ordering::Relaxed);
        ended.unwrap();
    });
    let stats = store.stats();
    let seen = assert_serializable(folder.path());
    assert!(stats.pages_stolen > 0 && stats.pages_uncommitted > 0, "{stats:?}");
    assert!(stats.compensations > 0 && stats.checkpoints > 0, "{stats:?}");
    assert!(seen.deleted > 0 && seen.dropped > 0 && seen.created > 0, "{seen:?}");
    assert!(seen.rolled_back > 0 && seen.taken_back > 0 && seen.scans > 0, "{seen:?}");
}

/// Every other round leaves a log that can be read while it is repeated, and all of it since a checkpoint.
fn is_plain(round: u64) -> bool {
    round.is_multiple_of(2)
}

/// Not a test of its own: the process that the next one starts and kills.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let folder = Path::new(&folder);
    // Or else the other threads would go on.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("{info}");
        std::process::abort();
    }));
    let round = std::fs::read_to_string(folder.join("round")).unwrap().parse().unwrap();
    let plain = is_plain(round);
    let checkpoint_every = if plain { u64::MAX } else { options().checkpoint_every };
    let options = Options { checkpoint_every, ..options() };
    let store = Store::open_serving(&folder.join("store"), options).unwrap();
    let run = &Run::new(&store, round, folder).plain(plain);
    if round == 0 {
        run.prepare();
    }
    let recovered = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for name in 0..2 {
            scope.spawn(move || run.look_on(recovered, name));
        }
        for name in 0..CLIENTS {
            scope.spawn(move || Client::new(run, name).work(u64::MAX));
        }
        scope.spawn(|| run.follow());
        scope.spawn(|| run.read_all());
        std::fs::write(folder.join("ready"), "").unwrap();
        store.wait_recovered().unwrap();
        run.note_recovered();
        recovered.store(true, Ordering::Relaxed);
        if plain {
            store.checkpoint().unwrap();
        }
    });
}

fn spawn_child(folder: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact"])
        .env(CHILD, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.join("ready").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child did not open the store");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::remove_file(folder.join("ready")).unwrap();
    child
}

#[test]
fn transactions_across_kills_are_strictly_serializable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let kills = setting("STRONGROOM_ISOLATION_KILLS", 12);
    for round in 0..kills {
        std::fs::write(path.join("round"), round.to_string()).unwrap();
        let mut child = spawn_child(path);
        // Now and then while it recovers.
        let lives = if round % 5 == 3 { round % 7 } else { 200 + round * 37 % 300 };
        std::thread::sleep(Duration::from_millis(lives));
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let store = Store::open(&path.join("store"), options()).unwrap();
    let run = Run::new(&store, kills, path);
    run.read_all();
    run.stop.store(true, Ordering::Relaxed);
    run.follow();
    let seen = assert_serializable(path);
    assert!(seen.kept > 0 && seen.recovering > 0, "{seen:?}");
    assert!(seen.deleted > 0 && seen.dropped > 0 && seen.rolled_back > 0, "{seen:?}");
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
                for _ in 0..txns() / 100 {
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
