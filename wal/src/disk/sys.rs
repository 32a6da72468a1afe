//! The disk seam over a real directory.
//!
//! Durable writes go the way that a short probe finds fastest on the device, or that was asked for:
//! by io_uring or plain system calls, through the page cache or past it. The directory is made with
//! mode 0700 and files with 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::buffer::{BUFFER_ALIGN, BlockBuf};
use super::map::MappedFile;
use super::probe::{DurableMethod, DurableReport, report_for};
use super::queue::{DirectQueue, WriteQueue};
use super::uring::{UringQueue, is_aligned};
use super::{Disk, DiskFile};

/// Bytes written at a time when a file is filled with zeros.
const ZERO_CHUNK_BYTES: usize = 256 * 1024;

/// How a directory is used.
#[derive(Clone, Copy, Debug)]
pub struct SysOptions {
    /// Whether io_uring may be used where the kernel allows it.
    pub io_uring: bool,
    /// How durable writes are done; `None` lets a measurement decide.
    pub method: Option<DurableMethod>,
}

impl Default for SysOptions {
    fn default() -> Self {
        Self { io_uring: true, method: None }
    }
}

/// A real directory.
pub struct SysDisk {
    dir: PathBuf,
    report: DurableReport,
}

impl SysDisk {
    /// Opens a directory for use, making it (mode 0700) and its parents if needed, and probes how
    /// durable writes go fastest there.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open(dir: &Path) -> io::Result<Self> {
        Self::open_with(dir, SysOptions::default())
    }

    /// The same with settings.
    ///
    /// # Errors
    /// As the file system says.
    pub fn open_with(dir: &Path, options: SysOptions) -> io::Result<Self> {
        if !dir.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            sync_parent(dir)?;
        }
        let report = match options.method {
            Some(method) => DurableReport::given(method),
            None => report_for(dir, options.io_uring)?,
        };
        Ok(Self { dir: dir.to_owned(), report })
    }

    /// Opens a directory that must exist. Writes nothing, not even a probe.
    ///
    /// # Errors
    /// `NotFound` or `NotADirectory`; else as the file system says.
    pub fn open_existing(dir: &Path) -> io::Result<Self> {
        if !fs::metadata(dir)?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(Self { dir: dir.to_owned(), report: DurableReport::given(DurableMethod::Fdatasync) })
    }

    /// How durable writes are done here.
    pub fn durable_method(&self) -> DurableMethod {
        self.report.method
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

    /// A handle for writing, with a second descriptor for direct I/O.
    fn writable(&self, options: &mut OpenOptions, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name);
        let file = options.read(true).write(true).open(&path)?;
        let direct =
            if self.report.method.is_direct() { SysFile::open_direct(&path) } else { None };
        Ok(Arc::new(SysFile::new(file, direct, &self.report)))
    }
}

impl Disk for SysDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.writable(OpenOptions::new().create_new(true).mode(0o600), name)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.writable(&mut OpenOptions::new(), name)
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::open(self.path(name))?;
        Ok(Arc::new(SysFile::new(file, None, &self.report)))
    }

    fn open_sealed(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let raw = File::open(self.path(name))?;
        let file = SysFile::new(raw.try_clone()?, None, &self.report);
        match MappedFile::new(file, &raw) {
            Ok(mapped) => Ok(Arc::new(mapped)),
            // An empty file, no more maps to be had: plain calls read it as well.
            Err(_) => self.open_read(name),
        }
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

    fn write_queue(&self, depth: usize) -> Box<dyn WriteQueue> {
        if self.report.method == DurableMethod::Uring
            && let Ok(queue) = UringQueue::new(depth)
        {
            return Box::new(queue);
        }
        Box::new(DirectQueue::default())
    }

    fn in_background(&self) -> bool {
        true
    }

    fn durable_report(&self) -> Option<DurableReport> {
        Some(self.report.clone())
    }
}

pub(super) struct SysFile {
    file: File,
    /// The same file past the page cache, where that is possible and wanted.
    direct: Option<File>,
    method: DurableMethod,
    /// For writes that direct I/O cannot take.
    buffered: DurableMethod,
}

impl SysFile {
    pub(super) fn new(file: File, direct: Option<File>, report: &DurableReport) -> Self {
        Self { file, direct, method: report.method, buffered: report.buffered() }
    }

    /// A descriptor past the page cache; `None` where the file system has none.
    pub(super) fn open_direct(path: &Path) -> Option<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_DIRECT | libc::O_CLOEXEC);
        options.open(path).ok()
    }

    /// The descriptor for a durable write of this place, length and memory, by a method.
    fn descriptor(&self, method: DurableMethod, offset: u64, data: &[u8]) -> &File {
        let aligned =
            is_aligned(offset, data.len()) && data.as_ptr().addr().is_multiple_of(BUFFER_ALIGN);
        match &self.direct {
            Some(direct) if aligned && method.is_direct() => direct,
            _ => &self.file,
        }
    }

    /// One durable write by plain system calls.
    pub(super) fn write_by(
        &self,
        method: DurableMethod,
        offset: u64,
        data: &[u8],
    ) -> io::Result<()> {
        let file = self.descriptor(method, offset, data);
        match method {
            DurableMethod::Dsync | DurableMethod::DirectDsync | DurableMethod::Uring => {
                write_dsync(file, offset, data)
            }
            DurableMethod::Fdatasync | DurableMethod::DirectFdatasync => {
                file.write_all_at(data, offset)?;
                file.sync_data()
            }
        }
    }

    /// Takes the blocks from the file system first, so that a full disk is known before any byte
    /// is written. File systems without `fallocate` find out while the zeros are written.
    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), from, to - from) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Past the page cache if possible: direct writes over cached pages are slow.
    fn fill_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        let mut zeros = BlockBuf::new();
        zeros.resize(ZERO_CHUNK_BYTES);
        let mut at = from;
        while at < to {
            let left = usize::try_from(to - at).unwrap_or(usize::MAX);
            let chunk = &zeros[..left.min(ZERO_CHUNK_BYTES)];
            self.descriptor(self.method, at, chunk).write_all_at(chunk, at)?;
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
        let direct =
            !std::ptr::eq(self.descriptor(self.method, offset, data), &raw const self.file);
        self.write_by(if direct { self.method } else { self.buffered }, offset, data)
    }

    fn direct_fd(&self) -> Option<BorrowedFd<'_>> {
        self.direct.as_ref().map(AsFd::as_fd)
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

/// Writes with `RWF_DSYNC`, going on after short writes.
fn write_dsync(file: &File, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        let slices = [IoSlice::new(data)];
        match rustix::io::pwritev2(file, &slices, offset, ReadWriteFlags::DSYNC) {
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
