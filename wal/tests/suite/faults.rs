//! Failing calls and full disks: no false acknowledgement, poison or `NoSpace` as promised.

use std::io::ErrorKind;
use std::sync::Arc;

use strongroom_wal::disk::Disk as _;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Log, LogError, LogOptions, OpenHint, Tail};

use crate::support::{ID, append, contents, create, deep, record, reopen, small};

type Frames = Vec<Vec<Vec<u8>>>;

#[derive(Default)]
struct Outcome {
    created: bool,
    acknowledged: Frames,
    /// The frame whose append ended in poison: it may be found or not.
    doubtful: Option<Vec<Vec<u8>>>,
}

/// Appends everything it can, checking what each failure promises for the calls after it.
fn run(disk: &SimDisk, workload: &Frames, sticky: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut log = match Log::create(Arc::new(disk.clone()), small(), ID) {
        Ok(log) => log,
        Err(LogError::NoSpace | LogError::Poisoned { .. } | LogError::Io { .. }) => return outcome,
        Err(error) => panic!("{error:?}"),
    };
    outcome.created = true;
    for frame in workload {
        match append(&mut log, frame) {
            Ok(_) => {
                assert!(outcome.doubtful.is_none(), "a poisoned log acknowledged");
                outcome.acknowledged.push(frame.clone());
            }
            Err(LogError::NoSpace) => {
                assert!(outcome.doubtful.is_none(), "a poisoned log says so");
                if !sticky {
                    append(&mut log, frame).expect("the log stays usable");
                    outcome.acknowledged.push(frame.clone());
                }
            }
            Err(LogError::Poisoned { .. }) => {
                outcome.doubtful.get_or_insert_with(|| frame.clone());
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    let closed = log.close();
    if outcome.doubtful.is_some() {
        assert!(matches!(closed, Err(LogError::Poisoned { .. })));
    }
    outcome
}

fn check(disk: &SimDisk, outcome: &Outcome) {
    let log = match Log::open(Arc::new(disk.clone()), small(), OpenHint::default()) {
        Ok((log, _)) => log,
        Err(LogError::NotFound) if !outcome.created => return,
        Err(error) => panic!("{error:?}"),
    };
    let found = contents(&log);
    let (acknowledged, rest) = found.split_at(outcome.acknowledged.len());
    assert_eq!(acknowledged, outcome.acknowledged);
    assert!(rest.len() <= 1 && rest.first().is_none_or(|f| Some(f) == outcome.doubtful.as_ref()));
    // What one opening found is durable: no power loss takes it back.
    for seed in 0..3 {
        let after = disk.crash_with(seed);
        assert_eq!(contents(&reopen(&after)), found);
    }
}

#[test]
fn every_call_fails_once_or_for_good() {
    let workload: Frames = (0..6).map(|n| vec![record(n, 100 + n * 4800), record(n, 9)]).collect();
    let whole = SimDisk::new(0);
    run(&whole, &workload, false);
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        for sticky in [false, true] {
            for call in 0..whole.calls() {
                let disk = SimDisk::new(call);
                disk.fail_after(call, kind, sticky);
                let outcome = run(&disk, &workload, sticky);
                disk.heal();
                for seed in 0..4 {
                    check(&disk.crash_with(seed), &outcome);
                }
                // The process died or gave up, power stayed on: the page cache may lie.
                check(&disk, &outcome);
            }
        }
    }
}

#[test]
fn every_call_of_opening_fails_and_the_next_opening_works() {
    let disk = SimDisk::new(5);
    let mut log = create(&disk);
    for n in 0..5 {
        append(&mut log, &[record(n, 14_000)]).unwrap();
    }
    let expected = contents(&log);
    drop(log);
    let image = disk.clone_image();
    reopen(&image);
    // A read that comes back short looked like the end of the file once, and so of the log.
    for kind in [ErrorKind::Other, ErrorKind::UnexpectedEof] {
        for call in 0..image.calls() {
            let disk = disk.clone_image();
            disk.fail_after(call, kind, false);
            let opened = Log::open(Arc::new(disk.clone()), small(), OpenHint::default());
            assert!(matches!(opened, Ok(_) | Err(LogError::Io { .. })));
            drop(opened);
            disk.heal();
            assert_eq!(contents(&reopen(&disk)), expected);
        }
    }
}

#[test]
fn a_full_disk_is_told_before_anything_is_written_and_room_brings_the_log_back() {
    for spare_bytes in 0..8 {
        let disk = SimDisk::new(1);
        let mut log = create(&disk);
        disk.set_capacity(Some(90_000 + spare_bytes * 4096));
        let mut kept = Vec::new();
        let full = loop {
            let frame = vec![record(kept.len(), 9_000)];
            match append(&mut log, &frame) {
                Ok(_) => kept.push(frame),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, LogError::NoSpace));
        assert!(matches!(append(&mut log, &[record(0, 50_000)]), Err(LogError::NoSpace)));
        assert_eq!(contents(&log), kept);
        assert_eq!(contents(&reopen(&disk.clone_image())), kept);
        let image = disk.clone_image();
        disk.set_capacity(None);
        kept.push(vec![record(7, 50_000)]);
        append(&mut log, &kept[kept.len() - 1]).unwrap();
        log.close().unwrap();
        assert_eq!(contents(&reopen(&disk)), kept);

        // The same while the full disk stays full: opening and closing still work.
        image.set_capacity(Some(image.used()));
        let mut log = reopen(&image);
        assert!(matches!(append(&mut log, &[record(0, 50_000)]), Err(LogError::NoSpace)));
        log.close().unwrap();
        assert_eq!(contents(&reopen(&image)), kept[..kept.len() - 1]);
    }
}

#[test]
fn more_than_was_announced_is_taken_or_refused_whole() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    disk.set_capacity(Some(disk.used()));
    let mut frame = log.begin_frame(10).unwrap();
    frame.push(&record(1, 30_000)).unwrap();
    assert!(matches!(log.append(frame), Err(LogError::NoSpace)));
    append(&mut log, &[record(2, 10)]).unwrap();
    disk.set_capacity(None);
    let mut frame = log.begin_frame(10).unwrap();
    frame.push(&record(3, 30_000)).unwrap();
    log.append(frame).unwrap();
    assert_eq!(contents(&reopen(&disk)), [vec![record(2, 10)], vec![record(3, 30_000)]]);
}

/// The seal of the old segment once needed a block that a full disk did not have, so that recycling
/// alone did not help.
#[test]
fn a_full_disk_goes_on_in_a_recycled_segment_and_closes() {
    for extra in 0..20 {
        let disk = SimDisk::new(1);
        let mut log = create(&disk);
        disk.set_capacity(Some(140_000 + extra * 4096));
        let mut n = 0;
        while append(&mut log, &[record(n, 9_000)]).is_ok() {
            n += 1;
        }
        assert!(log.segments().len() >= 2);
        log.recycle(&[0]).unwrap();
        append(&mut log, &[record(n, 9_000)]).unwrap();
        let kept = contents(&log);
        log.close().unwrap();
        let hint = OpenHint::default();
        let (log, report) = Log::open(Arc::new(disk), small(), hint).unwrap();
        assert_eq!((contents(&log), report.tail), (kept, Tail::Clean));
    }
}

/// A file that was cut off behind its last frame has no room for the seal. Left without one, the next
/// segment would not be found again.
#[test]
fn a_segment_without_room_for_its_seal_is_not_left() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..5 {
        append(&mut log, &[record(n, 25_000)]).unwrap();
    }
    let segments = log.segments();
    log.recycle(&[0]).unwrap();
    let (kept, last) = (contents(&log), segments.last().unwrap().no);
    let end = usize::try_from(log.durable_lsn().0 - last * small().segment_size).unwrap();
    drop(log);
    let cut = SimDisk::new(2);
    for name in disk.list().unwrap() {
        let mut bytes = disk.contents(&name).unwrap();
        if name == format!("wal-{last:016x}.log") {
            bytes.truncate(end);
        }
        let file = cut.create(&name).unwrap();
        file.write_at(0, &bytes).unwrap();
        file.sync().unwrap();
    }
    cut.sync_dir().unwrap();
    cut.set_capacity(Some(cut.used()));
    // The recycled segment has its space already.
    let mut log = reopen(&cut);
    assert!(matches!(log.begin_frame(50_000), Err(LogError::NoSpace)));
    drop(log);
    cut.set_capacity(None);
    let mut log = reopen(&cut);
    assert_eq!(contents(&log), kept);
    append(&mut log, &[record(9, 50_000)]).unwrap();
    assert_eq!(contents(&reopen(&cut)).len(), kept.len() + 1);
}

/// File systems need room to rename and to remove: to give a segment back, which makes room, is refused
/// like anything else on a full disk, and done when it is asked for again.
#[test]
fn a_segment_that_a_full_disk_does_not_take_back_stays() {
    for spare_segments in [0, 2] {
        let disk = SimDisk::new(1);
        let options = LogOptions { spare_segments, ..small() };
        let mut log = Log::create(Arc::new(disk.clone()), options.clone(), ID).unwrap();
        for n in 0..4 {
            append(&mut log, &[record(n, 40_000)]).unwrap();
        }
        let (kept, segments) = (contents(&log), log.segments());
        let whole = disk.clone_image();
        let hint = OpenHint::default();
        let (mut copy, _) = Log::open(Arc::new(whole.clone()), options, hint).unwrap();
        let before = whole.calls();
        copy.recycle(&[1]).unwrap();
        for call in 0..whole.calls() - before {
            disk.fail_after(call, ErrorKind::StorageFull, false);
            assert!(matches!(log.recycle(&[1]), Err(LogError::NoSpace)), "call {call}");
            assert_eq!((contents(&log), log.segments()), (kept.clone(), segments.clone()));
        }
        log.recycle(&[1, 0]).unwrap();
        append(&mut log, &[record(9, 40_000)]).unwrap();
        assert_eq!(log.segments().len(), 3);
    }
}

/// Ordinary frames stop in time: what recovery has to write still goes in, over the end of a segment
/// too, and after opening again on the same full disk.
#[test]
fn a_full_disk_leaves_room_for_recovery() {
    const RESERVE: usize = 8192;
    for extra in 0..24 {
        let disk = SimDisk::new(1);
        let mut log = Log::create(Arc::new(disk.clone()), deep(), ID).unwrap();
        disk.set_capacity(Some(100_000 + extra * 4096));
        let mut kept = 0;
        while append(&mut log, &[record(kept, 3_000)]).is_ok() {
            kept += 1;
        }
        assert!(matches!(log.begin_frame(1), Err(LogError::NoSpace)));
        if extra % 2 == 0 {
            drop(log);
            let (opened, _) =
                Log::open(Arc::new(disk.clone()), deep(), OpenHint::default()).unwrap();
            log = opened;
        }
        let mut frame = log.begin_recovery_frame(RESERVE - 100).unwrap();
        frame.push(&record(9, RESERVE - 103)).unwrap();
        log.append(frame).unwrap();
        log.close().unwrap();
        let (log, report) = Log::open(Arc::new(disk.clone()), deep(), OpenHint::default()).unwrap();
        assert_eq!((contents(&log).len(), report.tail), (kept + 1, Tail::Clean), "{extra}");
    }
}

/// Only a full disk is asked again, for less: a call that failed for another reason and works the
/// second time proves nothing.
#[test]
fn a_failed_call_is_not_tried_again() {
    let disk = SimDisk::new(1);
    append(&mut create(&disk), &[record(0, 20_000)]).unwrap();
    // One grows the segment, one goes on in the next; both take more than they need at once.
    for len in [9_000, 45_000] {
        let whole = disk.clone_image();
        let mut log = reopen(&whole);
        let before = whole.calls();
        append(&mut log, &[record(1, len)]).unwrap();
        for call in 0..whole.calls() - before {
            let disk = disk.clone_image();
            let mut log = reopen(&disk);
            disk.fail_after(call, ErrorKind::Other, false);
            let failed = append(&mut log, &[record(1, len)]);
            assert!(matches!(failed, Err(LogError::Poisoned { .. })), "call {call} of {len}");
        }
    }
}

/// A segment is begun when a full disk has just the room for it, and not with a block less: no
/// segment is left behind that has no place for the frame.
#[test]
fn the_next_segment_takes_what_it_needs_of_a_full_disk() {
    // A header, a frame of a block, what is left free for recovery, and a marker.
    for (free, blocks) in [(0, 3), (8192, 5)] {
        for (room, fits) in [(blocks, true), (blocks - 1, false)] {
            let disk = SimDisk::new(1);
            let mut log = create(&disk);
            let whole = log.max_payload() - 3;
            append(&mut log, &[record(0, whole)]).unwrap();
            drop(log);
            let options = LogOptions { recovery_reserve: free, ..small() };
            let hint = OpenHint::default();
            let (mut log, _) = Log::open(Arc::new(disk.clone()), options, hint).unwrap();
            disk.set_capacity(Some(disk.used() + room * 4096));
            assert_eq!(append(&mut log, &[record(1, 3_000)]).is_ok(), fits, "{free} {room}");
            assert_eq!(log.segments().len(), if fits { 2 } else { 1 });
        }
    }
}
