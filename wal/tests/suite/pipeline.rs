//! Several frames in flight: given back in log order however they complete, and a failure or a hole
//! takes along everything behind it.

use std::io::ErrorKind;
use std::sync::Arc;

use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Appended, FrameKind, Log, LogError, Lsn, OpenHint, Tail, framed_len};

use crate::support::{ID, contents, deep, record};

pub(crate) type Frames = Vec<Vec<Vec<u8>>>;

pub(crate) fn create(disk: &SimDisk) -> Log {
    Log::create(Arc::new(disk.clone()), deep(), ID).unwrap()
}

pub(crate) fn open(disk: &SimDisk) -> Result<Log, LogError> {
    Log::open(Arc::new(disk.clone()), deep(), OpenHint::default()).map(|(log, _)| log)
}

pub(crate) fn submit(log: &mut Log, records: &[Vec<u8>]) -> Result<Appended, LogError> {
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
            let hint = OpenHint { scan_from, known_durable: appended.end, ..OpenHint::default() };
            let (log, report) = Log::open(Arc::new(after.clone()), deep(), hint).unwrap();
            assert_eq!(report.end, appended.end);
            assert_eq!(contents(&log).len(), found.len() + 1);
        }
    }
    assert!(torn > 100, "{torn}");
}

/// A write that is on its way into a file that becomes another segment would land on its frames.
#[test]
fn a_segment_is_recycled_once_its_writes_have_arrived() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let mut log = Log::create(Arc::new(disk), deep(), ID).unwrap();
        let mut last = None;
        while log.segments().len() < 2 {
            let mut frame = log.begin_frame(20_010).unwrap();
            if log.segments().len() < 2 {
                frame.push(&record(1, 20_000)).unwrap();
                last = Some(log.submit(frame).unwrap().end);
            }
        }
        log.recycle(&[0]).unwrap();
        assert!(Some(log.durable_lsn()) >= last, "seed {seed}");
    }
}
