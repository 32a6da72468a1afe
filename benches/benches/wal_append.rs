//! Appending to the log: in memory (the simulated cost of framing alone), durable beside the bare
//! durable write of the same bytes, and reading back.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::io;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use strongroom_wal::disk::{Disk, DiskFile, SysDisk};
use strongroom_wal::{Log, LogOptions, OpenHint, framed_len};

/// Records in a batch and bytes of a record: a lone commit, a busy moment, the 330 KB batch.
const SHAPES: [(usize, usize); 3] = [(1, 320), (64, 320), (1000, 330)];

/// Bytes after which segments that were filled are recycled.
const KEPT_SEGMENTS: usize = 3;

/// Bytes of the zero-filled file that the bare write goes round in.
const BARE_FILE_BYTES: u64 = 64 * 1024 * 1024;

fn append(log: &mut Log, record: &[u8], count: usize) {
    let mut frame = log.begin_frame(count * framed_len(record.len())).unwrap();
    for _ in 0..count {
        frame.push(record).unwrap();
    }
    black_box(log.append(frame).unwrap());
    if log.next_lsn().0 % log.segment_size() < 400_000 {
        let segments = log.segments();
        if segments.len() > KEPT_SEGMENTS {
            log.recycle(&[segments[0].no]).unwrap();
        }
    }
}

/// A disk that keeps nothing: what is left is the log's own work.
struct NullDisk;

struct NullFile;

impl Disk for NullDisk {
    fn create(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(NullFile))
    }
    fn open(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(NullFile))
    }
    fn open_read(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(NullFile))
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
    fn lock(&self, _: &str) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }
}

impl DiskFile for NullFile {
    fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn write_durable_at(&self, _: u64, data: &[u8]) -> io::Result<()> {
        black_box(data);
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn reserve(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(LogOptions::default().segment_size)
    }
}

fn framing(c: &mut Criterion) {
    let mut group = c.benchmark_group("wal_framing");
    for (count, len) in SHAPES {
        let record = vec![0x5a; len];
        group.throughput(Throughput::Bytes((count * len) as u64));
        let name = format!("{count}x{len}");
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            let mut log = Log::create(Arc::new(NullDisk), LogOptions::default(), [1; 16]).unwrap();
            b.iter(|| append(&mut log, &record, count));
        });
    }
    group.finish();
}

/// The log, and the bare write of as many bytes over a zero-filled file by the same method.
fn durable(c: &mut Criterion) {
    let mut group = c.benchmark_group("wal_append_sync");
    group.sample_size(30);
    for (count, len) in SHAPES {
        let record = vec![0x5a; len];
        let payload = count * framed_len(len);
        let name = format!("{count}x{len}");
        group.throughput(Throughput::Elements(count as u64));
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir.path()).unwrap());
        let mut log = ready_log(&disk);
        group.bench_function(BenchmarkId::new("log", &name), |b| {
            b.iter(|| append(&mut log, &record, count));
        });
        let file = disk.create("bare").unwrap();
        file.reserve(BARE_FILE_BYTES).unwrap();
        let block = vec![0x5a; (payload + 80).next_multiple_of(4096)];
        group.bench_function(BenchmarkId::new("bare", &name), |b| {
            let mut at = 0;
            b.iter(|| {
                file.write_durable_at(at, &block).unwrap();
                at += block.len() as u64;
                if at + block.len() as u64 > BARE_FILE_BYTES {
                    at = 0;
                }
            });
        });
    }
    group.finish();
}

/// A log whose next segments are recycled ones, as in a store that has run for a while.
fn ready_log(disk: &Arc<dyn Disk>) -> Log {
    for name in disk.list().unwrap() {
        disk.remove(&name).unwrap();
    }
    let options = LogOptions { reserve_step: u64::MAX, ..LogOptions::default() };
    let mut log = Log::create(Arc::clone(disk), options, [1; 16]).unwrap();
    let large = vec![1; 40 << 20];
    for _ in 0..4 {
        append(&mut log, &large, 1);
    }
    let sealed: Vec<u64> = log.segments().iter().rev().skip(1).map(|s| s.no).collect();
    log.recycle(&sealed).unwrap();
    log
}

fn reading(c: &mut Criterion) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir.path()).unwrap());
    let mut log = Log::create(Arc::clone(&disk), LogOptions::default(), [1; 16]).unwrap();
    for n in 0..150 {
        append(&mut log, &vec![n; 330], 1000);
    }
    let bytes: u64 = log.next_lsn().0;
    drop(log);
    let mut group = c.benchmark_group("wal_read");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("open_and_read_back", |b| {
        b.iter(|| {
            let options = LogOptions::default();
            let (log, report) = Log::open(Arc::clone(&disk), options, OpenHint::default()).unwrap();
            black_box(report);
            let records: usize = log
                .reader()
                .frames(log.oldest())
                .map(|frame| frame.unwrap().records().count())
                .sum();
            assert_eq!(records, 150_000);
        });
    });
    group.finish();
}

criterion_group!(benches, framing, durable, reading);
criterion_main!(benches);
