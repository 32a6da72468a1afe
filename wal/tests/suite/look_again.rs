//! A look at a log that is being written: what was half done is looked at once more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use strongroom_wal::OpenHint;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::disk::{Disk, DiskFile};
use strongroom_wal::inspect::Inspector;

use crate::support::{append, create, record};

/// Shows a write that is half done until so many reads were made, and then all of it.
#[derive(Clone)]
struct Unfinished<T> {
    half: T,
    whole: T,
    reads: Arc<AtomicU32>,
    done_after: u32,
}

impl Disk for Unfinished<SimDisk> {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.whole.create(name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.whole.open(name)
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let (half, whole) = (self.half.open_read(name)?, self.whole.open_read(name)?);
        let (reads, done_after) = (Arc::clone(&self.reads), self.done_after);
        Ok(Arc::new(Unfinished { half, whole, reads, done_after }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.whole.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.whole.rename(from, to)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.whole.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.whole.sync_dir()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn Send + Sync>> {
        self.whole.lock(name)
    }
}

impl DiskFile for Unfinished<Arc<dyn DiskFile>> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let before = self.reads.fetch_add(1, Ordering::Relaxed);
        let file = if before < self.done_after { &self.half } else { &self.whole };
        file.read_at(offset, buf)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.whole.write_at(offset, data)
    }

    fn write_durable_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.whole.write_durable_at(offset, data)
    }

    fn sync(&self) -> io::Result<()> {
        self.whole.sync()
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.whole.reserve(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.whole.len()
    }
}

// A tool that reads beside the writer must not call torn what was only not finished yet.
#[test]
fn a_write_that_ends_while_it_is_looked_at_is_no_finding() {
    let whole = SimDisk::new(1);
    let mut log = create(&whole);
    let frames: Vec<_> =
        (0..3).map(|n| append(&mut log, &[record(n, 300)]).unwrap().start.0).collect();
    let half = whole.clone_image();
    half.flip("wal-0000000000000000.log", frames[2] + 81, 1);
    let look = |done_after| {
        let reads = Arc::new(AtomicU32::new(0));
        let disk = Unfinished {
            half: half.clone(),
            whole: whole.clone(),
            reads: reads.clone(),
            done_after,
        };
        let inspector = Inspector::open(Arc::new(disk)).unwrap();
        let summary = inspector.look(OpenHint::default(), &mut |_| {}).unwrap();
        (summary.findings.len(), summary.frames, reads.load(Ordering::Relaxed))
    };
    let (findings, passed, reads) = look(u32::MAX);
    assert_eq!((findings, passed), (1, 2));
    for done_after in 0..reads {
        let (findings, passed, _) = look(done_after);
        assert_eq!((findings, passed), (0, 3), "{done_after} of {reads}");
    }
}
