//! The disk seam: everything that touches a file goes through these two small traits.
//!
//! The log, the pages and the values of a store all use it, so that one simulated disk
//! ([`sim::SimDisk`]) can tear, lose and rot all of them. A [`Disk`] is one directory with flat
//! file names. Promises that every implementation makes:
//!
//! - a name is durable (created, renamed, removed) only after [`Disk::sync_dir`];
//! - bytes are durable only after [`DiskFile::sync`] or [`DiskFile::write_durable_at`] returned `Ok`;
//! - after a failed durable write or sync, nothing is known about the bytes it covered: a caller
//!   must not retry on the same range and believe the second answer;
//! - handles stay usable after the file was renamed or removed.
//!
//! All calls block. None is cancelled half way: they return or the process dies.

pub mod buffer;
mod map;
mod probe;
pub mod queue;
pub mod sim;
mod sys;
mod uring;

pub use probe::{DurableMethod, DurableReport};
pub use sys::{SysDisk, SysOptions};

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use self::queue::{DirectQueue, WriteQueue};

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

/// An open file. Positional calls only, so that one handle serves many threads.
pub trait DiskFile: Send + Sync {
    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before `buf` is full; else as the medium says.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Writes all of `data`, growing the file if needed. Durable only after [`sync`](Self::sync).
    ///
    /// # Errors
    /// As the medium says; any part may have been written.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Writes all of `data`; it is on the medium before the call returns.
    ///
    /// # Errors
    /// As the medium says; any part may have been written, and a second try proves nothing.
    fn write_durable_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Makes everything written so far, and the length, durable.
    ///
    /// # Errors
    /// As the medium says; what was not durable before is in doubt from then on.
    fn sync(&self) -> io::Result<()>;

    /// Makes what was written to a range durable; more may become durable with it.
    ///
    /// # Errors
    /// As the medium says; what was not durable in the range before is in doubt from then on.
    fn sync_range(&self, offset: u64, len: u64) -> io::Result<()> {
        let _ = (offset, len);
        self.sync()
    }

    /// Grows the file to at least `len` with durable zeros, so that later writes are pure
    /// overwrites. A file that is long enough is left alone.
    ///
    /// # Errors
    /// `StorageFull` (or `QuotaExceeded`) before any byte that was there is touched; else as the
    /// medium says.
    fn reserve(&self, len: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// As the medium says.
    fn len(&self) -> io::Result<u64>;

    /// A descriptor for direct I/O, where there is one.
    fn direct_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As the medium says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Asks that later reads come from the medium. After a failed sync a page cache may still show
    /// bytes that the medium never got; recovery calls this before it believes what it reads.
    ///
    /// # Errors
    /// As the medium says.
    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether an error says that there is no room, so that the caller may go on once there is.
#[must_use]
pub fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
