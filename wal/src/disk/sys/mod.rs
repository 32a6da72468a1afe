//! The disk seam over a real directory.
//!
//! Durable writes go the way that a short probe finds fastest on the device, or that was asked for:
//! by io_uring or plain system calls, through the page cache or past it. The directory is made with
//! mode 0700 and files with 0600.

mod file;
mod map;
mod probe;
mod uring;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::file::SysFile;
use self::map::MappedFile;
use self::probe::report_for;
use self::uring::UringQueue;
use super::queue::{DirectQueue, WriteQueue};
use super::{Disk, DiskFile, DurableMethod, DurableReport};

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
        locked(options.open(self.path(name))?)
    }

    fn lock_existing(&self, name: &str) -> io::Result<Box<dyn Send + Sync>> {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        let path = self.path(name);
        // Over a network a lock may ask for the right to write, though the file's own system does not.
        match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) => {
                locked(File::open(path)?)
            }
            opened => locked(opened?),
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

/// The file with its lock.
fn locked(file: File) -> io::Result<Box<dyn Send + Sync>> {
    match file.try_lock() {
        Ok(()) => Ok(Box::new(file)),
        Err(fs::TryLockError::WouldBlock) => Err(io::Error::from(io::ErrorKind::WouldBlock)),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Makes the entry of a new directory durable.
fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A directory without a parent in its path has one all the same.
    #[test]
    fn the_entry_of_a_new_directory_is_synced_where_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        sync_parent(&dir.path().join("new")).unwrap();
        sync_parent(Path::new("new")).unwrap();
        let nowhere = sync_parent(&dir.path().join("none/new")).unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
    }
}
