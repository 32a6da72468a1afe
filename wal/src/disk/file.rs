//! An open file, as the engine sees one.

use std::io;
use std::os::fd::BorrowedFd;

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

    /// All of it will be read soon, from one end to the other. A hint: nothing depends on it.
    fn read_ahead(&self) {}
}

/// Whether an error says that there is no room, so that the caller may go on once there is.
#[must_use]
pub fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
