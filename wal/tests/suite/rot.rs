//! Torn is not rotten: what was acknowledged and is damaged is refused with its place; what was
//! not is dropped.

use std::sync::Arc;

use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{
    Appended, Log, LogError, LogIdentity, LogOptions, LogReader, Lsn, OpenHint, OpenReport,
    ReadError, Tail,
};

use crate::support::{ID, append, contents, create, record, small};

const SEGMENT: u64 = 64 * 1024;

fn name(segment: u64) -> String {
    format!("wal-{segment:016x}.log")
}

fn open(disk: &SimDisk, known_durable: Lsn) -> Result<(Log, OpenReport), LogError> {
    let hint = OpenHint { scan_from: Lsn::ZERO, known_durable, ..OpenHint::default() };
    Log::open(Arc::new(disk.clone()), small(), hint)
}

/// A log of three one-block frames, and where they stand.
fn three_frames() -> (SimDisk, Log, Vec<Appended>) {
    let disk = SimDisk::new(3);
    let mut log = create(&disk);
    let frames = (0..3).map(|n| append(&mut log, &[record(n, 300), record(n, 2)]).unwrap());
    let frames = frames.collect();
    (disk, log, frames)
}

fn assert_rotten(disk: &SimDisk, known_durable: Lsn, at: Lsn) {
    let expected = (at, at.0 / SEGMENT, at.0 % SEGMENT);
    match open(disk, known_durable) {
        Err(LogError::Rotten { lsn, segment, offset }) => {
            assert_eq!((lsn, segment, offset), expected);
        }
        other => panic!("{:?} instead of rot at {at}", other.map(|(_, report)| report)),
    }
}

#[test]
fn every_byte_of_an_acknowledged_frame_and_of_the_segment_header() {
    let (disk, log, frames) = three_frames();
    drop(log);
    for byte in 0..frames[2].start.0 {
        let image = disk.clone_image();
        image.flip(&name(0), byte, 1 << (byte % 8));
        assert_rotten(&image, Lsn::ZERO, Lsn(byte / 4096 * 4096));
    }
}

#[test]
fn the_last_frame_is_refused_when_the_caller_or_the_close_marker_knows_it() {
    let (disk, log, frames) = three_frames();
    let unclosed = disk.clone_image();
    log.close().unwrap();
    for byte in frames[2].start.0..frames[2].end.0 {
        let image = disk.clone_image();
        image.flip(&name(0), byte, 0x80);
        assert_rotten(&image, Lsn::ZERO, frames[2].start);
        let image = unclosed.clone_image();
        image.flip(&name(0), byte, 0x80);
        assert_rotten(&image, frames[2].end, frames[2].start);
        let (log, report) = open(&image, frames[1].end).unwrap();
        let at = frames[2].start;
        assert_eq!(report.tail, Tail::Torn { lsn: at, segment: 0, offset: at.0 });
        assert_eq!(contents(&log).len(), 2);
    }
}

/// A frame that is whole, at its own place and of this log, but not the one that followed: a reader beside the
/// writer took it, had its guard been left out.
#[test]
fn a_live_reader_refuses_a_whole_frame_that_followed_another() {
    let (disk, log, frames) = three_frames();
    let other = SimDisk::new(3);
    let mut twin = create(&other);
    append(&mut twin, &[record(7, 300), record(7, 2)]).unwrap();
    let second = append(&mut twin, &[record(1, 300), record(1, 2)]).unwrap();
    assert_eq!((second.start, second.end), (frames[1].start, frames[1].end));
    let (here, there) = (disk.contents(&name(0)).unwrap(), other.contents(&name(0)).unwrap());
    for at in second.start.0..second.end.0 {
        let i = usize::try_from(at).unwrap();
        disk.flip(&name(0), at, here[i] ^ there[i]);
    }
    let read: Vec<_> = log.reader().frames(Lsn::ZERO).collect();
    let whole = read.iter().filter(|frame| frame.is_ok()).count();
    let refused = read.last().and_then(|last| last.as_ref().err());
    assert_eq!((read.len(), whole), (2, 1));
    let rotten = ReadError::Rotten { lsn: second.start, segment: 0, offset: second.start.0 };
    assert_eq!(refused.map(ToString::to_string), Some(rotten.to_string()));
}

// A segment is searched in pieces. What proves a frame to have been acknowledged may stand several of
// them behind it.
#[test]
fn what_follows_a_long_frame_proves_that_it_was_whole() {
    let disk = SimDisk::new(3);
    let options = LogOptions { segment_size: 1 << 20, ..small() };
    let mut log = Log::create(Arc::new(disk.clone()), options.clone(), ID).unwrap();
    let [_, damaged, last] =
        [300, 600_000, 300].map(|len| append(&mut log, &[record(len, len)]).unwrap());
    drop(log);
    disk.flip(&name(0), damaged.start.0 + 5000, 1);
    let open =
        |disk: &SimDisk| Log::open(Arc::new(disk.clone()), options.clone(), OpenHint::default());
    let refused = open(&disk).err().unwrap();
    assert!(matches!(refused, LogError::Rotten { lsn, .. } if lsn == damaged.start), "{refused}");
    // Without the last it was never promised.
    disk.flip(&name(0), last.start.0, 1);
    let (log, report) = open(&disk).unwrap();
    let at = damaged.start;
    assert_eq!(report.tail, Tail::Torn { lsn: at, segment: 0, offset: at.0 });
    assert_eq!(contents(&log).len(), 1);
}

#[test]
fn across_segments_the_seal_and_both_headers_are_covered() {
    let disk = SimDisk::new(3);
    let mut log = create(&disk);
    let first = append(&mut log, &[record(0, 40_000)]).unwrap();
    let second = append(&mut log, &[record(1, 40_000)]).unwrap();
    assert_eq!(second.start, Lsn(SEGMENT + 4096));
    drop(log);
    let seal = first.end.0..first.end.0 + 4096;
    for byte in (first.start.0..first.end.0).step_by(61).chain(seal) {
        let image = disk.clone_image();
        image.flip(&name(0), byte, 4);
        assert_rotten(&image, Lsn::ZERO, if byte < first.end.0 { first.start } else { first.end });
    }
    for byte in 0..4096 {
        let image = disk.clone_image();
        image.flip(&name(1), byte, 4);
        assert_rotten(&image, Lsn::ZERO, Lsn(SEGMENT));
    }
}

#[test]
fn a_missing_segment_is_named() {
    let disk = SimDisk::new(3);
    let mut log = create(&disk);
    for n in 0..3 {
        append(&mut log, &[record(n, 40_000)]).unwrap();
    }
    let end = log.durable_lsn();
    drop(log);
    for (gone, known) in [(1, Lsn::ZERO), (2, end)] {
        let image = disk.clone_image();
        image.remove(&name(gone)).unwrap();
        assert!(
            matches!(open(&image, known), Err(LogError::Missing { segment }) if segment == gone)
        );
    }
}

#[test]
fn another_logs_segment_and_a_newer_version_are_refused() {
    let (disk, log, _) = three_frames();
    drop(log);
    let other = SimDisk::new(9);
    let mut log = Log::create(Arc::new(other.clone()), small(), [9; 16]).unwrap();
    append(&mut log, &[record(0, 40_000)]).unwrap();
    append(&mut log, &[record(0, 40_000)]).unwrap();
    let stranger = other.contents(&name(1)).unwrap();
    disk.create(&name(1)).unwrap().write_at(0, &stranger).unwrap();
    let end = append_until_full(&disk);
    assert!(matches!(end, LogError::Foreign { segment: 1, .. }));
}

/// Seals segment 0 of a disk whose segment 1 is someone else's, then opens it again.
fn append_until_full(disk: &SimDisk) -> LogError {
    let moved = disk.clone_image();
    moved.rename(&name(1), "aside").unwrap();
    let (mut log, _) = open(&moved, Lsn::ZERO).unwrap();
    append(&mut log, &[record(0, 50_000)]).unwrap();
    drop(log);
    moved.rename("aside", &name(1)).unwrap();
    open(&moved, Lsn::ZERO).err().unwrap()
}

// Nothing is known of such a log but that: it is neither rotten nor one that was never begun.
#[test]
fn a_log_of_which_every_header_is_newer_is_refused_as_newer() {
    let (disk, log, _) = three_frames();
    drop(log);
    let mut header = disk.contents(&name(0)).unwrap()[..80].to_vec();
    header[8] += 1;
    let sum = crc32fast::hash(&header[..76]);
    header[76..].copy_from_slice(&sum.to_le_bytes());
    disk.open(&name(0)).unwrap().write_at(0, &header).unwrap();
    let newer = |opened: Result<(), LogError>| match opened {
        Err(LogError::Newer { segment, version }) => (segment, version) == (0, header[8]),
        _ => false,
    };
    assert!(newer(open(&disk, Lsn::ZERO).map(drop)));
    assert!(newer(LogReader::open(Arc::new(disk), OpenHint::default()).map(drop)));
}

/// Also when the walk does not come by: what lies before its start was acknowledged.
#[test]
fn another_logs_segment_before_the_scan_is_refused() {
    let two = |id| {
        let disk = SimDisk::new(9);
        let mut log = Log::create(Arc::new(disk.clone()), small(), id).unwrap();
        for n in 0..3 {
            append(&mut log, &[record(n, 40_000)]).unwrap();
        }
        (disk, log.durable_lsn())
    };
    let ((disk, end), (other, _)) = (two([1; 16]), two([9; 16]));
    let hint = OpenHint { scan_from: end, known_durable: end, ..OpenHint::default() };
    Log::open(Arc::new(disk.clone_image()), small(), hint).unwrap();
    disk.open(&name(1)).unwrap().write_at(0, &other.contents(&name(1)).unwrap()).unwrap();
    let opened = Log::open(Arc::new(disk), small(), hint);
    assert!(matches!(opened, Err(LogError::Foreign { segment: 1, .. })));
}

/// A stray file in front was taken for the log, and the log's own segments for another's: whoever did as
/// he was told moved those away.
#[test]
fn a_stray_segment_in_front_of_the_log_is_named_and_not_the_logs_own() {
    let other = SimDisk::new(9);
    let mut log = Log::create(Arc::new(other.clone()), small(), [9; 16]).unwrap();
    append(&mut log, &[record(0, 40_000)]).unwrap();
    drop(log);
    let (disk, mut log, frames) = three_frames();
    append(&mut log, &[record(0, 60_000)]).unwrap();
    let own = LogIdentity { id: log.id(), segment_bytes: SEGMENT };
    log.recycle(&[0]).unwrap();
    let end = log.durable_lsn();
    drop(log);
    assert!(end > frames[2].end && disk.contents(&name(0)).is_none());
    let known = |scan_from| OpenHint { scan_from, known_durable: end, identity: Some(own) };
    let hints = [known(Lsn::ZERO), known(end)];
    let opened = |hint| {
        let read = LogReader::open(Arc::new(disk.clone_image()), hint).map(drop);
        let written = Log::open(Arc::new(disk.clone_image()), small(), hint).map(drop);
        [read, written]
    };
    assert!(hints.into_iter().flat_map(opened).all(|opened| opened.is_ok()));
    let stray = other.contents(&name(0)).unwrap();
    disk.create(&name(0)).unwrap().write_at(0, &stray).unwrap();
    let why = format!(
        "wal-0000000000000000.log is a file of log {} (segments of 65536 bytes), not of log {} \
         (segments of 65536 bytes); move it out of the folder",
        "09".repeat(16),
        ID.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
    );
    for refused in hints.into_iter().flat_map(opened) {
        assert_eq!(refused.unwrap_err().to_string(), why);
    }
    // Whoever expects a log that has no file at all has mistaken the folder, not the files.
    let nobody = LogIdentity { id: [7; 16], segment_bytes: SEGMENT };
    disk.remove(&name(0)).unwrap();
    let mistaken = hints.map(|hint| OpenHint { identity: Some(nobody), ..hint });
    assert!(mistaken.into_iter().flat_map(opened).all(|opened| opened.is_ok()));
}

/// The header of the segment where the scan begins was acknowledged too; that of the next was not.
#[test]
fn the_header_before_the_scan_is_known_and_the_next_is_not() {
    let disk = SimDisk::new(3);
    let mut log = create(&disk);
    let first = append(&mut log, &[record(0, 40_000)]).unwrap();
    let second = append(&mut log, &[record(1, 300)]).unwrap();
    append(&mut log, &[record(2, 40_000)]).unwrap();
    let third = append(&mut log, &[record(3, 300)]).unwrap();
    drop(log);
    let open = |disk: &SimDisk, scan_from| {
        let hint = OpenHint { scan_from, known_durable: Lsn::ZERO, ..OpenHint::default() };
        Log::open(Arc::new(disk.clone()), small(), hint)
    };
    let image = disk.clone_image();
    image.flip(&name(1), 3, 1);
    let opened = open(&image, third.end);
    assert!(matches!(opened, Err(LogError::Rotten { segment: 1, offset: 0, .. })));
    let hint = OpenHint { scan_from: third.end, known_durable: Lsn::ZERO, ..OpenHint::default() };
    let read = LogReader::open(Arc::new(image), hint);
    assert!(matches!(read, Err(LogError::Rotten { segment: 1, offset: 0, .. })));
    disk.remove(&name(1)).unwrap();
    disk.create(&name(1)).unwrap().write_at(0, &[0xab; 4096]).unwrap();
    for scan_from in [first.end, second.end] {
        let (_, report) = open(&disk, scan_from).unwrap();
        assert_eq!(report.end, Lsn(SEGMENT));
        disk.create(&name(1)).unwrap().write_at(0, &[0xab; 4096]).unwrap();
    }
}

/// A frame that was torn away, or a stale one behind it, never comes back in a later generation.
#[test]
fn a_dropped_tail_stays_dropped() {
    let (disk, log, frames) = three_frames();
    drop(log);
    // The second frame was lost and the third is there: only several writes in flight do that, so
    // it is made by hand, with the third frame's durable mark set back to the first frame's end.
    let mut third = disk.contents(&name(0)).unwrap()[12288..16384].to_vec();
    third[24..32].copy_from_slice(&frames[0].end.0.to_le_bytes());
    let header_crc = crc32fast::hash(&third[..72]);
    third[72..76].copy_from_slice(&header_crc.to_le_bytes());
    let mut whole = third[..76].to_vec();
    whole.extend_from_slice(&third[80..80 + 302 + 3]);
    third[76..80].copy_from_slice(&crc32fast::hash(&whole).to_le_bytes());
    let file = disk.open(&name(0)).unwrap();
    file.write_at(frames[1].start.0, &[0; 4096]).unwrap();
    file.write_at(frames[2].start.0, &third).unwrap();
    file.sync().unwrap();

    let (mut log, report) = open(&disk, Lsn::ZERO).unwrap();
    assert!(matches!(report.tail, Tail::Torn { lsn, .. } if lsn == frames[1].start));
    let new = append(&mut log, &[record(8, 10)]).unwrap();
    assert_eq!(new.end, frames[2].start);
    drop(log);
    // Starting at the very place where the stale frame stood must not find it either.
    for scan_from in [Lsn::ZERO, new.end] {
        let hint = OpenHint { scan_from, known_durable: new.end, ..OpenHint::default() };
        let (log, report) = Log::open(Arc::new(disk.clone()), small(), hint).unwrap();
        assert_eq!((report.end, contents(&log).len()), (new.end, 2));
    }
}

#[test]
fn bytes_of_a_recycled_segments_former_life_are_no_damage() {
    let disk = SimDisk::new(3);
    let options = LogOptions { spare_segments: 4, ..small() };
    let mut log = Log::create(Arc::new(disk.clone()), options, [1; 16]).unwrap();
    for n in 0..40 {
        append(&mut log, &[record(n, 5_000)]).unwrap();
        let sealed: Vec<u64> = log.segments().iter().rev().skip(1).map(|s| s.no).collect();
        log.recycle(&sealed).unwrap();
    }
    let expected = contents(&log);
    let (log, report) = open(&disk, log.durable_lsn()).unwrap();
    assert_eq!(report.tail, Tail::Clean);
    assert_eq!(contents(&log), expected);
}

#[test]
fn opening_at_the_exact_end_continues_the_chain() {
    // A first version wrote the next frame with an unknown predecessor, so that a reader who came
    // from the frame before refused it.
    let (disk, log, frames) = three_frames();
    drop(log);
    let hint =
        OpenHint { scan_from: frames[2].end, known_durable: frames[2].end, ..OpenHint::default() };
    let (mut log, report) = Log::open(Arc::new(disk.clone()), small(), hint).unwrap();
    assert_eq!(report.end, frames[2].end);
    append(&mut log, &[record(5, 50_000)]).unwrap();
    append(&mut log, &[record(6, 50_000)]).unwrap();
    assert_eq!(contents(&log).len(), 5);
    drop(log);
    // Also when the end is the seal's, before a segment that was never begun.
    disk.remove(&name(2)).unwrap();
    disk.sync_dir().unwrap();
    let hint = OpenHint {
        scan_from: Lsn(SEGMENT * 2 + 4096),
        known_durable: Lsn::ZERO,
        ..OpenHint::default()
    };
    let (mut log, _) = Log::open(Arc::new(disk.clone()), small(), hint).unwrap();
    append(&mut log, &[record(7, 10)]).unwrap();
    let (log, _) = open(&disk, Lsn::ZERO).unwrap();
    assert_eq!(contents(&log).len(), 5);
}

#[test]
fn damage_in_the_segment_where_the_scan_starts_is_rot() {
    let (disk, log, frames) = three_frames();
    drop(log);
    disk.flip(&name(0), 3, 1);
    let hint =
        OpenHint { scan_from: frames[2].end, known_durable: frames[2].end, ..OpenHint::default() };
    let opened = Log::open(Arc::new(disk.clone()), small(), hint);
    // The header is the only one, so that not even the log's id is known.
    assert!(matches!(opened, Err(LogError::Rotten { segment: 0, offset: 0, .. })));
}

/// A write that landed elsewhere and was acknowledged: refused, wherever it landed, as soon as a
/// later frame proves it; never other bytes than were written.
#[test]
fn misdirected_writes_are_rot() {
    for (n, elsewhere) in (0..3).flat_map(|n| (0..8).map(move |block| (n, block * 4096))) {
        let disk = SimDisk::new(3);
        // All zeros are written first, so that only frames are misdirected.
        let options = LogOptions { reserve_step: SEGMENT, ..small() };
        let mut log = Log::create(Arc::new(disk.clone()), options, [1; 16]).unwrap();
        let first = append(&mut log, &[record(0, 300)]).unwrap();
        let own = first.end.0 + n * 4096;
        disk.misdirect_after(n, elsewhere);
        for n in 1..5 {
            append(&mut log, &[record(usize::try_from(n).unwrap(), 300)]).unwrap();
        }
        drop(log);
        match open(&disk, Lsn::ZERO) {
            Ok((log, _)) => {
                assert_eq!(elsewhere, own, "found whole only where it belongs");
                assert_eq!(contents(&log).len(), 5);
            }
            Err(LogError::Rotten { offset, .. }) => assert!(offset == own || offset == elsewhere),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A mutant lived that counted nothing: who repairs a store goes by these figures.
#[test]
fn opening_says_how_much_it_passed() {
    let (disk, log, frames) = three_frames();
    drop(log);
    let end = frames[2].end;
    for (left, frame) in (1..=3).rev().zip(&frames) {
        let hint = OpenHint { scan_from: frame.start, known_durable: end, ..OpenHint::default() };
        let (_, report) = Log::open(Arc::new(disk.clone_image()), small(), hint).unwrap();
        assert_eq!((report.frames, report.bytes), (left, end.0 - frame.start.0));
    }
}

/// What is seen on the way is what a reader finds afterwards: no marker, nothing twice.
#[test]
fn opening_shows_the_frames_that_it_passes() {
    let disk = SimDisk::new(3);
    let mut log = create(&disk);
    let frames: Vec<Appended> =
        (0..9).map(|n| append(&mut log, &[record(n, 20_000), record(n, 2)]).unwrap()).collect();
    log.close().unwrap();
    for from in [Lsn::ZERO].into_iter().chain(frames.iter().flat_map(|f| [f.start, f.end])) {
        let hint = OpenHint { scan_from: from, known_durable: Lsn::ZERO, ..OpenHint::default() };
        let mut seen = Vec::new();
        let disk = Arc::new(disk.clone_image());
        let opened = Log::open_seeing(disk, small(), hint, &mut |frame| seen.push(frame.start()));
        let (log, _) = opened.unwrap();
        let found: Vec<Lsn> = log.reader().frames(from).map(|f| f.unwrap().start()).collect();
        assert_eq!(seen, found, "from {from}");
        assert_eq!(seen.len(), frames.iter().filter(|frame| frame.start >= from).count());
    }
}
