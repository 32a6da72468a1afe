//! The disk seam over a real directory, by plain system calls.
//!
//! Durable writes are `pwrite` + `fdatasync` or `pwritev2` with `RWF_DSYNC`, whichever a short
//! probe finds faster on the device (once per device and process). The directory is made with mode
//! 0700 and files with 0600.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::{Disk, DiskFile};

/// Bytes written at a time when a file is filled with zeros.
const ZERO_CHUNK_BYTES: usize = 256 * 1024;

/// Timed durable writes per method in the probe.
const PROBE_ROUNDS: usize = 4;

/// Bytes of one probe write.
const PROBE_BYTES: usize = 4096;

/// How a durable write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurableMethod {
    /// `pwrite`, then `fdatasync`.
    Fdatasync,
    /// One `pwritev2` with `RWF_DSYNC`.
    Dsync,
}

impl DurableMethod {
    /// Name for status answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fdatasync => "pwrite+fdatasync",
            Self::Dsync => "pwritev2(RWF_DSYNC)",
        }
    }
}

/// A real directory.
pub struct SysDisk {
    dir: PathBuf,
    method: DurableMethod,
}

impl SysDisk {
    /// Opens a directory for use, making it (mode 0700) and its parents if needed, and probes how
    /// durable writes go fastest there.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(dir: &Path) -> io::Result<Self> {
        if !dir.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            sync_parent(dir)?;
        }
        Ok(Self { dir: dir.to_owned(), method: method_for(dir)? })
    }

    /// Opens a directory that must exist. Writes nothing, not even a probe.
    ///
    /// # Errors
    /// `NotFound` or `NotADirectory`; else as the file system says.
    pub fn open_existing(dir: &Path) -> io::Result<Self> {
        if !fs::metadata(dir)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self { dir: dir.to_owned(), method: DurableMethod::Fdatasync })
    }

    /// How durable writes are done here.
    pub fn durable_method(&self) -> DurableMethod {
        self.method
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, name: &str) -> PathBuf {
        let flat = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
        assert!(flat, "a disk holds flat file names");
        self.dir.join(name)
    }

    fn handle(&self, options: &OpenOptions, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = options.open(self.path(name))?;
        Ok(Arc::new(SysFile { file, method: self.method }))
    }
}

impl Disk for SysDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        self.handle(&options, name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.handle(OpenOptions::new().read(true).write(true), name)
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.handle(OpenOptions::new().read(true), name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn Send + Sync>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(self.path(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(fs::TryLockError::WouldBlock) => Err(io::Error::from(io::ErrorKind::WouldBlock)),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

struct SysFile {
    file: File,
    method: DurableMethod,
}

impl SysFile {
    /// Writes with `RWF_DSYNC`, going on after short writes.
    fn write_dsync(&self, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let slices = [IoSlice::new(data)];
            match rustix::io::pwritev2(&self.file, &slices, offset, ReadWriteFlags::DSYNC) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
                Ok(written) => {
                    data = &data[written..];
                    offset += u64::try_from(written).map_err(io::Error::other)?;
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Takes the blocks from the file system first, so that a full disk is known before any byte
    /// is written. File systems without `fallocate` find out while the zeros are written.
    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), from, to - from) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn fill_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        let zeros = vec![0u8; ZERO_CHUNK_BYTES];
        let mut at = from;
        while at < to {
            let left = usize::try_from(to - at).unwrap_or(usize::MAX);
            let chunk = &zeros[..left.min(ZERO_CHUNK_BYTES)];
            self.file.write_all_at(chunk, at)?;
            at += u64::try_from(chunk.len()).map_err(io::Error::other)?;
        }
        self.file.sync_data()
    }
}

impl DiskFile for SysFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn write_durable_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match self.method {
            DurableMethod::Dsync => self.write_dsync(offset, data),
            DurableMethod::Fdatasync => {
                self.file.write_all_at(data, offset)?;
                self.file.sync_data()
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        let from = self.len()?;
        if from >= len {
            return Ok(());
        }
        let filled = self.allocate(from, len).and_then(|()| self.fill_zeros(from, len));
        if filled.as_ref().is_err_and(super::is_no_space) {
            // What was taken goes back: a full disk must not stay full because we asked.
            self.file.set_len(from)?;
        }
        filled
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn drop_cache(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed)?)
    }
}

/// Makes the entry of a new directory durable.
fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

static PROBED: Mutex<Option<HashMap<u64, DurableMethod>>> = Mutex::new(None);
static PROBE_FILES: AtomicU64 = AtomicU64::new(0);

/// The method for a directory's device, probed once per process.
fn method_for(dir: &Path) -> io::Result<DurableMethod> {
    let device = fs::metadata(dir)?.dev();
    let mut probed = PROBED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = probed.get_or_insert_with(HashMap::new);
    if let Some(method) = known.get(&device) {
        return Ok(*method);
    }
    let method = probe(dir);
    known.insert(device, method);
    Ok(method)
}

/// Times both methods on a zero-filled file. Whatever goes wrong leaves the method that works
/// everywhere: a full or slow disk is not the probe's to report.
fn probe(dir: &Path) -> DurableMethod {
    let number = PROBE_FILES.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!(".probe-{}-{number}", std::process::id()));
    let method = probe_file(&path).unwrap_or(DurableMethod::Fdatasync);
    let _ = fs::remove_file(&path);
    method
}

fn probe_file(path: &Path) -> io::Result<DurableMethod> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let mut probed = SysFile { file, method: DurableMethod::Fdatasync };
    probed.reserve(u64::try_from(PROBE_BYTES).map_err(io::Error::other)?)?;
    let mut best = [Duration::MAX; 2];
    for _ in 0..PROBE_ROUNDS {
        for (slot, method) in
            [DurableMethod::Fdatasync, DurableMethod::Dsync].into_iter().enumerate()
        {
            probed.method = method;
            let started = Instant::now();
            probed.write_durable_at(0, &[0x5a; PROBE_BYTES])?;
            best[slot] = best[slot].min(started.elapsed());
        }
    }
    Ok(if best[1] < best[0] { DurableMethod::Dsync } else { DurableMethod::Fdatasync })
}
