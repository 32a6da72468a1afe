//! The log as its users see it: positions, segments, recycling, reading.

use std::sync::Arc;

use crate::support::{ID, append, contents, create, record, records, reopen, small};
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{
    Log, LogError, LogOptions, LogReader, Lsn, OpenHint, ReadError, Tail, framed_len,
};

#[test]
fn what_was_appended_is_read_in_order_and_again_after_reopening() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    assert_eq!((log.next_lsn(), log.oldest()), (Lsn(4096), Lsn(4096)));
    let frames: Vec<Vec<Vec<u8>>> =
        (0..50).map(|n| (0..n % 7).map(|i| record(n, 1 + i * 997)).collect()).collect();
    let mut last = log.next_lsn();
    for frame in &frames {
        let at = append(&mut log, frame).unwrap();
        assert!(at.start >= last && at.end > at.start);
        assert_eq!(log.durable_lsn(), at.end);
        last = at.end;
    }
    assert!(log.segments().len() > 2, "the work spans segments");
    assert_eq!(contents(&log), frames);
    log.close().unwrap();
    let mut log = reopen(&disk);
    assert_eq!(contents(&log), frames);
    append(&mut log, &[record(99, 10)]).unwrap();
    assert_eq!(contents(&log).len(), frames.len() + 1);
}

#[test]
fn a_records_position_is_where_its_bytes_are() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    let mut frame = log.begin_frame(0).unwrap();
    let mut expected = Vec::new();
    for n in 0..40 {
        let bytes = record(n, 1 + n * 37);
        let announced = frame.record_lsn();
        assert_eq!(frame.push(&bytes).unwrap(), announced);
        expected.push((announced, bytes));
    }
    log.append(frame).unwrap();
    let reader = log.reader();
    let frame = reader.frames(log.oldest()).next().unwrap().unwrap();
    assert!(frame.records().eq(expected.iter().map(|(lsn, bytes)| (*lsn, bytes.as_slice()))));
    for (lsn, bytes) in &expected {
        let mut buf = vec![0; bytes.len()];
        reader.read_bytes(*lsn, &mut buf).unwrap();
        assert_eq!(&buf, bytes);
    }
}

#[test]
fn a_real_directory_holds_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(&path).unwrap());
    let options = LogOptions::default();
    let mut log = Log::create(Arc::clone(&disk), options.clone(), ID).unwrap();
    assert!(log.durable_report().is_some());
    assert_eq!(log.durable_report(), disk.durable_report());
    let big = record(3, 10 * 1024 * 1024);
    append(&mut log, &[record(1, 100)]).unwrap();
    append(&mut log, std::slice::from_ref(&big)).unwrap();
    append(&mut log, std::slice::from_ref(&big)).unwrap();
    let before = contents(&log);
    drop(log);
    let (log, report) = Log::open(disk, options, OpenHint::default()).unwrap();
    assert_eq!((report.tail, report.generation), (Tail::Clean, 2));
    assert!(contents(&log) == before);
    assert!(SysDisk::open_existing(&dir.path().join("none")).is_err());
}

#[test]
fn create_refuses_a_log_and_open_refuses_none() {
    let disk = SimDisk::new(1);
    let open = Log::open(Arc::new(disk.clone()), small(), OpenHint::default());
    assert!(matches!(open, Err(LogError::NotFound)));
    drop(create(&disk));
    let again = Log::create(Arc::new(disk), small(), ID);
    assert!(matches!(again, Err(LogError::Exists)));
    let options = LogOptions { segment_size: 5000, ..small() };
    let odd = Log::create(Arc::new(SimDisk::new(1)), options, ID);
    assert!(matches!(odd, Err(LogError::SegmentSize { segment_bytes: 5000 })));
}

#[test]
fn a_frame_takes_what_a_segment_holds_and_no_more() {
    let mut log = create(&SimDisk::new(1));
    let max = log.max_payload();
    let len = max - 3;
    assert_eq!(framed_len(len), max);
    append(&mut log, &[record(0, len)]).unwrap();
    append(&mut log, &[record(1, len)]).unwrap();
    assert_eq!(log.segments().len(), 2);
    let too_large = log.begin_frame(max + 1);
    assert!(matches!(too_large, Err(LogError::TooLarge { .. })));
    let mut frame = log.begin_frame(max).unwrap();
    assert!(frame.fits(len) && !frame.fits(len + 1));
    frame.push(&record(2, len)).unwrap();
    assert!(frame.push(&[1]).is_err());
    log.append(frame).unwrap();
    assert_eq!(contents(&log).len(), 3);
}

/// A segment that its last frame fills to the end counted as sealed, so that recycling could take
/// the log's only segment; killed then, no log was found.
#[test]
fn the_last_segment_is_not_recycled_though_it_is_full() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    let whole = log.max_payload() - 3;
    append(&mut log, &[record(0, whole)]).unwrap();
    assert!(matches!(log.recycle(&[0]), Err(LogError::NotSealed { segment: 0 })));
    append(&mut log, &[record(1, 1)]).unwrap();
    log.recycle(&[0]).unwrap();
    assert_eq!(contents(&reopen(&disk)), [[record(1, 1)]]);
}

/// The frame that begins a segment finds it filled with zeros: it is written in one call.
#[test]
fn the_next_segment_is_ready_before_it_is_needed() {
    let disk = SimDisk::new(1);
    let options = LogOptions { prepare_ahead: true, depth: 1, ..small() };
    let mut log = Log::create(Arc::new(disk.clone()), options, ID).unwrap();
    append(&mut log, &[record(0, 20_000)]).unwrap();
    assert_eq!(disk.list().unwrap().len(), 1);
    append(&mut log, &[record(1, 30_000)]).unwrap();
    assert_eq!(disk.list().unwrap(), ["spare-0000000000000001.log", "wal-0000000000000000.log"]);
    assert_eq!(disk.contents("spare-0000000000000001.log").unwrap(), vec![0; 65_536]);
    let used = disk.used();
    append(&mut log, &[record(2, 9_000)]).unwrap();
    assert_eq!((disk.used(), disk.list().unwrap().len()), (used, 2), "nothing was allocated");

    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir.path()).unwrap());
    let options = LogOptions { prepare_ahead: true, ..small() };
    let mut log = Log::create(Arc::clone(&disk), options, ID).unwrap();
    for n in 0..40 {
        append(&mut log, &[record(n, 9_000)]).unwrap();
    }
    assert_eq!(contents(&log).len(), 40);
    drop(log);
    let spares = disk.list().unwrap().iter().filter(|name| name.starts_with("spare")).count();
    assert!(spares <= 2, "{spares}");
}

/// What a segment takes is whole blocks, though a kill left a part of one behind them.
#[test]
fn what_is_reserved_is_known_again() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    append(&mut log, &[record(0, 20_000)]).unwrap();
    let before = log.segments();
    assert_eq!(before[0].bytes_on_disk, 32 * 1024);
    drop(log);
    assert_eq!(reopen(&disk).segments(), before);
    disk.open("wal-0000000000000000.log").unwrap().write_at(32 * 1024, &[0; 100]).unwrap();
    assert_eq!(reopen(&disk).segments(), before);
}

/// Whoever drops a log may open it again, or remove its folder: no thread is at work there any more.
#[test]
fn a_dropped_log_leaves_nobody_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir.path()).unwrap());
    // So large that to fill the next segment takes longer than to drop the log.
    let options = LogOptions { segment_size: 16 << 20, prepare_ahead: true, ..small() };
    let mut log = Log::create(Arc::clone(&disk), options, ID).unwrap();
    append(&mut log, &[record(0, 9 << 20)]).unwrap();
    drop(log);
    assert_eq!(Arc::strong_count(&disk), 1);
    let spare = disk.open_read("spare-0000000000000001.log").unwrap();
    assert_eq!(spare.len().unwrap(), 16 << 20);
}

#[test]
fn a_held_segment_stays_until_its_holder_moves_on_or_falls_behind() {
    let mut log = create(&SimDisk::new(1));
    let start = log.oldest();
    let hold = log.hold("stream", start, 300_000);
    let backup = log.reader().hold("backup", Lsn(70_000), 200_000);
    for n in 0..3 {
        append(&mut log, &[record(n, 40_000)]).unwrap();
    }
    let holder_of = |log: &mut Log, no| match log.recycle(&[no]) {
        Err(LogError::Held { segment, name }) if segment == no => name,
        other => panic!("{other:?}"),
    };
    assert_eq!((holder_of(&mut log, 0), log.held_from()), ("stream", Some(start)));
    hold.advance(Lsn(65_536)).unwrap();
    log.recycle(&[0]).unwrap();
    assert_eq!(holder_of(&mut log, 1), "stream");
    drop(hold);
    assert_eq!(holder_of(&mut log, 1), "backup");
    for n in 3..6 {
        append(&mut log, &[record(n, 40_000)]).unwrap();
    }
    log.recycle(&[1]).unwrap();
    let behind = backup.check().unwrap_err();
    assert_eq!((behind.name, behind.lsn, behind.bound), ("backup", Lsn(70_000), 200_000));
    assert_eq!((log.held_from(), log.holds()[0].lost), (None, true));
}

#[test]
fn recycled_segments_are_gone_for_readers_and_used_again() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..8 {
        append(&mut log, &[record(n, 30_000)]).unwrap();
    }
    let reader = log.reader();
    let first = log.oldest();
    let mut stuck = reader.frames(first);
    stuck.next().unwrap().unwrap();
    let files = disk.list().unwrap().len();
    assert!(matches!(log.recycle(&[9]), Err(LogError::NotSealed { segment: 9 })));
    let current = log.segments().last().unwrap().no;
    assert!(matches!(log.recycle(&[current]), Err(LogError::NotSealed { .. })));
    log.recycle(&[0, 1]).unwrap();
    let oldest = log.oldest();
    assert!(oldest > first);
    assert!(matches!(stuck.next(), Some(Err(ReadError::Gone { oldest: o })) if o == oldest));
    assert!(stuck.next().is_none());
    let mut byte = [0];
    assert!(matches!(reader.read_bytes(first, &mut byte), Err(ReadError::Gone { .. })));
    assert!(reader.keeps_from(oldest) && reader.keeps_from(Lsn(oldest.0 - 4096)));
    assert!(!reader.keeps_from(Lsn::ZERO) && !reader.keeps_from(Lsn(oldest.0 - 8192)));
    for n in 8..10 {
        append(&mut log, &[record(n, 30_000)]).unwrap();
    }
    assert_eq!(disk.list().unwrap().len(), files, "spares were used, no file was added");
    let kept = contents(&log);
    drop(log);
    assert_eq!(contents(&reopen(&disk)), kept);
}

// A tool that reads a stopped log sees what its writer would see, and nothing that was never begun.
#[test]
fn a_stopped_log_is_read_without_a_writer() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..4 {
        append(&mut log, &[record(n, 30_000)]).unwrap();
    }
    let (end, kept) = (log.durable_lsn(), contents(&log));
    drop(log);
    disk.create("wal-0000000000000004.log").unwrap().reserve(64 * 1024).unwrap();
    let reader = LogReader::open(Arc::new(disk), OpenHint::default()).unwrap();
    assert_eq!((reader.durable_lsn(), reader.segments_len()), (end, 4));
    assert_eq!(reader.segment_size(), 64 * 1024);
    let frames: Vec<_> = reader.frames(reader.oldest()).map(|f| records(&f.unwrap())).collect();
    assert_eq!(frames, kept);
}

#[test]
fn a_frame_counts_its_records() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    let mut frame = log.begin_frame(100).unwrap();
    for n in 0..3 {
        assert_eq!((frame.len(), frame.is_empty()), (n, n == 0));
        frame.push(b"a record").unwrap();
    }
    assert_eq!(frame.len(), 3);
}

// A file that someone took away is damage that has to be told: a reader who is told that it was
// recycled starts again from elsewhere, and nobody ever hears of it.
#[test]
fn a_segment_whose_file_is_missing_is_no_recycled_one() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..4 {
        append(&mut log, &[record(n, 30_000)]).unwrap();
    }
    disk.remove("wal-0000000000000000.log").unwrap();
    let outcome = log.reader().frames(log.oldest()).next();
    assert!(matches!(outcome, Some(Err(ReadError::Io { .. }))), "{outcome:?}");
}

#[test]
fn reading_follows_the_writer_from_any_frame() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    let mut tail = log.reader().frames(log.oldest());
    assert!(tail.next().is_none());
    let mut ends = vec![log.next_lsn()];
    for n in 0..20 {
        ends.push(append(&mut log, &[record(n, 9_000)]).unwrap().end);
        assert_eq!(tail.next().unwrap().unwrap().end(), *ends.last().unwrap());
        assert!(tail.next().is_none());
        assert_eq!(tail.position(), *ends.last().unwrap());
    }
    for (n, from) in ends.iter().enumerate() {
        assert_eq!(log.reader().frames(*from).count(), 20 - n, "from {from}");
    }
    let beyond = log.reader().read_bytes(log.durable_lsn(), &mut [0]);
    assert!(matches!(beyond, Err(ReadError::Beyond { .. })));
    let inside = log.reader().frames(ends[3].plus(4096)).next().unwrap();
    assert!(matches!(inside, Err(ReadError::Rotten { .. })));
}

#[test]
fn segments_say_what_their_files_take() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..6 {
        // The file that is used again is larger than it has to be.
        append(&mut log, &[record(n, if n == 0 { 50_000 } else { 30_000 })]).unwrap();
        if n == 3 {
            log.recycle(&[0]).unwrap();
        }
        for segment in log.segments() {
            let file = disk.contents(&format!("wal-{:016x}.log", segment.no)).unwrap();
            assert_eq!(segment.bytes_on_disk, file.len() as u64, "segment {}", segment.no);
        }
    }
}

#[test]
fn nothing_is_prepared_for_who_wants_no_spares() {
    let disk = SimDisk::new(1);
    let options = LogOptions { prepare_ahead: true, spare_segments: 0, ..small() };
    let mut log = Log::create(Arc::new(disk.clone()), options, ID).unwrap();
    append(&mut log, &[record(0, 50_000)]).unwrap();
    assert_eq!(disk.list().unwrap(), ["wal-0000000000000000.log"]);
}

/// What was durable and is not in the file any more is rot; a disk that fails is none.
#[test]
fn bytes_that_a_file_has_no_more_are_rot() {
    let disk = SimDisk::new(1);
    append(&mut create(&disk), &[record(0, 300)]).unwrap();
    let reader = LogReader::open(Arc::new(disk.clone()), OpenHint::default()).unwrap();
    let name = "wal-0000000000000000.log";
    disk.remove(name).unwrap();
    disk.create(name).unwrap();
    let read = || reader.read_bytes(Lsn(4096 + 80), &mut [0; 300]);
    assert!(matches!(read(), Err(ReadError::Rotten { segment: 0, .. })));
    disk.fail_after(0, std::io::ErrorKind::Other, true);
    assert!(matches!(read(), Err(ReadError::Io { .. })));
}

// The next opening knows by the marker that nothing of the log is missing, so it is written wherever
// there is a block for it.
#[test]
fn a_log_is_closed_with_a_marker_up_to_the_last_block() {
    for (blocks, marked) in [(13, true), (14, true), (15, false)] {
        let disk = SimDisk::new(1);
        let mut log = create(&disk);
        let records = [record(0, blocks * 4096 - 80 - 3)];
        let at = append(&mut log, &records).unwrap();
        assert_eq!(at.end.0, (1 + u64::try_from(blocks).unwrap()) * 4096);
        log.close().unwrap();
        // With nothing after it one marker is enough.
        for _ in 0..2 {
            let options = LogOptions { segment_size: 64 * 1024, ..small() };
            let (log, report) =
                Log::open(Arc::new(disk.clone()), options, OpenHint::default()).unwrap();
            assert_eq!((report.frames, report.tail), (1 + u64::from(marked), Tail::Clean));
            assert_eq!(contents(&log)[0], records);
            log.close().unwrap();
        }
    }
}

#[test]
fn a_log_of_no_frames_is_closed_without_a_marker() {
    let disk = SimDisk::new(1);
    create(&disk).close().unwrap();
    let opened = Log::open(Arc::new(disk), small(), OpenHint::default()).unwrap();
    assert_eq!((opened.1.frames, opened.0.next_lsn()), (0, Lsn(4096)));
}

#[test]
fn bytes_are_read_up_to_the_end_and_no_further() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    let end = append(&mut log, &[record(0, 10)]).unwrap().end;
    let reader = log.reader();
    reader.read_bytes(Lsn(end.0 - 4), &mut [0; 4]).unwrap();
    let beyond = reader.read_bytes(Lsn(end.0 - 4), &mut [0; 5]).unwrap_err();
    assert!(matches!(beyond, ReadError::Beyond { durable, .. } if durable == end));
}

// Opening a file costs more than the read itself.
#[test]
fn a_segment_that_was_read_stays_open() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..3 {
        append(&mut log, &[record(n, 40_000)]).unwrap();
    }
    let reader = log.reader();
    let calls = || {
        let before = disk.calls();
        reader.read_bytes(Lsn(5000), &mut [0; 10]).unwrap();
        disk.calls() - before
    };
    calls();
    assert_eq!(calls(), 1);
}

#[test]
fn what_was_recycled_cannot_be_recycled_again() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..3 {
        append(&mut log, &[record(n, 40_000)]).unwrap();
    }
    log.recycle(&[0]).unwrap();
    assert!(matches!(log.recycle(&[0]), Err(LogError::NotSealed { segment: 0 })));
    assert!(matches!(log.recycle(&[2]), Err(LogError::NotSealed { segment: 2 })));
}
