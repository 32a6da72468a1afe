//! One seed makes one run: the simulated disk gets the same calls in the same order, so that whatever
//! went wrong once goes wrong again.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use proptest::strategy::{Strategy, ValueTree};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use support::session::LargeStep;
use support::{Step, four_pages, open_with, options, run_all_with};

/// Enough for frames that are made in place, stolen pages, losers, and blocks of names on two threads.
fn workload() -> Vec<Step> {
    let many = |from: u8, len| (from..from + 100).map(|key| (2, key, Some(len))).collect();
    let large = |from, to| Step::Large(LargeStep::Write { keyspace: 2, from, to, len: Some(200) });
    vec![
        Step::Commit(many(0, 30)),
        large(120, 200),
        Step::Checkpoint,
        Step::Commit((0..100).map(|key| (3, key, Some(50))).collect()),
        large(100, 180),
        Step::Commit(many(10, 40)),
        Step::Checkpoint,
        Step::Commit((0..60).map(|key| (3, key, (key % 3 > 0).then_some(70))).collect()),
    ]
}

/// All files; of the log, which names itself by chance, only how long they are.
fn files(disk: &SimDisk) -> Vec<(String, usize, Vec<u8>)> {
    let file = |name: String| {
        let bytes = disk.contents(&name).unwrap();
        let told = if name.starts_with("pages-") { bytes.clone() } else { Vec::new() };
        (name, bytes.len(), told)
    };
    disk.list().unwrap().into_iter().map(file).collect()
}

/// Power loss at a call, and a restart after it.
#[test]
fn the_same_seed_makes_the_same_run() {
    for options in [options(), four_pages()] {
        let run = |at: u64| {
            let disk = SimDisk::new(at);
            disk.crash_at_call(at);
            run_all_with(&disk, options, &workload());
            let image = disk.crash_with(at);
            let left = files(&image);
            let store = open_with(&image, options).unwrap();
            let found = (store.stats().recovery, store.stats().pages_read, image.calls());
            drop(store);
            (disk.is_dead(), left, found, files(&image))
        };
        let mut at = 1;
        loop {
            let (one, other) = (run(at), run(at));
            assert!(one == other, "call {at}: {:?} and {:?}", one.2, other.2);
            if !one.0 {
                break;
            }
            at += 3;
        }
        assert!(at > 60, "{at} calls");
    }
}

/// Which call it is that fails: the log and the names are read by two threads at a time where there are
/// two, now in this order and now in that.
#[test]
fn the_same_call_fails_in_the_same_way() {
    let disk = SimDisk::new(1);
    run_all_with(&disk, four_pages(), &workload());
    let image = disk.crash();
    let mut failed = 0;
    for n in 0.. {
        let open = || {
            let image = image.clone_image();
            image.fail_after(n, std::io::ErrorKind::Other, false);
            open_with(&image, four_pages()).map(|store| store.stats().recovery)
        };
        let told = open().map_err(|e| e.to_string());
        for _ in 0..20 {
            assert_eq!(open().map_err(|e| e.to_string()), told, "call {n}");
        }
        if told.is_ok() {
            break;
        }
        failed += 1;
    }
    assert!(failed > 20, "{failed} calls were made to fail");
}

#[test]
fn the_same_seed_makes_the_same_case() {
    let cases = proptest::collection::vec(proptest::prelude::any::<u64>(), 1..9);
    let case = |seed| cases.new_tree(&mut support::seeds::runner(seed)).unwrap().current();
    assert_eq!(case(7), case(7));
    assert_ne!(case(7), case(8));
}
