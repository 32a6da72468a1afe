//! What the test files share: a small log, and its frames as plain data.

use std::sync::Arc;

use strongroom_wal::disk::Disk;
use strongroom_wal::{Appended, Frame, Log, LogError, LogOptions, OpenHint, framed_len};

/// Id of every log in the tests.
pub(crate) const ID: [u8; 16] = *b"a log under test";

/// Segments of 64 KiB, filled with zeros 16 KiB at a time, one write in flight, nothing ahead, nothing
/// kept in memory.
pub(crate) fn small() -> LogOptions {
    LogOptions {
        segment_size: 64 * 1024,
        reserve_step: 16 * 1024,
        depth: 1,
        prepare_ahead: false,
        recovery_reserve: 0,
        recent_bytes: 0,
        ..LogOptions::default()
    }
}

/// The same with four writes in flight, the next segment prepared, and a reserve.
pub(crate) fn deep() -> LogOptions {
    LogOptions { depth: 4, prepare_ahead: true, recovery_reserve: 8192, ..small() }
}

pub(crate) fn create(disk: &(impl Disk + Clone)) -> Log {
    Log::create(Arc::new(disk.clone()), small(), ID).unwrap()
}

pub(crate) fn reopen(disk: &(impl Disk + Clone)) -> Log {
    Log::open(Arc::new(disk.clone()), small(), OpenHint::default()).unwrap().0
}

/// Appends one frame with these records.
pub(crate) fn append(log: &mut Log, records: &[Vec<u8>]) -> Result<Appended, LogError> {
    let mut frame = log.begin_frame(records.iter().map(|r| framed_len(r.len())).sum())?;
    for record in records {
        frame.push(record).unwrap();
    }
    log.append(frame)
}

/// The records of every frame that the log still has.
pub(crate) fn contents(log: &Log) -> Vec<Vec<Vec<u8>>> {
    let frames: Vec<Frame> = log.reader().frames(log.oldest()).collect::<Result<_, _>>().unwrap();
    frames.iter().map(records).collect()
}

pub(crate) fn records(frame: &Frame) -> Vec<Vec<u8>> {
    frame.records().map(|(_, record)| record.to_vec()).collect()
}

/// Record number `n` with a length of its own.
pub(crate) fn record(n: usize, len: usize) -> Vec<u8> {
    (0..len.max(1)).map(|i| u8::try_from((n * 31 + i * 7 + 1) % 251).unwrap()).collect()
}
