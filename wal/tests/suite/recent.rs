//! The log's end in memory: reads of it do not ask the medium, and see no more than it would show.

use std::sync::Arc;

use strongroom_wal::disk::Disk as _;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Log, LogOptions, LogReader, Lsn, ReadError, framed_len, parse_segment_name};

use super::support::{ID, append, deep, record, small};

fn byte(reader: &LogReader, at: Lsn) -> Result<u8, ReadError> {
    let mut byte = [0];
    reader.read_bytes(at, &mut byte).map(|()| byte[0])
}

/// Where its record stands, behind the heads of frame and record.
fn first_byte(log: &mut Log, bytes: &[u8]) -> Lsn {
    let mut frame = log.begin_frame(framed_len(bytes.len())).unwrap();
    let lsn = frame.push(bytes).unwrap();
    log.append(frame).unwrap();
    lsn
}

#[test]
fn what_was_just_written_is_not_read_from_the_medium() {
    for (recent_bytes, from_memory) in [(0, false), (1 << 20, true)] {
        let disk = SimDisk::new(1);
        let options = LogOptions { recent_bytes, ..small() };
        let mut log = Log::create(Arc::new(disk.clone()), options, ID).unwrap();
        let at = first_byte(&mut log, b"abc");
        let reader = log.reader();
        assert_eq!(byte(&reader, at).unwrap(), b'a');
        let files = disk.list().unwrap();
        let first = files.iter().find(|file| parse_segment_name(file) == Some(0)).unwrap();
        disk.flip(first, at.0, 1);
        let seen = byte(&reader, at).unwrap();
        assert_eq!(seen == b'a', from_memory);
        // What is not in memory any more is.
        for n in 0..40 {
            append(&mut log, &[record(n, 30_000)]).unwrap();
        }
        assert_ne!(byte(&reader, at).unwrap(), b'a');
    }
}

#[test]
fn a_frame_in_flight_is_beyond_the_end_and_a_recycled_one_is_gone() {
    let disk = SimDisk::new(1);
    let options = LogOptions { recent_bytes: 1 << 20, ..deep() };
    let mut log = Log::create(Arc::new(disk), options, ID).unwrap();
    let reader = log.reader();
    let mut frame = log.begin_frame(framed_len(3)).unwrap();
    let at = frame.push(b"abc").unwrap();
    log.submit(frame).unwrap();
    if log.in_flight() > 0 && reader.durable_lsn() <= at {
        assert!(matches!(byte(&reader, at), Err(ReadError::Beyond { .. })));
    }
    while log.reap().unwrap().is_some() {}
    assert_eq!(byte(&reader, at).unwrap(), b'a');
    for n in 0..4 {
        append(&mut log, &[record(n, 30_000)]).unwrap();
    }
    log.recycle(&[0]).unwrap();
    assert!(matches!(byte(&reader, at), Err(ReadError::Gone { .. })));
}
