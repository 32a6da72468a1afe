//! A directory, as the engine sees one.

use std::io;
use std::sync::Arc;

use super::file::DiskFile;
use super::method::DurableReport;
use super::queue::{DirectQueue, WriteQueue};

/// A directory with flat file names.
pub trait Disk: Send + Sync + 'static {
    /// Makes a new file, open for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken; else as the medium says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` when there is none; else as the medium says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading only. Writing through the handle fails.
    ///
    /// # Errors
    /// `NotFound` when there is none; else as the medium says.
    fn open_read(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file for reading only that is written no more and never becomes shorter: through a
    /// memory map, where there are any.
    ///
    /// # Errors
    /// As [`open_read`](Self::open_read).
    fn open_sealed(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open_read(name)
    }

    /// Removes a name. Its space comes back when the last handle is dropped.
    ///
    /// # Errors
    /// `NotFound` when there is none; else as the medium says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames, atomically replacing `to` if it exists.
    ///
    /// # Errors
    /// `NotFound` when there is no `from`; else as the medium says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// All file names, sorted.
    ///
    /// # Errors
    /// As the medium says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes all names durable as they are now.
    ///
    /// # Errors
    /// As the medium says; the names are then in doubt.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes an exclusive advisory lock, making the file if needed. It is held until the guard is
    /// dropped or the process ends, and excludes a second owner in the same process too.
    ///
    /// # Errors
    /// `WouldBlock` when another owner has it; else as the medium says.
    fn lock(&self, name: &str) -> io::Result<Box<dyn Send + Sync>>;

    /// As [`lock`](Self::lock), of a file that is there, by who only reads: a disk that cannot be written
    /// gives it too.
    ///
    /// # Errors
    /// `WouldBlock` when another owner has it, `NotFound` when there is no file; else as the medium
    /// says.
    fn lock_existing(&self, name: &str) -> io::Result<Box<dyn Send + Sync>> {
        self.lock(name)
    }

    /// A queue for durable writes to this disk's files with up to `depth` of them in flight, or
    /// fewer if the disk cannot do so many.
    fn write_queue(&self, depth: usize) -> Box<dyn WriteQueue> {
        let _ = depth;
        Box::new(DirectQueue::default())
    }

    /// Whether calls may come from a thread that works beside the caller. A disk whose calls must
    /// come in an order that can be repeated says no.
    fn in_background(&self) -> bool {
        false
    }

    /// How durable writes are done here and what was measured; `None` where there is no choice.
    fn durable_report(&self) -> Option<DurableReport> {
        None
    }
}
