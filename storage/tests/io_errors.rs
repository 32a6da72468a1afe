//! Every call to the disk fails once, or from then on, with every kind of error that matters.
//! No acknowledgement is ever false, and after the disk is healed the store opens and is whole.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::ErrorKind;

use strongroom_storage::{CommitError, Options};
use strongroom_wal::disk::sim::SimDisk;
use support::session::{LargeStep, Session};
use support::{Model, Step, apply, check, four_pages, open, open_with, options, run};

fn workload() -> Vec<Step> {
    vec![
        Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(10))]),
        Step::Commit(vec![(2, 0, Some(30_000))]),
        Step::Checkpoint,
        Step::Commit(vec![(2, 2, Some(40_000)), (3, 1, None)]),
        Step::Recreate(3),
        Step::Checkpoint,
        Step::Commit(vec![(3, 5, Some(10))]),
    ]
}

/// With a large transaction that is under way all the while, and one that commits.
fn large_workload() -> Vec<Step> {
    let write = |from, to, len| Step::Large(LargeStep::Write { keyspace: 2, from, to, len });
    vec![
        Step::Commit(vec![(2, 0, Some(10)), (2, 50, Some(10)), (3, 1, Some(10))]),
        write(0, 60, Some(300)),
        Step::Checkpoint,
        Step::Large(LargeStep::Savepoint),
        write(5, 8, None),
        Step::Large(LargeStep::RollBack),
        Step::Commit(vec![(3, 1, Some(2000))]),
        Step::Large(LargeStep::Commit),
        write(0, 30, Some(50)),
        Step::Checkpoint,
        Step::Large(LargeStep::Drop),
        Step::Commit(vec![(2, 0, Some(20))]),
    ]
}

/// With frames of many writes, which change the published state in place.
fn many_writes() -> Vec<Step> {
    let many = |of: &dyn Fn(u8) -> Option<usize>| (0..60).map(|key| (2, key, of(key))).collect();
    vec![
        Step::Commit(many(&|key| Some(usize::from(key) * 9))),
        Step::Checkpoint,
        Step::Commit(many(&|key| (key % 3 == 0).then_some(200))),
        Step::Commit(vec![(2, 7, Some(10)), (3, 1, Some(10))]),
        Step::Checkpoint,
        Step::Commit(many(&|key| (key % 2 == 0).then_some(20))),
    ]
}

fn fail_at(workload: &[Step], options: Options, (n, kind, sticky): (u64, ErrorKind, bool)) -> bool {
    let context = format!("call {n}: {kind:?}, sticky {sticky}, {} pages", options.pool_pages);
    let disk = SimDisk::new(n);
    disk.fail_after(n, kind, sticky);
    let mut model = Model::new();
    let mut unsure: Option<Model> = None;
    let mut failed = false;
    match open_with(&disk, options) {
        Err(_) => failed = true,
        Ok(store) => {
            let mut session = Session::new(&store);
            session.stuck = true;
            for (i, step) in workload.iter().enumerate() {
                let next = session.after(&model, i, step);
                match session.run(i, step) {
                    Ok(true) if next == model => {}
                    Ok(true) => {
                        assert!(unsure.is_none(), "{context}: acknowledged after a failure");
                        model = next;
                    }
                    Ok(false) => {}
                    // Not written, and the store goes on; a large transaction does not.
                    Err(CommitError::NoSpace | CommitError::Unreadable(_)) => {
                        failed = true;
                        if matches!(step, Step::Large(_)) {
                            session.abandon();
                        }
                    }
                    Err(CommitError::Failed(_)) => {
                        failed = true;
                        assert!(store.health().is_err(), "{context}: health hides the failure");
                        unsure.get_or_insert(next);
                    }
                    Err(e) => panic!("{context}: {e}"),
                }
            }
            failed |= disk.calls() >= n;
            disk.heal();
            if unsure.is_none() {
                check(&store, &[&model], &context);
            }
            if store.health().is_ok() {
                // What waited to be taken back holds no key any more.
                session.abandon();
                let step = Step::Commit(vec![(2, 0, Some(30)), (2, 3, Some(30))]);
                run(&store, 90, &step).unwrap_or_else(|e| panic!("{context}, healed: {e}"));
                apply(&mut model, 90, &step);
            }
        }
    }
    let hit = failed;
    disk.heal();
    // What the failed call left on the medium is what counts, not what a cache still shows.
    let image = disk.crash_with(n);
    let store = open_with(&image, options).unwrap_or_else(|e| panic!("{context}: {e}"));
    let unsure = unsure.unwrap_or_else(|| model.clone());
    check(&store, &[&model, &unsure], &context);
    hit
}

/// Found by it: a page that could not be stolen took along the image before it, of which it shared a
/// sector, and the next checkpoint listed that; a spill that ran out of room half way could not be
/// taken back; a transaction that had lost a spill committed without it; a new log segment that a
/// full disk neither finished nor removed was in the way for good.
#[test]
fn an_error_at_any_call_is_survived() {
    for (workload, options) in [
        (workload(), options()),
        (workload(), four_pages()),
        (large_workload(), options()),
        (large_workload(), four_pages()),
        (many_writes(), options()),
        (many_writes(), four_pages()),
    ] {
        for sticky in [false, true] {
            for kind in [
                ErrorKind::Other,
                ErrorKind::StorageFull,
                ErrorKind::PermissionDenied,
                // A read that came back short.
                ErrorKind::UnexpectedEof,
            ] {
                let mut n = 1;
                while fail_at(&workload, options, (n, kind, sticky)) {
                    n += 1;
                }
                assert!(n > 30, "only {n} calls were made to fail");
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let disk = SimDisk::new(1);
    let store = open(&disk).unwrap();
    let mut model = Model::new();
    let first = Step::Commit(vec![(2, 0, Some(10))]);
    run(&store, 0, &first).unwrap();
    apply(&mut model, 0, &first);
    disk.set_capacity(Some(disk.used()));
    let mut refused = 0;
    for i in 1..8 {
        let step = Step::Commit(vec![(2, u8::try_from(i).unwrap(), Some(40_000))]);
        match run(&store, i, &step) {
            Ok(()) => apply(&mut model, i, &step),
            Err(CommitError::NoSpace) => refused += 1,
            Err(e) => panic!("{e}"),
        }
    }
    assert!(refused > 0);
    assert!(store.health().is_ok(), "a full disk is not a failed one");
    check(&store, &[&model], "full");
    disk.set_capacity(None);
    let step = Step::Commit(vec![(2, 9, Some(40_000))]);
    run(&store, 20, &step).unwrap();
    apply(&mut model, 20, &step);
    check(&store, &[&model], "room again");
    drop(store);
    check(&open(&disk).unwrap(), &[&model], "reopened");
}

/// A failed checkpoint was told to nobody unless somebody had asked for it: only the log grew.
#[test]
fn a_failed_checkpoint_stands_in_the_figures_until_one_is_completed() {
    let mut failures = 0;
    for call in 1.. {
        let disk = SimDisk::new(call);
        let store = open(&disk).unwrap();
        run(&store, 1, &Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(10))])).unwrap();
        assert_eq!((store.stats().checkpoints_failed, store.checkpoint_failure()), (0, None));
        let first = disk.calls() + call;
        disk.fail_after(call, ErrorKind::Other, false);
        let done = store.checkpoint();
        let hit = disk.calls() >= first;
        disk.heal();
        let told = store.checkpoint_failure();
        assert_eq!(told, done.as_ref().err().map(ToString::to_string));
        assert_eq!(store.stats().checkpoints_failed, u64::from(done.is_err()));
        if done.is_err() && store.health().is_ok() {
            failures += 1;
            store.checkpoint().unwrap();
            assert_eq!((store.stats().checkpoints_failed, store.checkpoint_failure()), (1, None));
        }
        if !hit {
            break;
        }
    }
    assert!(failures > 3, "{failures} checkpoints failed and the store went on");
}
