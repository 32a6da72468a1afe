//! Whatever power loss or a failing call leaves of several frames in flight is a prefix of the log:
//! at every submission and completion, and at random.

use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Appended, Log, LogError, Lsn, OpenHint};

use crate::pipeline::{Frames, create, open, submit};
use crate::support::{ID, append, contents, deep, record, records};

/// Submits everything, reaping when `reaps` says so; what was given back, and whether there was a
/// log to begin with.
fn run(disk: &SimDisk, workload: &Frames, reaps: u64) -> (bool, usize) {
    let mut given_back = 0;
    let Ok(mut log) = Log::create(Arc::new(disk.clone()), deep(), ID) else { return (false, 0) };
    let mut failed = false;
    for (n, frame) in workload.iter().enumerate() {
        match submit(&mut log, frame) {
            Ok(_) => assert!(!failed, "a poisoned log takes nothing"),
            Err(LogError::Poisoned { .. }) => failed = true,
            Err(LogError::NoSpace) => {
                assert!(!failed);
                // Refused whole, and usable on: the next try takes it or is refused as well.
                match submit(&mut log, frame) {
                    Ok(_) => {}
                    Err(LogError::NoSpace | LogError::Poisoned { .. }) => break,
                    Err(error) => panic!("{error:?}"),
                }
            }
            Err(error) => panic!("{error:?}"),
        }
        if reaps >> n & 1 == 1 {
            match log.reap() {
                Ok(reaped) => given_back += usize::from(reaped.is_some()),
                Err(LogError::Poisoned { .. }) => failed = true,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(!(failed && log.reap().is_ok()), "a poisoned log gives nothing back");
    }
    while let Ok(Some(_)) = log.reap() {
        assert!(!failed);
        given_back += 1;
    }
    let _ = log.close();
    (true, given_back)
}

/// What a crash leaves is a prefix with everything that was given back, and a log to go on with.
fn check(disk: &SimDisk, workload: &Frames, outcome: (bool, usize), depth: u64) {
    if depth > 0 {
        let again = disk.clone_image();
        again.crash_at_call(depth * 4);
        let _ = open(&again);
        check(&again.crash_with(depth), workload, outcome, depth - 1);
    }
    let (created, given_back) = outcome;
    let mut log = match open(disk) {
        Ok(log) => log,
        Err(LogError::NotFound) if !created => return,
        Err(error) => panic!("{error:?} after {outcome:?}"),
    };
    let found = contents(&log);
    assert!(found.len() >= given_back, "{} of {given_back} found", found.len());
    assert_eq!(found[..], workload[..found.len()], "a prefix of what was submitted");
    submit(&mut log, &[record(77, 5000)]).unwrap();
    while log.reap().unwrap().is_some() {}
    drop(log);
    let again = contents(&open(disk).unwrap());
    assert_eq!((again.len(), &again[..found.len()]), (found.len() + 1, &found[..]));
}

#[test]
fn power_fails_at_every_submission_and_completion() {
    let small: Frames = (0..7).map(|n| vec![record(n, 100), record(n + 9, 1)]).collect();
    let switching: Frames = (0..6).map(|n| vec![record(n, 24_000 + n)]).collect();
    for (workload, reaps) in
        [(&small, 0), (&small, 0b101_1000), (&switching, 0b100), (&switching, 0)]
    {
        let whole = SimDisk::new(0);
        run(&whole, workload, reaps);
        // A disk of another seed may complete in another order and take some calls more.
        for call in 0..whole.calls() + 4 {
            let disk = SimDisk::new(call);
            disk.crash_at_call(call);
            let outcome = run(&disk, workload, reaps);
            for seed in 0..6 {
                check(&disk.crash_with(seed * 1009 + call), workload, outcome, 2);
            }
        }
    }
}

#[test]
fn every_submission_and_completion_fails() {
    let workload: Frames = (0..7).map(|n| vec![record(n, 100 + n * 4800), record(n, 9)]).collect();
    let whole = SimDisk::new(0);
    run(&whole, &workload, 0b10_0100);
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        for sticky in [false, true] {
            for call in 0..whole.calls() + 4 {
                let disk = SimDisk::new(call);
                disk.fail_after(call, kind, sticky);
                let outcome = run(&disk, &workload, 0b10_0100);
                disk.heal();
                check(&disk.crash_with(call), &workload, outcome, 0);
                // The process died or gave up, power stayed on: the page cache may lie.
                check(&disk, &workload, outcome, 0);
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Submit(usize),
    Reap,
    Append(usize),
    Recycle,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (1..30_000usize).prop_map(Op::Submit),
        3 => Just(Op::Reap),
        1 => (1..9_000usize).prop_map(Op::Append),
        1 => Just(Op::Recycle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Random use, then power loss at a random call: what was given back and not recycled is there.
    #[test]
    fn random_use_and_power_loss(
        ops in proptest::collection::vec(op(), 1..40),
        seed: u64,
        crash in 0..200u64,
    ) {
        let disk = SimDisk::new(seed);
        let mut log = create(&disk);
        disk.crash_at_call(crash);
        let mut submitted: Vec<(Appended, usize)> = Vec::new();
        let (mut given_back, mut oldest) = (Lsn::ZERO, log.oldest());
        for (n, op) in ops.into_iter().enumerate() {
            let done = match op {
                Op::Submit(len) => submit(&mut log, &[record(n, len)]).map(|at| submitted.push((at, len))),
                Op::Append(len) => append(&mut log, &[record(n, len)]).map(|at| {
                    submitted.push((at, len));
                    given_back = at.end;
                }),
                Op::Reap => log.reap().map(|at| given_back = at.map_or(given_back, |at| at.end)),
                Op::Recycle => {
                    let kept = log.segments();
                    let sealed: Vec<u64> = kept.iter().rev().skip(1).map(|s| s.no).collect();
                    // Who recycles has given up all of it, however far the recycling gets.
                    oldest = oldest.max(kept.last().map_or(Lsn::ZERO, |s| s.start));
                    log.recycle(&sealed)
                }
            };
            oldest = oldest.max(log.oldest());
            if done.is_err() {
                break;
            }
        }
        let after = disk.crash();
        let hint = OpenHint { scan_from: oldest, known_durable: given_back, ..OpenHint::default() };
        let (log, report) = match Log::open(Arc::new(after), deep(), hint) {
            Ok(opened) => opened,
            // All that was acknowledged was recycled, and what was begun since is not there.
            Err(error) if given_back < oldest => {
                let expected = matches!(error, LogError::Missing { .. } | LogError::NotFound | LogError::Rotten { .. });
                prop_assert!(expected, "{error:?}");
                return Ok(());
            }
            Err(error) => panic!("{error:?}"),
        };
        prop_assert!(report.end >= given_back);
        let found: Vec<_> = log.reader().frames(oldest).map(|f| f.unwrap()).collect();
        let expected = submitted.iter().enumerate().filter(|(_, (at, _))| at.start >= oldest);
        for (frame, (_, (at, len))) in found.iter().zip(expected) {
            prop_assert_eq!((frame.start(), frame.end()), (at.start, at.end));
            prop_assert_eq!(records(frame)[0].len(), *len);
        }
    }
}
