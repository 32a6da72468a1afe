//! The log on a real directory by every way of writing, and without io_uring where that is refused.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use strongroom_wal::disk::buffer::BlockBuf;
use strongroom_wal::disk::queue::{Submission, WriteQueue};
use strongroom_wal::disk::{Disk, DurableMethod, SysDisk, SysOptions};
use strongroom_wal::{Log, LogOptions, LogReader, OpenHint};

use crate::support::{ID, append, contents, deep, record};

fn work(disk: Arc<dyn Disk>, options: &LogOptions) {
    let mut log = Log::create(Arc::clone(&disk), options.clone(), ID).unwrap();
    let mut expected = Vec::new();
    for n in 0..60 {
        let records = vec![record(n, 1 + n * 977 % 20_000), record(n, 3)];
        let mut frame = log.begin_frame(0).unwrap();
        for record in &records {
            // More than was announced, so that buffers grow and lose their registration.
            if frame.push(record).is_err() {
                break;
            }
        }
        if frame.len() < 2 {
            drop(frame);
            append(&mut log, &records).unwrap();
        } else {
            log.submit(frame).unwrap();
        }
        expected.push(records);
        assert!(log.in_flight() <= 2 * log.depth() + expected.len());
    }
    while log.reap().unwrap().is_some() {}
    assert_eq!(contents(&log), expected);
    drop(log);
    let (log, _) = Log::open(disk, options.clone(), OpenHint::default()).unwrap();
    assert_eq!(contents(&log), expected);
    log.close().unwrap();
}

#[test]
fn every_method_writes_the_same_log() {
    for method in DurableMethod::ALL {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = SysOptions { method: Some(method), ..SysOptions::default() };
        let disk: Arc<dyn Disk> = Arc::new(SysDisk::open_with(dir.path(), options).unwrap());
        assert_eq!(disk.durable_report().unwrap().method, method);
        assert!(method == DurableMethod::Uring || disk.write_queue(4).depth() == 1);
        work(disk, &deep());
    }
}

#[test]
fn without_io_uring_one_write_is_in_flight() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = SysOptions { io_uring: false, method: None };
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open_with(dir.path(), options).unwrap());
    let report = disk.durable_report().unwrap();
    assert_ne!(report.method, DurableMethod::Uring);
    assert!(report.timings.iter().all(|(method, _)| *method != DurableMethod::Uring));
    // Two of them are there wherever there is a file.
    for method in [DurableMethod::Fdatasync, DurableMethod::Dsync] {
        assert!(report.timings.iter().any(|(timed, _)| *timed == method), "{method:?}");
    }
    work(disk, &deep());

    let other = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(other.path()).unwrap());
    let options = LogOptions { io_uring: false, ..deep() };
    let log = Log::create(Arc::clone(&disk), options, ID).unwrap();
    assert_eq!(log.depth(), 1);
}

/// Writes that a ring cannot take go out all the same, and a queue that is dropped has written.
#[test]
fn odd_writes_and_dropped_queues() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let disk = SysDisk::open(dir.path()).unwrap();
    let file = disk.create("f").unwrap();
    file.reserve(40_960).unwrap();
    let mut queue: Box<dyn WriteQueue> = disk.write_queue(4);
    for (tag, (offset, len)) in [(0, 4096), (8192, 100), (5, 4096)].into_iter().enumerate() {
        let mut data = BlockBuf::new();
        data.extend_from_slice(&record(tag, len));
        let tag = u64::try_from(tag).unwrap();
        if queue.in_flight() == queue.depth() {
            queue.reap().unwrap().result.unwrap();
        }
        queue.submit(Submission { file: Arc::clone(&file), offset, data, tag });
        queue.reap().unwrap().result.unwrap();
    }
    let mut data = BlockBuf::new();
    data.extend_from_slice(&record(9, 16_384));
    queue.submit(Submission { file: Arc::clone(&file), offset: 16_384, data, tag: 9 });
    drop(queue);
    let mut read = vec![0; 16_384];
    file.read_at(16_384, &mut read).unwrap();
    assert_eq!(read, record(9, 16_384));
    let mut read = vec![0; 4096];
    file.read_at(5, &mut read).unwrap();
    assert_eq!(read, record(2, 4096));
}

const FOLDER: &str = "STRONGROOM_WAL_TEST_NO_URING";

/// The child: forbids itself `io_uring_setup` as container profiles do, then uses a log. Run by
/// itself it has no folder and nothing to do.
#[test]
fn child_without_io_uring() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    forbid_io_uring();
    let disk = Arc::new(SysDisk::open(Path::new(&folder)).unwrap());
    assert_ne!(disk.durable_method(), DurableMethod::Uring);
    work(disk, &deep());
    // Asked for all the same: plain calls do it.
    let options = SysOptions { method: Some(DurableMethod::Uring), ..SysOptions::default() };
    let forced = Path::new(&folder).join("forced");
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open_with(&forced, options).unwrap());
    assert_eq!(disk.write_queue(4).depth(), 1);
    work(disk, &deep());
    println!("worked without it");
}

/// A filter that answers `io_uring_setup` with `EPERM` and lets everything else through.
#[expect(unsafe_code, reason = "there is no safe wrapper")]
fn forbid_io_uring() {
    let number = u32::try_from(libc::SYS_io_uring_setup).unwrap();
    let mut filter = [
        libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: number },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | 1 },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the program points at four instructions that outlive the call; it loads the number of
    // the call, compares, and returns one of two verdicts.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    assert_eq!(done, 0);
}

#[test]
fn a_filter_that_refuses_io_uring_is_lived_with() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "uring::child_without_io_uring", "--nocapture"])
        .env(FOLDER, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("worked without it"), "{said}");
}

/// Sealed segments are read through maps or not: the same bytes come, also from a map whose file was
/// recycled meanwhile.
#[test]
fn maps_and_plain_reads_agree() {
    for mmap in [true, false] {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(dir.path()).unwrap());
        let options = LogOptions { mmap, ..deep() };
        let mut log = Log::create(Arc::clone(&disk), options, ID).unwrap();
        let mut at = Vec::new();
        for n in 0..30 {
            let bytes = record(n, 1 + n * 409);
            let mut frame = log.begin_frame(bytes.len() + 3).unwrap();
            at.push((frame.push(&bytes).unwrap(), bytes));
            log.append(frame).unwrap();
            for (lsn, bytes) in &at {
                let mut buf = vec![0; bytes.len()];
                log.reader().read_bytes(*lsn, &mut buf).unwrap();
                assert_eq!(&buf, bytes);
            }
        }
        assert!(log.segments().len() > 3);
        let name = "wal-0000000000000000.log";
        let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
        let here = format!("{}/{name}", dir.path().canonicalize().unwrap().display());
        assert_eq!(mapped.contains(&here), mmap);
        let mut whole = vec![0; 60_000];
        disk.open_sealed(name).unwrap().read_at(0, &mut whole).unwrap();
        assert_eq!(whole, std::fs::read(dir.path().join(name)).unwrap()[..60_000]);
        assert_eq!(contents(&log).len(), 30);
        // Of a log that others may write, and cut, nothing is mapped.
        let folder = dir.path().canonicalize().unwrap().display().to_string();
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().matches(&folder).count();
        let before = maps();
        let other = LogReader::open(Arc::clone(&disk), OpenHint::default()).unwrap();
        for (lsn, bytes) in &at {
            other.read_bytes(*lsn, &mut vec![0; bytes.len()]).unwrap();
        }
        assert_eq!(maps(), before);
        log.recycle(&[0]).unwrap();
        assert!(log.reader().read_bytes(at[0].0, &mut [0]).is_err());
    }
}
