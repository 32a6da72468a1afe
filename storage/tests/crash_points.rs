//! Power loss at every call to the disk, and at every call of the restart after it, three deep.
//!
//! Exhaustive for short workloads, after the finding that most crash bugs need at most three
//! operations (J. Mohan et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash
//! Testing", OSDI 2018); seeded and random for longer ones. Exhaustive are the calls, submissions
//! and completions of writes among them, and what power loss may leave at each, as far as it
//! goes: nothing of what was not synced, all of it, and each change alone lost, kept or torn; besides
//! that random images, and the end of the process alone, with power loss after the next start. A failure prints the command that repeats it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use proptest::prelude::*;
use strongroom_storage::Options;
use strongroom_wal::disk::sim::SimDisk;
use support::seeds::each_seed;
use support::session::LargeStep;
use support::sweep::{Sweep, every_workload};
use support::{Step, check, four_pages, open_with, options, run_all_with};

fn alphabet() -> Vec<Step> {
    vec![
        Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(10))]),
        Step::Commit(vec![(2, 0, Some(30_000)), (2, 2, Some(100))]),
        Step::Commit(vec![(2, 0, None), (3, 1, Some(20))]),
        Step::Recreate(2),
        Step::Checkpoint,
    ]
}

/// So many writes in a frame that they are made in place: keys come, change and go, pages split and
/// are joined again.
fn many_writes() -> Vec<Step> {
    let many = |of: &dyn Fn(u8) -> Option<usize>| (0..60).map(|key| (2, key, of(key))).collect();
    vec![
        Step::Commit(many(&|key| Some(usize::from(key) * 9))),
        Step::Commit(many(&|key| (key % 3 == 0).then_some(200))),
        Step::Commit(vec![(2, 7, Some(10)), (2, 40, None), (3, 1, Some(10))]),
        Step::Checkpoint,
    ]
}

/// Around every step of it a large transaction spills, checkpoints are made, and others commit. The second
/// write takes several frames, which are in flight together.
fn large_alphabet() -> Vec<Step> {
    let write = |from, to, len| LargeStep::Write { keyspace: 2, from, to, len };
    vec![
        Step::Large(write(0, 60, Some(100))),
        Step::Large(write(6, 9, None)),
        Step::Large(write(50, 62, Some(9000))),
        Step::Large(LargeStep::Savepoint),
        Step::Large(LargeStep::RollBack),
        Step::Large(LargeStep::Commit),
        Step::Large(LargeStep::Drop),
        Step::Checkpoint,
    ]
}

#[test]
fn every_call_of_every_short_workload() {
    let steps = alphabet();
    let mut sweeps = [Sweep::on(options()), Sweep::on(four_pages())];
    let test = "every_call_of_every_short_workload";
    every_workload(test, (&[], &steps), 3, &mut sweeps);
}

#[test]
fn every_call_around_frames_of_many_writes() {
    let steps = many_writes();
    let mut sweeps = [Sweep::on(options()), Sweep::on(four_pages())];
    let test = "every_call_around_frames_of_many_writes";
    every_workload(test, (&[], &steps), 3, &mut sweeps);
}

/// A large transaction is wholly there or wholly not, wherever the power goes, with checkpoints,
/// savepoints and the commits of others in its middle, and four pages in memory.
#[test]
fn every_call_of_every_short_large_transaction() {
    let steps = large_alphabet();
    let first = Step::Commit(vec![(2, 7, Some(10)), (2, 40, Some(10)), (3, 1, Some(10))]);
    let mut sweeps = [Sweep::on(four_pages())];
    let test = "every_call_of_every_short_large_transaction";
    every_workload(test, (&[first, steps[0].clone()], &steps), 2, &mut sweeps);
    sweeps[0].has_seen_it_all();
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
    Sweep::on(options()).three_deep(&workload, 3);
}

/// The same where the restart has losers to undo that were written before and after a checkpoint,
/// and partly rolled back.
#[test]
fn a_crash_at_any_call_of_an_undo_three_deep() {
    let write = |from, to, len| Step::Large(LargeStep::Write { keyspace: 2, from, to, len });
    let workload = [
        Step::Commit(vec![(2, 0, Some(10)), (2, 5, Some(10)), (3, 1, Some(10))]),
        write(0, 60, Some(300)),
        Step::Checkpoint,
        Step::Large(LargeStep::Savepoint),
        write(3, 8, None),
        Step::Large(LargeStep::RollBack),
        write(50, 70, Some(200)),
        Step::Commit(vec![(3, 2, Some(30_000))]),
    ];
    let mut sweep = Sweep::on(four_pages());
    sweep.three_deep(&workload, 5);
    sweep.has_seen_it_all();
}

/// Of a value; every tenth is empty.
fn len(below: usize) -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(0), 9 => 1..below]
}

fn step() -> impl Strategy<Value = Step> {
    let write = (2u8..5, 0u8..6, proptest::option::weighted(0.8, len(12_000)));
    let one_of_many = (2u8..5, 0u8..200, proptest::option::weighted(0.7, len(300)));
    prop_oneof![
        8 => proptest::collection::vec(write, 1..4).prop_map(Step::Commit),
        4 => proptest::collection::vec(one_of_many, 16..60).prop_map(Step::Commit),
        1 => (2u8..5).prop_map(Step::Recreate),
        2 => Just(Step::Checkpoint),
        5 => large_step().prop_map(Step::Large),
    ]
}

fn large_step() -> impl Strategy<Value = LargeStep> {
    let len = proptest::option::weighted(0.8, len(4_000));
    prop_oneof![
        6 => (2u8..5, 0u8..20, 1u8..40, len).prop_map(|(keyspace, from, n, len)| {
            LargeStep::Write { keyspace, from, to: from + n, len }
        }),
        2 => Just(LargeStep::Savepoint),
        2 => Just(LargeStep::RollBack),
        1 => Just(LargeStep::Commit),
        1 => Just(LargeStep::Drop),
    ]
}

fn pool() -> impl Strategy<Value = Options> {
    prop_oneof![Just(options()), Just(four_pages())]
}

/// Power loss at a call, what it leaves by a seed, and calls of the restarts after it at which power is
/// lost again, as far as they take so many.
fn crash() -> impl Strategy<Value = (prop::sample::Index, u64, Vec<u64>)> {
    let restarts = proptest::collection::vec(0..120u64, 0..4);
    (any::<prop::sample::Index>(), any::<u64>(), restarts)
}

#[test]
fn random_workloads_crashed_anywhere() {
    let workload = proptest::collection::vec(step(), 1..25);
    let cases = (pool(), workload, proptest::collection::vec(crash(), 8));
    let name = ("crash_points", "random_workloads_crashed_anywhere");
    each_seed(name, &cases, |(options, workload, crashes)| {
        let mut sweep = Sweep::on(options);
        let total = usize::try_from(sweep.calls_of(&workload)).unwrap();
        let pages = options.pool_pages;
        for (at, seed, restarts) in crashes {
            let at = 1 + at.index(total) as u64;
            let (mut image, ended) = sweep.crash_once(&workload, at, seed);
            for again in &restarts {
                image.crash_at_call(*again);
                drop(open_with(&image, options));
                image = image.crash_with(seed ^ again);
            }
            let context =
                format!("{pages} pages, seed {seed} call {at}, then {restarts:?} of {workload:?}");
            sweep.survives(&image, &ended.allowed(), &context);
        }
        Ok(())
    });
}

#[test]
fn random_workloads_without_a_crash_keep_their_contents() {
    let cases = (pool(), proptest::collection::vec(step(), 1..40));
    let name = ("crash_points", "random_workloads_without_a_crash_keep_their_contents");
    each_seed(name, &cases, |(options, workload)| {
        let disk = SimDisk::new(3);
        let ended = run_all_with(&disk, options, &workload);
        prop_assert!(ended.opened);
        let store = open_with(&disk, options).unwrap();
        check(&store, &[&ended.acknowledged], "reopened");
        store.close().unwrap();
        let store = open_with(&disk, options).unwrap();
        check(&store, &[&ended.acknowledged], "after a clean stop");
        Ok(())
    });
}
