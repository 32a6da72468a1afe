//! Several frames in flight: given back in log order however they complete, and whatever power loss
//! or a failing call leaves of them is a prefix of the log.

use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Appended, FrameKind, Log, LogError, Lsn, OpenHint, Tail, framed_len};

use crate::support::{ID, contents, deep, record, records};

type Frames = Vec<Vec<Vec<u8>>>;

fn create(disk: &SimDisk) -> Log {
    Log::create(Arc::new(disk.clone()), deep(), ID).unwrap()
}

fn open(disk: &SimDisk) -> Result<Log, LogError> {
    Log::open(Arc::new(disk.clone()), deep(), OpenHint::default()).map(|(log, _)| log)
}

fn submit(log: &mut Log, records: &[Vec<u8>]) -> Result<Appended, LogError> {
    let mut frame = log.begin_frame(records.iter().map(|r| framed_len(r.len())).sum())?;
    for record in records {
        frame.push(record).unwrap();
    }
    log.submit(frame)
}

#[test]
fn frames_are_given_back_in_log_order_and_durable_without_a_hole() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let mut log = create(&disk);
        assert_eq!((log.depth(), log.in_flight()), (4, 0));
        let mut expected = Vec::new();
        for n in 0..40 {
            expected.push(submit(&mut log, &[record(n, 1 + n * 293 % 9000)]).unwrap());
            assert!(log.durable_lsn() <= expected.last().unwrap().end);
        }
        let found: Frames = (0..40).map(|n| vec![record(n, 1 + n * 293 % 9000)]).collect();
        let visible = contents(&log);
        assert_eq!(visible, found[..visible.len()], "readers see a prefix");
        for appended in &expected {
            assert!(log.in_flight() > 0);
            assert_eq!(log.reap().unwrap(), Some(*appended));
            assert!(log.durable_lsn() >= appended.end);
        }
        assert_eq!((log.reap().unwrap(), log.in_flight()), (None, 0));
        assert_eq!(contents(&log), found);
    }
}

#[test]
fn several_are_in_flight_and_say_how_far_the_log_was_durable() {
    let disk = SimDisk::new(2);
    let mut log = create(&disk);
    let start = log.next_lsn();
    for n in 0..40 {
        submit(&mut log, &[record(n, 100)]).unwrap();
        if n == 11 {
            while log.reap().unwrap().is_some() {}
        }
    }
    while log.reap().unwrap().is_some() {}
    let mut behind = 0;
    let mut last = Lsn::ZERO;
    for frame in log.reader().frames(start) {
        let header = frame.unwrap().header;
        assert!(header.durable_lsn >= last && header.durable_lsn <= header.lsn);
        last = header.durable_lsn;
        behind = behind.max((header.lsn.0 - header.durable_lsn.0) / 4096);
        assert_eq!(header.kind, FrameKind::Data);
    }
    // Frames before the one that was submitted and not durable yet: at most twice the depth, itself
    // included.
    assert!((3..8).contains(&behind), "{behind}");
}

#[test]
fn a_segment_is_not_recycled_under_a_write() {
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let mut log = create(&disk);
        for n in 0..6 {
            submit(&mut log, &[record(n, 30_000)]).unwrap();
            let sealed: Vec<u64> = log.segments().iter().rev().skip(1).map(|s| s.no).collect();
            log.recycle(&sealed).unwrap();
        }
        while log.reap().unwrap().is_some() {}
        let kept = contents(&log);
        assert_eq!(kept.last().unwrap(), &[record(5, 30_000)]);
        drop(log);
        assert_eq!(contents(&open(&disk).unwrap()), kept);
    }
}

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

/// The cause of the first failure stays, whatever is asked for later.
#[test]
fn a_failure_in_flight_takes_everything_behind_it_along() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..3 {
        submit(&mut log, &[record(n, 10)]).unwrap();
    }
    disk.fail_after(0, ErrorKind::TimedOut, false);
    let mut given_back = 0;
    let failure = loop {
        match log.reap() {
            Ok(Some(_)) => given_back += 1,
            Ok(None) => panic!("a failed write is told"),
            Err(error) => break error,
        }
    };
    let durable = log.durable_lsn();
    for error in [
        failure,
        log.reap().unwrap_err(),
        log.begin_frame(1).unwrap_err(),
        log.recycle(&[]).map_or_else(|e| e, |()| log.reap().unwrap_err()),
    ] {
        let LogError::Poisoned { cause } = error else { panic!("{error:?}") };
        assert_eq!(cause.kind(), ErrorKind::TimedOut);
    }
    assert_eq!(log.poisoned().unwrap().kind(), ErrorKind::TimedOut);
    assert!(given_back < 3 && log.durable_lsn() == durable);
    assert!(matches!(log.close(), Err(LogError::Poisoned { .. })));
}

/// Two holes: everything from the first on is dropped, and neither comes back later.
#[test]
fn the_log_ends_at_the_first_of_several_holes() {
    let mut torn = 0;
    for seed in 0..400 {
        let disk = SimDisk::new(seed);
        let mut log = create(&disk);
        let frames: Frames = (0..5).map(|n| vec![record(n, 600)]).collect();
        for frame in &frames[..4] {
            submit(&mut log, frame).unwrap();
        }
        drop(log);
        let after = disk.crash_with(seed);
        let (mut log, report) =
            Log::open(Arc::new(after.clone()), deep(), OpenHint::default()).unwrap();
        let found = contents(&log);
        assert_eq!(found[..], frames[..found.len()]);
        torn += usize::from(matches!(report.tail, Tail::Torn { .. }));
        let end = report.end;
        let appended = submit(&mut log, &frames[4]).unwrap();
        while log.reap().unwrap().is_some() {}
        drop(log);
        for scan_from in [Lsn::ZERO, end, appended.end] {
            let hint = OpenHint { scan_from, known_durable: appended.end };
            let (log, report) = Log::open(Arc::new(after.clone()), deep(), hint).unwrap();
            assert_eq!(report.end, appended.end);
            assert_eq!(contents(&log).len(), found.len() + 1);
        }
    }
    assert!(torn > 100, "{torn}");
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
                Op::Append(len) => crate::support::append(&mut log, &[record(n, len)]).map(|at| {
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
        let hint = OpenHint { scan_from: oldest, known_durable: given_back };
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
