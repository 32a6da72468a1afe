//! A look at a log from outside: what is sound is counted, what is not is named with its place.

use std::sync::Arc;

use crate::support::{ID, append, create, record};
use strongroom_wal::disk::Disk as _;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::inspect::{FINDINGS_MAX, FindingKind, Inspector, Passed, Summary};
use strongroom_wal::{Log, LogError, LogOptions, Lsn, OpenHint};

const SEGMENT: u64 = 64 * 1024;
/// Bytes of a frame whose record has 30,000 of them.
const FRAME: u64 = 32 * 1024;
const SEAL: u64 = 4096;

fn name(segment: u64) -> String {
    format!("wal-{segment:016x}.log")
}

/// A frame in each of four segments.
fn four_segments() -> (SimDisk, Lsn) {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..4 {
        append(&mut log, &[record(n, 30_000)]).unwrap();
    }
    let end = log.durable_lsn();
    (disk, end)
}

/// What is found, with the number of segments and frames that were shown.
fn look(disk: &SimDisk, from: Option<Lsn>, needed_from: Lsn) -> (Summary, [u64; 2]) {
    let inspector = Inspector::open(Arc::new(disk.clone())).unwrap();
    let hint = OpenHint { scan_from: needed_from, ..OpenHint::default() };
    let mut passed = [0, 0];
    let mut visit = |step: Passed<'_>| match step {
        Passed::Segment(_) => passed[0] += 1,
        Passed::Frame(_) => passed[1] += 1,
        Passed::Finding(_) => {}
    };
    let summary = match from {
        Some(from) => inspector.look_from(from, hint, &mut visit),
        None => inspector.look(hint, &mut visit),
    };
    (summary.unwrap(), passed)
}

#[test]
fn a_sound_log_is_counted_to_its_end() {
    let (disk, end) = four_segments();
    let inspector = Inspector::open(Arc::new(disk.clone())).unwrap();
    assert_eq!(
        (inspector.log_id(), inspector.segment_size(), inspector.spares()),
        (ID, SEGMENT, 0)
    );
    let segments = inspector.segments().unwrap();
    assert_eq!(segments.iter().map(|s| s.no).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(segments.iter().all(|s| s.header.is_some() && s.bytes_on_disk >= FRAME));
    let (summary, passed) = look(&disk, None, Lsn::ZERO);
    let bytes = 4 * FRAME + 3 * SEAL;
    assert_eq!((summary.end, summary.frames, summary.bytes), (end, 7, bytes));
    assert!(summary.findings.is_empty() && !summary.cut_short);
    assert_eq!(passed, [4, 7]);
    // A file that waits to be used again is counted, and is no segment.
    let recycled = disk.clone_image();
    crate::support::reopen(&recycled).recycle(&[0]).unwrap();
    let inspector = Inspector::open(Arc::new(recycled)).unwrap();
    assert_eq!((inspector.spares(), inspector.segments().unwrap().len()), (1, 3));
    // What is written afterwards is seen from there on.
    append(&mut crate::support::reopen(&disk), &[record(5, 10)]).unwrap();
    let (since, passed) = look(&disk, Some(end), Lsn::ZERO);
    assert_eq!((since.frames, since.findings.len(), passed[0]), (1, 0, 0));
}

#[test]
fn damage_is_named_and_the_rest_is_looked_at() {
    let (disk, end) = four_segments();
    disk.flip(&name(1), 5000, 1);
    let (summary, passed) = look(&disk, None, Lsn::ZERO);
    let [finding] = summary.findings[..] else { panic!("{:?}", summary.findings) };
    assert!(finding.kind == FindingKind::Rotten && finding.kind.is_damage());
    assert_eq!((finding.lsn, finding.segment, finding.offset), (Lsn(SEGMENT + 4096), 1, 4096));
    assert_eq!((summary.end, summary.frames, passed), (end, 6, [4, 6]));
    assert_eq!(summary.bytes, 3 * FRAME + 3 * SEAL);
}

// Nobody knows of a segment that is not there whether it was needed, unless he is told.
#[test]
fn a_hole_is_damage_from_where_the_log_is_needed() {
    let (disk, end) = four_segments();
    disk.remove(&name(1)).unwrap();
    for (needed_from, kind) in [
        (Lsn::ZERO, FindingKind::Recycled),
        (Lsn(2 * SEGMENT), FindingKind::Recycled),
        (Lsn(SEGMENT), FindingKind::Missing),
        (Lsn(4096), FindingKind::Missing),
    ] {
        let (summary, passed) = look(&disk, None, needed_from);
        let [finding] = summary.findings[..] else { panic!("{:?}", summary.findings) };
        assert_eq!((finding.kind, finding.lsn, finding.segment), (kind, Lsn(SEGMENT), 1));
        assert_eq!(kind.is_damage(), kind == FindingKind::Missing);
        assert_eq!((summary.end, passed), (end, [3, 5]));
    }
}

// What tells of a log is in its first sound header, unless that is of another one or is none.
#[test]
fn who_knows_the_log_sees_it_though_its_first_header_is_lost_or_a_strangers() {
    let (disk, end) = four_segments();
    let (sound, _) = look(&disk, None, Lsn::ZERO);
    let lost = disk.clone_image();
    (0..4).for_each(|segment| lost.flip(&name(segment), 20, 1));
    assert!(Inspector::open(Arc::new(lost.clone())).is_err());
    let mixed = disk.clone_image();
    mixed.remove(&name(0)).unwrap();
    let other = SimDisk::new(2);
    let options = LogOptions { segment_size: SEGMENT, ..LogOptions::default() };
    Log::create(Arc::new(other.clone()), options, *b"another log here").unwrap();
    let file = mixed.create(&name(0)).unwrap();
    file.write_at(0, &other.contents(&name(0)).unwrap()).unwrap();
    for (disk, kind, breaks, frames) in
        [(lost, FindingKind::Rotten, 4, 7), (mixed, FindingKind::Foreign, 1, 5)]
    {
        let inspector = Inspector::open_known(Arc::new(disk), ID, SEGMENT).unwrap();
        let hint = OpenHint { known_durable: end, ..OpenHint::default() };
        let summary = inspector.look(hint, &mut |_| {}).unwrap();
        let kinds: Vec<_> = summary.findings.iter().map(|finding| finding.kind).collect();
        assert_eq!((kinds, summary.end, summary.frames), (vec![kind; breaks], sound.end, frames));
    }
    let empty = Inspector::open_known(Arc::new(SimDisk::new(3)), ID, SEGMENT);
    assert!(matches!(empty, Err(LogError::NotFound)));
    // Of a size that there cannot be nothing is known.
    let inspector = Inspector::open_known(Arc::new(disk), [7; 16], 5).unwrap();
    assert_eq!((inspector.log_id(), inspector.segment_size()), (ID, SEGMENT));
}

#[test]
fn a_look_stops_at_the_bound_of_findings() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk);
    for n in 0..2 * FINDINGS_MAX + 4 {
        let at = append(&mut log, &[record(n, 10)]).unwrap().start.0;
        if n % 2 == 0 {
            disk.flip(&name(at / SEGMENT), at % SEGMENT + 81, 1);
        }
    }
    let (summary, _) = look(&disk, None, Lsn::ZERO);
    assert!(summary.cut_short);
    assert_eq!(summary.findings.len(), FINDINGS_MAX);
}
