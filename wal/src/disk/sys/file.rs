//! A real file: plain system calls, with a second descriptor past the page cache where there is one.
//!
//! Promises: a durable write is on the medium when it returns, whichever way it goes; a full disk is
//! told before any byte is written, as far as the file system knows it.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::{Errno, ReadWriteFlags};

use crate::disk::buffer::{BUFFER_ALIGN, BlockBuf, is_aligned};
use crate::disk::{DiskFile, DurableMethod, DurableReport, is_no_space};

/// Bytes written at a time when a file is filled with zeros.
const ZERO_CHUNK_BYTES: usize = 256 * 1024;

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
        if filled.as_ref().is_err_and(is_no_space) {
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

    fn read_ahead(&self) {
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::WillNeed);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn over(file: File) -> SysFile {
        SysFile::new(file, None, &DurableReport::given(DurableMethod::Fdatasync))
    }

    // What a file system takes from its free blocks reads as zeros and is written twice: once more,
    // with its state, by the first write.
    #[test]
    fn zeros_are_written_where_they_are_asked_for() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&vec![7; 300_000], 0).unwrap();
        over(file.try_clone().unwrap()).fill_zeros(4096, 290_000).unwrap();
        let mut bytes = vec![0; 300_000];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes[..4096].iter().chain(&bytes[290_000..]).all(|byte| *byte == 7));
        assert!(bytes[4096..290_000].iter().all(|byte| *byte == 0));
        assert_eq!(file.metadata().unwrap().len(), 300_000);
    }

    // A device that knows no sync says so, and so does the disk.
    #[test]
    fn what_is_not_synced_is_not_said_to_be() {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
        let null = over(null);
        null.sync().unwrap_err();
        null.allocate(0, 4096).unwrap_err();
        let (_, pipe) = io::pipe().unwrap();
        over(File::from(std::os::fd::OwnedFd::from(pipe))).drop_cache().unwrap_err();
    }

    // Two files stand in for the two ways to one.
    #[test]
    fn whole_blocks_go_past_the_cache_and_all_else_through_it() {
        let [cached, direct] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let len = |file: &File| file.metadata().unwrap().len();
        let (cached_too, direct_too) = (cached.try_clone().unwrap(), direct.try_clone().unwrap());
        let report = DurableReport::given(DurableMethod::DirectDsync);
        let file = SysFile::new(cached_too, Some(direct_too), &report);
        assert!(file.direct_fd().is_some());
        let mut blocks = BlockBuf::new();
        blocks.resize(2 * BUFFER_ALIGN);
        file.write_durable_at(4096, &blocks).unwrap();
        assert_eq!((len(&cached), len(&direct)), (0, 12_288));
        file.write_durable_at(0, &blocks[..100]).unwrap();
        file.write_durable_at(0, &blocks[1..=BUFFER_ALIGN]).unwrap();
        file.write_durable_at(4000, &blocks[..BUFFER_ALIGN]).unwrap();
        assert_eq!((len(&cached), len(&direct)), (8096, 12_288));
    }
}
