//! Power loss at every disk call of small workloads.

use std::sync::Arc;

use crate::support::{ID, append, contents, record, records, small};
use strongroom_wal::disk::Disk as _;
use strongroom_wal::disk::sim::{Left, SimDisk};
use strongroom_wal::{Appended, Log, LogError, LogOptions, OpenHint};

// A dropped segment that comes back behind newer frames would be taken for damage to them.
#[test]
fn what_opening_drops_is_gone_for_good() {
    let disk = SimDisk::new(1);
    let mut log = Log::create(Arc::new(disk.clone()), small(), ID).unwrap();
    append(&mut log, &[record(1, 100)]).unwrap();
    drop(log);
    // A segment that was made and never begun.
    let never_begun = "wal-0000000000000001.log";
    disk.create(never_begun).unwrap().reserve(64 * 1024).unwrap();
    disk.sync_dir().unwrap();
    let (_log, _) = Log::open(Arc::new(disk.clone()), small(), OpenHint::default()).unwrap();
    for seed in 0..32 {
        assert_eq!(disk.crash_with(seed).contents(never_begun), None, "seed {seed}");
    }
}

/// A process that is killed leaves bytes and names that are not durable; who opens the log then takes them
/// for what there is. Names were not made so: a segment that had been removed came back after power
/// loss, and the master record of a store that was killed while it was made was gone.
#[test]
fn what_a_killed_process_left_is_durable_once_the_log_is_open() {
    let disk = SimDisk::new(1);
    disk.keep_moments();
    let (_, appended) = run_recycling(&disk, 24).unwrap();
    let mut found_at_the_end = 0;
    for moment in disk.moments() {
        let killed = moment.left(Left::Cached);
        let open = |disk: &SimDisk| {
            Log::open(Arc::new(disk.clone()), small(), OpenHint::default())
                .map(|(log, report)| (contents(&log), report.end))
        };
        // It had not come to make the log.
        let Ok((found, end)) = open(&killed) else { continue };
        let (again, _) = open(&killed.moment().left(Left::Nothing)).unwrap();
        assert!(again == found, "{:?}: {} and {}", moment.calls(), found.len(), again.len());
        found_at_the_end = end.0;
    }
    assert!(found_at_the_end >= appended.end.0);
}

/// Runs the workload until it is done or the disk dies; the records whose append returned `Ok`.
fn run(disk: &SimDisk, workload: &[Vec<Vec<u8>>]) -> (bool, Vec<Vec<Vec<u8>>>) {
    let mut acknowledged = Vec::new();
    let Ok(mut log) = Log::create(Arc::new(disk.clone()), small(), ID) else {
        return (false, acknowledged);
    };
    for frame in workload {
        if append(&mut log, frame).is_err() {
            return (true, acknowledged);
        }
        acknowledged.push(frame.clone());
    }
    let _ = log.close();
    (true, acknowledged)
}

fn sweep(workload: &[Vec<Vec<u8>>], images: u64) {
    let whole = SimDisk::new(0);
    run(&whole, workload);
    for call in 0..whole.calls() {
        let disk = SimDisk::new(call);
        disk.crash_at_call(call);
        let (created, acknowledged) = run(&disk, workload);
        assert!(disk.is_dead());
        for seed in 0..images {
            check(&disk.crash_with(seed * 1009 + call), workload, created, &acknowledged, 3);
        }
    }
}

/// Opens what the crash left, with further crashes during opening up to a depth.
fn check(
    disk: &SimDisk,
    workload: &[Vec<Vec<u8>>],
    created: bool,
    acknowledged: &[Vec<Vec<u8>>],
    depth: u64,
) {
    if depth > 0 {
        let again = disk.clone_image();
        again.crash_at_call(depth * 5);
        let _ = Log::open(Arc::new(again.clone()), small(), OpenHint::default());
        check(&again.crash_with(depth), workload, created, acknowledged, depth - 1);
    }
    let mut log = match Log::open(Arc::new(disk.clone()), small(), OpenHint::default()) {
        Ok((log, _)) => log,
        Err(LogError::NotFound) if !created => {
            Log::create(Arc::new(disk.clone()), small(), ID).unwrap()
        }
        Err(error) => panic!("{error:?}, created {created}, {} acknowledged", acknowledged.len()),
    };
    let found = contents(&log);
    assert!(found.len() >= acknowledged.len() && found.len() <= acknowledged.len() + 1);
    assert_eq!(found[..], workload[..found.len()], "a prefix of what was appended");
    append(&mut log, &[record(77, 5000)]).unwrap();
    drop(log);
    let (log, _) = Log::open(Arc::new(disk.clone()), small(), OpenHint::default()).unwrap();
    assert_eq!(contents(&log).len(), found.len() + 1);
}

#[test]
fn small_frames() {
    let workload: Vec<_> = (0..4).map(|n| vec![record(n, 100), record(n + 9, 1)]).collect();
    sweep(&workload, 20);
}

#[test]
fn frames_of_many_sectors() {
    let workload: Vec<_> = (0..3).map(|n| vec![record(n, 20_000)]).collect();
    sweep(&workload, 20);
}

#[test]
fn segment_switches() {
    let workload: Vec<_> = (0..6).map(|n| vec![record(n, 25_000 + n)]).collect();
    sweep(&workload, 8);
}

/// Appends one-record frames and recycles every sealed segment after each; the last frame that was
/// acknowledged, with its number.
fn run_recycling(disk: &SimDisk, frames: usize) -> Option<(usize, Appended)> {
    let options = LogOptions { spare_segments: 1, ..small() };
    let mut log = Log::create(Arc::new(disk.clone()), options, ID).ok()?;
    let mut last = None;
    for n in 0..frames {
        let Ok(appended) = append(&mut log, &[record(n, 14_000)]) else { return last };
        last = Some((n, appended));
        if n % 7 == 6 {
            let sealed: Vec<u64> = log.segments().iter().rev().skip(1).map(|s| s.no).collect();
            if log.recycle(&sealed).is_err() {
                return last;
            }
        }
    }
    last
}

#[test]
fn recycling() {
    const FRAMES: usize = 24;
    let whole = SimDisk::new(0);
    run_recycling(&whole, FRAMES);
    for call in 0..whole.calls() {
        let disk = SimDisk::new(call);
        disk.crash_at_call(call);
        let Some((n, at)) = run_recycling(&disk, FRAMES) else { continue };
        for seed in 0..12 {
            let after = Arc::new(disk.crash_with(seed));
            let hint =
                OpenHint { scan_from: at.start, known_durable: at.end, ..OpenHint::default() };
            let (mut log, _) = Log::open(after.clone(), small(), hint).unwrap();
            append(&mut log, &[record(99, 9)]).unwrap();
            let found: Vec<_> =
                log.reader().frames(at.start).map(|frame| records(&frame.unwrap())).collect();
            let mut expected = vec![vec![record(n, 14_000)], vec![record(99, 9)]];
            if found.len() == 3 {
                // The frame that was under way when power failed.
                expected.insert(1, vec![record(n + 1, 14_000)]);
            }
            assert_eq!(found, expected, "call {call}, seed {seed}");
        }
    }
}
