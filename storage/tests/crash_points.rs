//! Power loss at every call to the disk, and at every call of the restart after it, three deep.
//!
//! Exhaustive for short workloads, after the finding that most crash bugs need at most three
//! operations (J. Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash
//! Testing", OSDI 2018); seeded and random for longer ones. A failure prints the seed.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use strongroom_wal::disk::sim::SimDisk;
use support::{Ended, Step, apply, check, open, run, run_all};

fn alphabet() -> Vec<Step> {
    vec![
        Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(10))]),
        Step::Commit(vec![(2, 0, Some(30_000)), (2, 2, Some(100))]),
        Step::Commit(vec![(2, 0, None), (3, 1, Some(20))]),
        Step::Recreate(2),
        Step::Checkpoint,
    ]
}

/// Calls to the disk that the whole workload takes, the opening included.
fn calls_of(workload: &[Step]) -> u64 {
    let disk = SimDisk::new(1);
    run_all(&disk, workload);
    disk.calls()
}

/// Crashes the workload at one call and holds what a restart finds against the model.
fn crash_once(workload: &[Step], at: u64, seed: u64) -> (SimDisk, Ended) {
    let disk = SimDisk::new(seed);
    disk.crash_at_call(at);
    let ended = run_all(&disk, workload);
    let image = disk.crash_with(seed ^ 0x9e37_79b9);
    (image, ended)
}

fn survives(image: &SimDisk, ended: &Ended, context: &str) {
    let store = open(image).unwrap_or_else(|e| panic!("{context}: {e}"));
    let allowed = [&ended.acknowledged, &ended.with_step_under_way];
    let which = check(&store, &allowed, context);
    // Life goes on: what comes next is kept too.
    let mut model = allowed[which].clone();
    let step = Step::Commit(vec![(2, 9, Some(50))]);
    run(&store, 99, &step).unwrap_or_else(|e| panic!("{context}: {e}"));
    apply(&mut model, 99, &step);
    drop(store);
    let store = open(&image.crash_with(7)).unwrap_or_else(|e| panic!("{context}, again: {e}"));
    check(&store, &[&model], context);
}

#[test]
fn every_call_of_every_short_workload() {
    let steps = alphabet();
    let mut images = 0u32;
    for a in &steps {
        for b in &steps {
            let workload = [steps[0].clone(), a.clone(), b.clone()];
            for at in 1..=calls_of(&workload) {
                let seed = at * 31 + u64::from(images);
                let (image, ended) = crash_once(&workload, at, seed);
                survives(&image, &ended, &format!("{workload:?} seed {seed} call {at}"));
                images += 1;
            }
        }
    }
    assert!(images > 500, "{images} crash images");
}

#[test]
fn a_crash_at_any_call_of_the_restart_three_deep() {
    let workload = [
        Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(10))]),
        Step::Checkpoint,
        Step::Commit(vec![(2, 0, Some(40_000))]),
        Step::Recreate(3),
        Step::Commit(vec![(2, 3, Some(40_000)), (3, 4, Some(5))]),
    ];
    let total = calls_of(&workload);
    for at in (1..=total).step_by(3) {
        for again in 1.. {
            let (mut image, ended) = crash_once(&workload, at, at);
            let mut hit = false;
            for depth in 0..3u64 {
                image.crash_at_call(again + depth);
                let opened = open(&image);
                hit |= image.is_dead();
                drop(opened);
                image = image.crash_with(at * 1000 + again * 10 + depth);
            }
            survives(&image, &ended, &format!("call {at}, restart crashed at {again} and on"));
            if !hit {
                break;
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let write = (2u8..5, 0u8..6, proptest::option::weighted(0.8, 0usize..12_000));
    prop_oneof![
        8 => proptest::collection::vec(write, 1..4).prop_map(Step::Commit),
        1 => (2u8..5).prop_map(Step::Recreate),
        2 => Just(Step::Checkpoint),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn random_workloads_crashed_anywhere(
        workload in proptest::collection::vec(step(), 1..25),
        at in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let total = calls_of(&workload);
        let at = 1 + at.index(usize::try_from(total).unwrap()) as u64;
        let (image, ended) = crash_once(&workload, at, seed);
        survives(&image, &ended, &format!("seed {seed} call {at} of {workload:?}"));
    }

    #[test]
    fn random_workloads_without_a_crash_keep_their_contents(
        workload in proptest::collection::vec(step(), 1..40),
    ) {
        let disk = SimDisk::new(3);
        let ended = run_all(&disk, &workload);
        prop_assert!(ended.opened);
        let store = open(&disk).unwrap();
        check(&store, &[&ended.acknowledged], "reopened");
        store.close().unwrap();
        let store = open(&disk).unwrap();
        check(&store, &[&ended.acknowledged], "after a clean stop");
    }
}

/// `STRONGROOM_CRASH_CASES` makes the long run.
fn cases() -> u32 {
    std::env::var("STRONGROOM_CRASH_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}
