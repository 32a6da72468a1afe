//! Room that recovery is sure of on a full disk.

use std::sync::Arc;

use proptest::prelude::*;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::disk::{Disk, DiskFile};
use strongroom_wal::{Log, LogError, LogOptions, Lsn, OpenHint, framed_len};

use crate::support::{append, record, small};

/// Pushes records as recovery does, into frames that are filled to the end of their segments.
fn recover(log: &mut Log, records: &[usize]) -> Result<(), LogError> {
    let mut frame = None;
    for (n, len) in records.iter().enumerate() {
        let mut now = match frame.take() {
            Some(frame) => frame,
            None => log.begin_recovery_frame(framed_len(*len))?,
        };
        if !now.fits(*len) {
            log.append(now)?;
            now = log.begin_recovery_frame(framed_len(*len))?;
        }
        now.push(&record(n, *len)).unwrap();
        frame = Some(now);
    }
    frame.map_or(Ok(()), |frame| log.append(frame).map(|_| ()))
}

/// Opens a log of which everything before `from` may have been recycled.
fn open(disk: &SimDisk, options: &LogOptions, from: Lsn) -> Log {
    let hint = OpenHint { scan_from: from, known_durable: from, ..OpenHint::default() };
    Log::open(Arc::new(disk.clone()), options.clone(), hint).unwrap().0
}

/// A log with frames of these lengths, some of its first segments recycled, on a disk with room for
/// `room` bytes more; and its end.
fn used_log(options: &LogOptions, frames: &[usize], recycled: u64, room: u64) -> (SimDisk, Lsn) {
    let disk = SimDisk::new(recycled);
    let mut log = Log::create(Arc::new(disk.clone()), options.clone(), crate::support::ID).unwrap();
    for (n, len) in frames.iter().enumerate() {
        append(&mut log, &[record(n, *len)]).unwrap();
    }
    let sealed = log.segments().len() as u64 - 1;
    let _ = log.recycle(&(0..recycled.min(sealed)).collect::<Vec<_>>());
    disk.set_capacity(Some(disk.used() + room));
    (disk, log.durable_lsn())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What was secured is there, whoever fills the disk, and after any crash; what is refused would
    /// not have fitted either.
    #[test]
    fn what_is_secured_is_there(
        frames in prop::collection::vec(1..30_000usize, 0..12),
        records in prop::collection::vec(1..9_000usize, 0..40),
        recycled in 0..4u64,
        room in 0..60u64,
        seed: u64,
        ahead: bool,
    ) {
        let options = LogOptions { prepare_ahead: ahead, recovery_reserve: 8192, ..small() };
        let (disk, end) = used_log(&options, &frames, recycled, room * 4096);
        let unsecured = disk.clone_image();
        unsecured.set_capacity(Some(disk.used() + room * 4096));
        let mut log = open(&disk, &options, end);
        match log.secure_recovery(records.iter().copied()) {
            Ok(()) => {
                let crashed = disk.crash_with(seed);
                crashed.set_capacity(Some(crashed.used()));
                disk.set_capacity(Some(disk.used()));
                let mut again = open(&crashed, &options, end);
                again.secure_recovery(records.iter().copied()).unwrap();
                for mut log in [log, again] {
                    recover(&mut log, &records).unwrap();
                    let frames: Vec<_> = log.reader().frames(end).map(Result::unwrap).collect();
                    let pushed: usize = frames.iter().map(|frame| frame.records().count()).sum();
                    prop_assert_eq!(pushed, records.len());
                }
            }
            Err(LogError::NoSpace) => {
                let refused = recover(&mut open(&unsecured, &options, end), &records);
                prop_assert!(matches!(refused, Err(LogError::NoSpace)));
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }

    /// Ordinary frames leave the reserve free, and it survives a crash though something else takes
    /// all the room that the crash leaves. A spare that held it once had a name that was not
    /// durable.
    #[test]
    fn ordinary_frames_leave_the_reserve(
        frames in prop::collection::vec(1..30_000usize, 1..12),
        recycled in 0..3u64,
        seed: u64,
        ahead: bool,
    ) {
        let options = LogOptions { prepare_ahead: ahead, recovery_reserve: 8192, ..small() };
        let (disk, end) = used_log(&options, &frames, recycled, 0);
        let mut log = open(&disk, &options, end);
        let mut n = 0;
        while append(&mut log, &[record(n, 3_000)]).is_ok() {
            n += 1;
        }
        // Without a frame since the log was opened nothing was taken care of.
        if n > 0 {
            drop(log);
            let image = disk.crash_with(seed);
            let mut log = open(&image, &options, end);
            image.set_capacity(Some(image.used()));
            recover(&mut log, &[4_000, 4_000 - 20]).unwrap();
        }
    }
}

/// A frame that several transactions come to share is announced by the first of them. What the others
/// pushed once came out of the reserve.
#[test]
fn more_than_was_announced_leaves_the_reserve() {
    let options = LogOptions { recovery_reserve: 8192, reserve_step: 4096, ..small() };
    for room in 0..40 {
        let (disk, end) = used_log(&options, &[30_000], 0, room * 4096);
        let mut log = open(&disk, &options, end);
        let mut taken = 0;
        while let Ok(mut frame) = log.begin_frame(10) {
            while frame.payload_len() < 9_000 && frame.push(&record(taken, 3_000)).is_ok() {}
            match log.append(frame) {
                Ok(_) => taken += 1,
                Err(error) => {
                    assert!(matches!(error, LogError::NoSpace), "{error}");
                    break;
                }
            }
        }
        disk.set_capacity(Some(disk.used()));
        recover(&mut log, &[4_000, 4_000 - 20]).unwrap_or_else(|e| panic!("{room}: {e}"));
    }
}

/// Nothing of the first record fits where the log was closed, and the block of the marker went to
/// the closing: the seal had none, and recovery did not get into the room that was secured for it.
#[test]
fn what_is_secured_behind_a_closing_is_there() {
    let options = LogOptions { reserve_step: 4096, ..small() };
    let disk = SimDisk::new(1);
    let mut log = Log::create(Arc::new(disk.clone()), options.clone(), crate::support::ID).unwrap();
    let end = append(&mut log, &[record(0, 50_000)]).unwrap().end;
    log.close().unwrap();
    let full = disk.clone_image();
    full.set_capacity(Some(full.used()));
    open(&full, &options, end).secure_recovery([]).unwrap();
    let mut log = open(&disk, &options, end);
    log.secure_recovery([9_000]).unwrap();
    disk.set_capacity(Some(disk.used()));
    recover(&mut log, &[9_000]).unwrap();
}

/// Spares were taken by their size alone: a segment that needed the smaller one took the larger, and
/// recovery stood still in the next.
#[test]
fn what_is_secured_is_there_though_later_segments_need_more() {
    let disk = SimDisk::new(1);
    let mut log = Log::create(Arc::new(disk.clone()), small(), crate::support::ID).unwrap();
    let whole = log.max_payload() - 3;
    append(&mut log, &[record(0, whole)]).unwrap();
    let records = [50_000, 20_000, 41_000];
    log.secure_recovery(records).unwrap();
    disk.set_capacity(Some(disk.used()));
    recover(&mut log, &records).unwrap();
}

/// Records that no frame can hold are told, and nothing is taken for them.
#[test]
fn a_record_over_the_limit_is_told() {
    let disk = SimDisk::new(1);
    let mut log = Log::create(Arc::new(disk.clone()), small(), crate::support::ID).unwrap();
    let used = disk.used();
    let max = log.max_payload();
    assert!(matches!(log.secure_recovery([10, max]), Err(LogError::TooLarge { .. })));
    assert_eq!(disk.used(), used);
    log.secure_recovery([]).unwrap();
    assert_eq!(disk.used(), used);
    log.secure_recovery([max - 3]).unwrap();
}

/// A spare that was prepared and never was a segment once counted as recycled: a torn frame in it
/// could not be told from bytes of a former life. Also when another process finds it.
#[test]
fn a_prepared_spare_is_no_recycled_segment() {
    let recycled = |disk: &SimDisk, no: u64| {
        let file: Arc<dyn DiskFile> = disk.open(&format!("wal-{no:016x}.log")).unwrap();
        let mut block = [0; 4096];
        file.read_at(0, &mut block).unwrap();
        block[9] & 1 == 1
    };
    let options = LogOptions { prepare_ahead: true, ..small() };
    for reopened in [false, true] {
        let disk = SimDisk::new(1);
        let mut log =
            Log::create(Arc::new(disk.clone()), options.clone(), crate::support::ID).unwrap();
        append(&mut log, &[record(0, 40_000)]).unwrap();
        if reopened {
            drop(log);
            log = open(&disk, &options, Lsn::ZERO);
        }
        append(&mut log, &[record(1, 40_000)]).unwrap();
        assert!(!recycled(&disk, 0) && !recycled(&disk, 1), "reopened: {reopened}");
        log.recycle(&[0]).unwrap();
        if reopened {
            drop(log);
            log = open(&disk, &options, Lsn::ZERO);
        }
        append(&mut log, &[record(2, 40_000)]).unwrap();
        append(&mut log, &[record(3, 40_000)]).unwrap();
        assert!(!recycled(&disk, 2) && recycled(&disk, 3), "reopened: {reopened}");
    }
}

/// However much recovery was promised: a log of small segments would otherwise fill a disk by it.
#[test]
fn the_reserve_is_no_more_than_an_eighth_of_a_segment() {
    let disk = SimDisk::new(1);
    disk.set_capacity(Some(80 * 1024));
    let options = LogOptions { recovery_reserve: 1 << 30, ..small() };
    let mut log = Log::create(Arc::new(disk.clone()), options, crate::support::ID).unwrap();
    append(&mut log, &[record(0, 100)]).unwrap();
    // A header, the frame, an eighth of the segment, and the block of a seal, in steps of 16 KiB.
    assert_eq!(disk.used(), 32 * 1024);
}
