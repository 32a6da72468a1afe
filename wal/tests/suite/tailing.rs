//! Readers in other threads while a writer appends and recycles.

use std::sync::Arc;
use std::thread;

use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, LogOptions, Lsn, ReadError};

use crate::support::{ID, append, record, records, small};

fn real_log(dir: &tempfile::TempDir, options: LogOptions) -> Log {
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir.path()).unwrap());
    Log::create(disk, options, ID).unwrap()
}

#[test]
fn tailing_readers_see_every_frame_once_in_order() {
    const FRAMES: usize = 300;
    let dir = tempfile::tempdir().unwrap();
    let mut log = real_log(&dir, small());
    let oldest = log.oldest();
    let make = |n: usize| vec![record(n, 1 + n * 53 % 9000), record(n, 3)];
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let reader = log.reader();
            thread::spawn(move || {
                let mut frames = reader.frames(oldest);
                let mut seen = 0;
                while seen < FRAMES {
                    match frames.next() {
                        Some(frame) => {
                            let frame = frame.unwrap();
                            assert!(frame.end() <= reader.durable_lsn());
                            assert_eq!(records(&frame), make(seen));
                            seen += 1;
                        }
                        None => thread::yield_now(),
                    }
                }
            })
        })
        .collect();
    for n in 0..FRAMES {
        append(&mut log, &make(n)).unwrap();
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn a_recycled_segment_never_shows_another_ones_bytes() {
    const LEN: usize = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let mut log = real_log(&dir, small());
    let (sender, receiver) = std::sync::mpsc::sync_channel::<(usize, Lsn)>(64);
    let readers: Vec<_> = {
        let receiver = Arc::new(std::sync::Mutex::new(receiver));
        (0..2)
            .map(|_| {
                let (reader, receiver) = (log.reader(), Arc::clone(&receiver));
                thread::spawn(move || {
                    let (mut good, mut gone) = (0, 0);
                    loop {
                        let Ok((n, at)) = receiver.lock().unwrap().recv() else { break };
                        let mut buf = vec![0; LEN];
                        match reader.read_bytes(at, &mut buf) {
                            Ok(()) => good += usize::from(buf == record(n, LEN)),
                            Err(ReadError::Gone { .. }) => gone += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    (good, gone)
                })
            })
            .collect()
    };
    let mut sent = 0;
    for n in 0..400 {
        let mut frame = log.begin_frame(LEN + 3).unwrap();
        let at = frame.push(&record(n, LEN)).unwrap();
        log.append(frame).unwrap();
        sent += usize::from(sender.try_send((n, at)).is_ok());
        let sealed: Vec<u64> = log.segments().iter().rev().skip(1).map(|s| s.no).collect();
        log.recycle(&sealed).unwrap();
    }
    drop(sender);
    let totals = readers.into_iter().map(|r| r.join().unwrap());
    let (good, gone) = totals.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(good + gone, sent, "every read gave the record or said that it is gone");
}

// A value lies within one segment: what goes over an end, or into a header, was never one.
#[test]
fn bytes_are_read_within_one_segment_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = real_log(&dir, small());
    for n in 0..2 {
        append(&mut log, &[record(n, 40_000)]).unwrap();
    }
    let (reader, end) = (log.reader(), log.segment_size());
    assert!(log.durable_lsn().0 > end + 4096);
    let outside = |at, len| {
        let read = reader.read_bytes(Lsn(at), &mut vec![0; len]);
        matches!(read, Err(ReadError::OutOfSegment { .. }))
    };
    assert!(!outside(4096, 40_000) && !outside(end + 4096, 40_000));
    assert!(outside(end - 10, 11) && outside(4095, 1) && outside(end, 1));
}
