//! The folder as it is looked at: what is read moves a bar, and nothing can be written.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

use strongroom_tools::progress::{Bar, Unit};
use strongroom_wal::disk::{Disk, DiskFile};

/// A bar for what is read until the comparison begins, which has one of its own. How much that is
/// nobody knows before: it depends on where the last checkpoint is.
type Shared = Arc<Mutex<Option<Bar>>>;

/// See the module's text.
pub(crate) struct Reading {
    disk: Arc<dyn Disk>,
    bar: Shared,
}

impl Reading {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        let bar = Bar::new("reading", None, Unit::Bytes);
        Self { disk, bar: Arc::new(Mutex::new(Some(bar))) }
    }

    /// Takes the bar away.
    pub(crate) fn done(&self) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn watched(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Watched { file, bar: Arc::clone(&self.bar) })
    }
}

fn refuse<T>() -> io::Result<T> {
    Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
}

impl Disk for Reading {
    fn create(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        refuse()
    }

    fn open(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        refuse()
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.watched(self.disk.open_read(name)?))
    }

    fn open_sealed(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.watched(self.disk.open_sealed(name)?))
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        refuse()
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        refuse()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync_dir(&self) -> io::Result<()> {
        refuse()
    }

    fn lock(&self, _: &str) -> io::Result<Box<dyn Send + Sync>> {
        refuse()
    }

    fn lock_existing(&self, name: &str) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock_existing(name)
    }

    fn in_background(&self) -> bool {
        self.disk.in_background()
    }
}

struct Watched {
    file: Arc<dyn DiskFile>,
    bar: Shared,
}

impl DiskFile for Watched {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, buf)?;
        if let Some(bar) = &mut *self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.advance(buf.len() as u64);
        }
        Ok(())
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        refuse()
    }

    fn write_durable_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        refuse()
    }

    fn sync(&self) -> io::Result<()> {
        refuse()
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        refuse()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn direct_fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.direct_fd()
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
    use strongroom_wal::disk::sim::SimDisk;

    use super::*;

    #[test]
    fn what_is_looked_at_is_read_and_counted_and_not_written() {
        let disk = SimDisk::new(1);
        disk.create("a").unwrap().write_at(0, b"abcdef").unwrap();
        let reading = Reading::new(Arc::new(disk.clone()));
        let file = reading.open_read("a").unwrap();
        let mut buf = [0; 4];
        file.read_at(1, &mut buf).unwrap();
        assert_eq!((&buf, file.len().unwrap()), (b"bcde", 6));
        let before = disk.calls();
        assert!(reading.create("b").is_err() && reading.open("a").is_err());
        assert!(reading.remove("a").is_err() && reading.rename("a", "b").is_err());
        assert!(reading.sync_dir().is_err() && reading.lock("LOCK").is_err());
        assert!(file.write_at(0, b"x").is_err() && file.write_durable_at(0, b"x").is_err());
        assert!(file.sync().is_err() && file.reserve(9).is_err());
        assert_eq!(disk.calls(), before, "the disk is not even asked");
        reading.done();
        file.read_at(1, &mut buf).unwrap();
    }
}
