//! Reading a file through a memory map, for files that are written no more.
//!
//! Promises: bytes are copied out, never lent, so that the caller checks the copy that it uses; the
//! map outlives the name of its file. What a map cannot do is say that the medium failed: the kernel
//! ends the process with `SIGBUS` where `pread` would return an error. Who would rather have the
//! error turns maps off.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use memmap2::{MmapOptions, MmapRaw};

use crate::disk::DiskFile;

/// A file that is read through a map as far as that goes, and else by plain calls.
pub(super) struct MappedFile<F> {
    file: F,
    map: MmapRaw,
}

impl<F: DiskFile> MappedFile<F> {
    /// Maps all of `raw`, which `file` has open.
    ///
    /// The file must never become shorter than it is now. The log keeps that promise: a segment is
    /// renamed to be used again, removed as a name, or made longer; the only truncation there is
    /// (`reserve` on a full disk) goes back to the length from before that very call.
    ///
    /// # Errors
    /// When the file is empty or the kernel refuses.
    pub(super) fn new(file: F, raw: &File) -> io::Result<Self> {
        let len = usize::try_from(file.len()?).map_err(io::Error::other)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let map = MmapOptions::new().len(len).map_raw_read_only(raw)?;
        // A process that locks all of its memory would keep the whole log in it. Where nothing is
        // locked this does nothing, and failing costs memory only.
        let _ = map.unlock();
        Ok(Self { file, map })
    }
}

impl<F: DiskFile> DiskFile for MappedFile<F> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let inside = start.checked_add(buf.len()).is_some_and(|end| end <= self.map.len());
        if !inside {
            return self.file.read_at(offset, buf);
        }
        #[expect(unsafe_code, reason = "a map is read by its address")]
        // SAFETY: the range lies in the map, which lives as long as `self`, and behind all of it
        // stands the file, which never becomes shorter than the map (see `new`). No reference to
        // the mapped bytes is made: the file may be recycled and written by the kernel meanwhile,
        // and then the copy is some mixture of bytes, which every caller checks before use. `buf` is
        // memory of its own, so the two do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.map.as_ptr().add(start),
                buf.as_mut_ptr(),
                buf.len(),
            );
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, data)
    }

    fn write_durable_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_durable_at(offset, data)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.file.reserve(len)
    }

    fn direct_fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.direct_fd()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.file.drop_cache()
    }

    fn read_ahead(&self) {
        self.file.read_ahead();
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::Mutex;

    use super::*;

    /// A file that notes what is asked of it.
    struct Noted {
        raw: File,
        calls: Mutex<Vec<(&'static str, u64)>>,
    }

    impl Noted {
        fn note(&self, call: &'static str, with: u64) {
            self.calls.lock().unwrap().push((call, with));
        }
    }

    impl DiskFile for Noted {
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.note("read", offset);
            buf.fill(9);
            Ok(())
        }

        fn write_at(&self, offset: u64, _: &[u8]) -> io::Result<()> {
            self.note("write", offset);
            Ok(())
        }

        fn write_durable_at(&self, offset: u64, _: &[u8]) -> io::Result<()> {
            self.note("write durably", offset);
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            self.note("sync", 0);
            Ok(())
        }

        fn reserve(&self, len: u64) -> io::Result<()> {
            self.note("reserve", len);
            Ok(())
        }

        fn len(&self) -> io::Result<u64> {
            Ok(5)
        }

        fn direct_fd(&self) -> Option<BorrowedFd<'_>> {
            Some(self.raw.as_fd())
        }

        fn drop_cache(&self) -> io::Result<()> {
            self.note("drop the cache", 0);
            Ok(())
        }

        fn read_ahead(&self) {
            self.note("read ahead", 0);
        }
    }

    // A map changes nothing but how bytes are read that it has: all else reaches the file, and a
    // sync of a range, which it does not know, becomes one of the whole.
    #[test]
    fn all_but_reading_is_passed_on() {
        let raw = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut &raw, b"bytes").unwrap();
        let calls = Mutex::default();
        let file = MappedFile::new(Noted { raw: raw.try_clone().unwrap(), calls }, &raw).unwrap();
        let mut buf = [0; 3];
        file.read_at(2, &mut buf).unwrap();
        assert_eq!(&buf, b"tes");
        file.read_at(3, &mut buf).unwrap();
        assert_eq!(buf, [9; 3]);
        file.write_at(1, b"x").unwrap();
        file.write_durable_at(2, b"x").unwrap();
        file.sync().unwrap();
        file.sync_range(1, 1).unwrap();
        file.reserve(7).unwrap();
        file.drop_cache().unwrap();
        file.read_ahead();
        assert_eq!((file.len().unwrap(), file.direct_fd().is_some()), (5, true));
        let calls = [
            ("read", 3),
            ("write", 1),
            ("write durably", 2),
            ("sync", 0),
            ("sync", 0),
            ("reserve", 7),
            ("drop the cache", 0),
            ("read ahead", 0),
        ];
        assert_eq!(*file.file.calls.lock().unwrap(), calls);
    }
}
