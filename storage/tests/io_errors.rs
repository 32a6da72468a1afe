//! Every call to the disk fails once, or from then on, with every kind of error that matters.
//! No acknowledgement is ever false, and after the disk is healed the store opens and is whole.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::ErrorKind;

use strongroom_storage::CommitError;
use strongroom_wal::disk::sim::SimDisk;
use support::{Model, Step, apply, check, open, run};

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

fn fail_at(n: u64, kind: ErrorKind, sticky: bool) -> bool {
    let context = format!("call {n}: {kind:?}, sticky {sticky}");
    let disk = SimDisk::new(n);
    disk.fail_after(n, kind, sticky);
    let mut model = Model::new();
    let mut unsure: Option<Model> = None;
    let mut failed = false;
    match open(&disk) {
        Err(_) => failed = true,
        Ok(store) => {
            for (i, step) in workload().iter().enumerate() {
                let mut next = model.clone();
                apply(&mut next, i, step);
                match run(&store, i, step) {
                    Ok(()) if matches!(step, Step::Checkpoint) => {}
                    Ok(()) => {
                        assert!(unsure.is_none(), "{context}: acknowledged after a failure");
                        model = next;
                    }
                    // Not written, and the store goes on.
                    Err(CommitError::NoSpace) => failed = true,
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
        }
    }
    let hit = failed;
    disk.heal();
    // What the failed call left on the medium is what counts, not what a cache still shows.
    let image = disk.crash_with(n);
    let store = open(&image).unwrap_or_else(|e| panic!("{context}: {e}"));
    let unsure = unsure.unwrap_or_else(|| model.clone());
    check(&store, &[&model, &unsure], &context);
    hit
}

#[test]
fn an_error_at_any_call_is_survived() {
    for sticky in [false, true] {
        for kind in [ErrorKind::Other, ErrorKind::StorageFull, ErrorKind::PermissionDenied] {
            let mut n = 1;
            while fail_at(n, kind, sticky) {
                n += 1;
            }
            assert!(n > 30, "only {n} calls were made to fail");
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
