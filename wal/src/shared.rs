//! What the writer and its readers share: the durable position and the segments that are kept.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::disk::{Disk, DiskFile};
use crate::durable::Durable;
use crate::look::Format;
use crate::lsn::{Lsn, segment_name};
use crate::options::LogOptions;
use crate::recent::Recent;
use crate::retention::Holds;

/// Most segment files that are kept open for reading.
const OPEN_SEGMENTS_MAX: usize = 256;

/// A segment that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number.
    pub no: u64,
    /// Position of its first frame.
    pub start: Lsn,
    /// First position after it; in the segment being written, the durable end.
    pub end: Lsn,
    /// Bytes that its file takes.
    pub bytes_on_disk: u64,
}

struct Kept {
    file: Option<Arc<dyn DiskFile>>,
    /// Whether the file was opened as one that is written no more.
    sealed: bool,
    bytes: u64,
}

pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) format: Format,
    durable: Durable,
    kept: RwLock<BTreeMap<u64, Kept>>,
    pub(crate) holds: Arc<Holds>,
    /// Whether sealed segments may be read through memory maps.
    mmap: bool,
    pub(crate) recent: Recent,
}

impl Shared {
    /// Durable up to a position, and of these options what readers are told by.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        format: Format,
        durable: Lsn,
        options: &LogOptions,
    ) -> Self {
        let (kept, holds) = Default::default();
        let recent = Recent::new(options.recent_bytes);
        let durable = Durable::new(durable);
        Self { disk, format, durable, kept, holds, mmap: options.mmap, recent }
    }

    /// End of the last durable frame. Everything before it may be read.
    pub(crate) fn durable(&self) -> Lsn {
        self.durable.get()
    }

    /// Publishes frames that have become durable.
    pub(crate) fn set_durable(&self, lsn: Lsn) {
        self.durable.publish(lsn);
    }

    /// Adds a segment, or changes the size that is known of it.
    pub(crate) fn keep(&self, segment: u64, file: Option<Arc<dyn DiskFile>>, bytes: u64) {
        let mut kept = self.write();
        let entry = kept.entry(segment).or_insert(Kept { file: None, sealed: false, bytes });
        entry.bytes = bytes;
        if file.is_some() {
            entry.file = file;
        }
    }

    /// Takes a segment away from readers, and answers what its file takes. `None` when it was not there.
    pub(crate) fn forget(&self, segment: u64) -> Option<u64> {
        self.write().remove(&segment).map(|kept| kept.bytes)
    }

    pub(crate) fn keeps(&self, segment: u64) -> bool {
        self.read().contains_key(&segment)
    }

    /// How many segments are kept.
    pub(crate) fn segments_len(&self) -> usize {
        self.read().len()
    }

    /// First frame still kept.
    pub(crate) fn oldest(&self) -> Lsn {
        let first = self.read().keys().next().copied();
        first.map_or_else(|| self.durable(), |segment| self.format.geometry.first_frame(segment))
    }

    /// The segments that are kept, in order.
    pub(crate) fn segments(&self) -> Vec<SegmentInfo> {
        let (geometry, durable) = (self.format.geometry, self.durable());
        let info = |(no, kept): (&u64, &Kept)| {
            let start = geometry.first_frame(*no);
            let end = geometry.end(*no).min(durable.max(start));
            SegmentInfo { no: *no, start, end, bytes_on_disk: kept.bytes }
        };
        self.read().iter().map(info).collect()
    }

    /// The file of a segment. `None` when the segment is not kept.
    pub(crate) fn file(&self, segment: u64) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let seal = self.mmap && self.format.geometry.segment(self.durable()) > segment;
        match self.read().get(&segment) {
            None => return Ok(None),
            Some(Kept { file: Some(file), sealed, .. }) if *sealed || !seal => {
                return Ok(Some(Arc::clone(file)));
            }
            Some(_) => {}
        }
        let name = segment_name(segment);
        let opened = if seal { self.disk.open_sealed(&name) } else { self.disk.open_read(&name) };
        let file = match opened {
            Ok(file) => file,
            // Recycled between the two lines above, or taken away by someone else.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.keeps(segment) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut kept = self.write();
        close_surplus(&mut kept);
        let Some(entry) = kept.get_mut(&segment) else { return Ok(None) };
        entry.file = Some(Arc::clone(&file));
        entry.sealed = seal;
        Ok(Some(file))
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Kept>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Kept>> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for one more open file by closing the oldest; readers that hold it keep it.
fn close_surplus(kept: &mut BTreeMap<u64, Kept>) {
    let open = kept.values().filter(|k| k.file.is_some()).count();
    if open >= OPEN_SEGMENTS_MAX
        && let Some(oldest) = kept.values_mut().find(|k| k.file.is_some())
    {
        oldest.file = None;
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::OnceLock;

    use super::*;
    use crate::disk::sim::SimDisk;
    use crate::lsn::Geometry;

    /// A disk from which nothing can be opened for reading, because a segment is recycled just then
    /// or for another reason.
    struct Vanishing {
        inner: SimDisk,
        error: ErrorKind,
        recycled: bool,
        shared: OnceLock<Arc<Shared>>,
    }

    impl Disk for Vanishing {
        fn open_read(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
            if let Some(shared) = self.shared.get().filter(|_| self.recycled) {
                assert_eq!(name, segment_name(7));
                assert!(shared.forget(7).is_some());
            }
            Err(self.error.into())
        }

        fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
            self.inner.create(name)
        }

        fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
            self.inner.open(name)
        }

        fn remove(&self, name: &str) -> io::Result<()> {
            self.inner.remove(name)
        }

        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            self.inner.rename(from, to)
        }

        fn list(&self) -> io::Result<Vec<String>> {
            self.inner.list()
        }

        fn sync_dir(&self) -> io::Result<()> {
            self.inner.sync_dir()
        }

        fn lock(&self, name: &str) -> io::Result<Box<dyn Send + Sync>> {
            self.inner.lock(name)
        }
    }

    // A reader that comes too late for a recycled segment finds none; a segment that is kept and
    // cannot be opened is damage, whatever the reason.
    #[test]
    fn a_segment_that_is_recycled_while_it_is_opened_is_not_kept() {
        let format = Format::new(Geometry::new(65536).unwrap(), [5; 16]);
        let file = |error, recycled| {
            let inner = SimDisk::new(1);
            let disk = Arc::new(Vanishing { inner, error, recycled, shared: OnceLock::new() });
            let options = LogOptions::default();
            let shared = Arc::new(Shared::new(disk.clone(), format, Lsn::ZERO, &options));
            shared.keep(7, None, 0);
            assert!(disk.shared.set(shared.clone()).is_ok());
            shared.file(7).map(|file| file.is_some()).map_err(|error| error.kind())
        };
        assert_eq!(file(ErrorKind::NotFound, true), Ok(false));
        assert_eq!(file(ErrorKind::NotFound, false), Err(ErrorKind::NotFound));
        for recycled in [true, false] {
            let denied = ErrorKind::PermissionDenied;
            assert_eq!(file(denied, recycled), Err(denied));
        }
    }

    /// Whoever reads a long log through must not run out of file handles.
    #[test]
    fn no_more_segments_stay_open_than_the_bound() {
        let format = Format::new(Geometry::new(65536).unwrap(), [5; 16]);
        let disk = Arc::new(SimDisk::new(1));
        let shared = Shared::new(disk.clone(), format, Lsn::ZERO, &LogOptions::default());
        let count = u64::try_from(OPEN_SEGMENTS_MAX).unwrap() + 3;
        let open = || -> Vec<u64> {
            shared
                .read()
                .iter()
                .filter(|(_, kept)| kept.file.is_some())
                .map(|(no, _)| *no)
                .collect()
        };
        for no in 0..count {
            disk.create(&segment_name(no)).unwrap();
            shared.keep(no, None, 0);
            shared.file(no).unwrap().unwrap();
        }
        assert_eq!(open(), (3..count).collect::<Vec<_>>(), "the oldest are closed");
        shared.file(0).unwrap().unwrap();
        assert_eq!(open().len(), OPEN_SEGMENTS_MAX);
    }
}
