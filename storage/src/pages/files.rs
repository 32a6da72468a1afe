//! Page segments: the files that page images are appended to.
//!
//! Nothing is overwritten: the images of the last complete checkpoint stay valid until the master
//! record names the next one. Each segment counts the bytes of the images in it that something
//! still refers to; a segment without any is removed, one with few has them written again
//! elsewhere by the next checkpoint.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use strongroom_wal::disk::{Disk, DiskFile, is_no_space};

use super::pool::PageError;
use crate::sealed::{Damaged, crc_of};
use crate::sync::lock;

/// A segment takes no further image beyond this many bytes.
pub(crate) const PAGE_SEGMENT_BYTES: u64 = 16 << 20;

const PREFIX: &str = "pages-";

/// Name of a page segment's file.
pub(crate) fn segment_name(segment: u64) -> String {
    format!("{PREFIX}{segment:016x}")
}

/// Number of the page segment that a file name stands for; none has the last number, as none could follow.
pub(crate) fn segment_of(name: &str) -> Option<u64> {
    let no = u64::from_str_radix(name.strip_prefix(PREFIX)?, 16).ok()?;
    (no < u64::MAX && name == segment_name(no)).then_some(no)
}

/// A page segment.
pub(crate) struct Segment {
    pub(crate) no: u64,
    file: Arc<dyn DiskFile>,
    /// Bytes of images that something refers to.
    live: AtomicU64,
    /// Bytes written.
    len: AtomicU64,
    /// A write or a sync failed: what it covered may be in memory only, whatever a later sync says.
    doubtful: AtomicBool,
}

/// A page image or a page map on disk. Dropping the last reference lets its bytes go.
pub(crate) struct Image {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
    pub(crate) len: u32,
    /// The checksum that it is wrapped with: tells it from another image at its place.
    pub(crate) crc: [u8; 4],
}

impl Image {
    fn new(segment: &Arc<Segment>, offset: u64, len: u32, crc: [u8; 4]) -> Arc<Self> {
        segment.live.fetch_add(u64::from(len), Ordering::Relaxed);
        Arc::new(Self { segment: Arc::clone(segment), offset, len, crc })
    }

    /// Whether it may be lost though it can be read.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.segment.doubtful.load(Ordering::Acquire)
    }

    /// Whether bytes that were read where it lies are those that were written; their checksum is to
    /// be checked besides.
    pub(crate) fn same(&self, bytes: &[u8]) -> Result<(), Damaged> {
        if crc_of(bytes) == self.crc { Ok(()) } else { Err(Damaged("another image lies there")) }
    }

    pub(crate) fn damaged(&self, why: Damaged) -> PageError {
        PageError::Damaged { file: segment_name(self.segment.no), why: why.0 }
    }

    /// Its bytes, unchecked.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        self.segment.read(self.offset, usize::try_from(self.len).map_err(io::Error::other)?)
    }
}

impl Segment {
    /// Bytes of it, unchecked.
    pub(super) fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.segment.live.fetch_sub(u64::from(self.len), Ordering::Relaxed);
    }
}

/// Writes images, and gives segments back.
pub(crate) struct PageFiles {
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
    written: AtomicU64,
}

struct State {
    segments: BTreeMap<u64, Arc<Segment>>,
    /// The one that is appended to.
    current: Option<Arc<Segment>>,
    /// Written to since they were last made durable.
    unsynced: Vec<Arc<Segment>>,
    next: u64,
}

impl PageFiles {
    /// Whether calls to the disk may come in any order.
    pub(crate) fn in_background(&self) -> bool {
        self.disk.in_background()
    }

    /// Starts with the segments that lie in the folder; nothing is appended to them.
    pub(crate) fn new(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let highest = disk.list()?.iter().filter_map(|name| segment_of(name)).max();
        let state = State {
            segments: BTreeMap::new(),
            current: None,
            unsynced: Vec::new(),
            next: highest.map_or(1, |n| n + 1),
        };
        Ok(Self { disk, state: Mutex::new(state), written: AtomicU64::new(0) })
    }

    /// Takes on an image that a map lists.
    pub(crate) fn adopt(
        &self,
        segment: u64,
        offset: u64,
        len: u32,
        crc: [u8; 4],
    ) -> io::Result<Arc<Image>> {
        let mut state = lock(&self.state);
        let segment = if let Some(known) = state.segments.get(&segment) {
            Arc::clone(known)
        } else {
            let file = self.disk.open_read(&segment_name(segment))?;
            let (live, doubtful) = (AtomicU64::new(0), AtomicBool::new(false));
            let len = AtomicU64::new(file.len()?);
            let opened = Arc::new(Segment { no: segment, file, live, len, doubtful });
            state.segments.insert(segment, Arc::clone(&opened));
            opened
        };
        let end = offset.checked_add(u64::from(len));
        if end.is_none_or(|end| end > segment.len.load(Ordering::Relaxed)) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Image::new(&segment, offset, len, crc))
    }

    /// Appends images with one write; they can be read at once and are durable after
    /// [`PageFiles::sync`].
    pub(crate) fn append(&self, images: &[Vec<u8>]) -> io::Result<Vec<Arc<Image>>> {
        let mut state = lock(&self.state);
        let segment = self.current(&mut state)?;
        let start = segment.len.load(Ordering::Relaxed);
        let bytes = images.concat();
        if let Err(e) = segment.file.write_at(start, &bytes) {
            // A full disk leaves garbage behind the end at most. After any other failure what shares
            // a sector with this write may be lost too, whatever a later sync says.
            if !is_no_space(&e) {
                segment.doubtful.store(true, Ordering::Release);
                state.current = None;
            }
            return Err(e);
        }
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        segment.len.store(start + bytes.len() as u64, Ordering::Relaxed);
        let mut offset = start;
        let mut placed = Vec::with_capacity(images.len());
        for image in images {
            let len = u32::try_from(image.len()).map_err(io::Error::other)?;
            placed.push(Image::new(&segment, offset, len, crc_of(image)));
            offset += u64::from(len);
        }
        Ok(placed)
    }

    fn current(&self, state: &mut State) -> io::Result<Arc<Segment>> {
        if let Some(segment) = &state.current
            && segment.len.load(Ordering::Relaxed) < PAGE_SEGMENT_BYTES
        {
            return Ok(Arc::clone(segment));
        }
        let no = state.next;
        let file = self.disk.create(&segment_name(no))?;
        state.next += 1;
        let (live, len) = (AtomicU64::new(0), AtomicU64::new(0));
        let segment = Arc::new(Segment { no, file, live, len, doubtful: AtomicBool::new(false) });
        state.segments.insert(no, Arc::clone(&segment));
        state.unsynced.push(Arc::clone(&segment));
        state.current = Some(Arc::clone(&segment));
        Ok(segment)
    }

    /// Makes every image durable that was appended so far.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        let unsynced = std::mem::take(&mut state.unsynced);
        let mut synced = unsynced.iter().try_for_each(|segment| segment.file.sync());
        if synced.is_ok() {
            synced = self.disk.sync_dir();
        }
        if synced.is_err() {
            for segment in &unsynced {
                segment.doubtful.store(true, Ordering::Release);
            }
            state.current = None;
        } else if let Some(current) = state.current.clone() {
            state.unsynced.push(current);
        }
        synced
    }

    /// Numbers of the segments of which less than `percent` percent is live. The one that is appended to
    /// is among them if it is to be `ended`: another one takes its place then.
    pub(crate) fn sparse(&self, percent: u64, ended: bool) -> Vec<u64> {
        let mut state = lock(&self.state);
        let sparse = |s: &Arc<Segment>| {
            let (live, len) = (s.live.load(Ordering::Relaxed), s.len.load(Ordering::Relaxed));
            live * 100 < len * percent
        };
        if ended && state.current.as_ref().is_some_and(sparse) {
            state.current = None;
        }
        let current = state.current.as_ref().map(|s| s.no);
        let written_anew = |s: &&Arc<Segment>| Some(s.no) != current && sparse(s);
        state.segments.values().filter(written_anew).map(|s| s.no).collect()
    }

    /// Removes segments that nothing refers to, and files that no segment stands for.
    pub(crate) fn remove_dead(&self) -> io::Result<()> {
        let state = &mut *lock(&self.state);
        let current = state.current.as_ref().map(|s| s.no);
        let unsynced = &mut state.unsynced;
        state.segments.retain(|no, segment| {
            let stays = Some(*no) == current || segment.live.load(Ordering::Acquire) > 0;
            if !stays {
                unsynced.retain(|s| s.no != *no);
            }
            stays
        });
        for name in self.disk.list()? {
            if segment_of(&name).is_some_and(|no| !state.segments.contains_key(&no)) {
                self.disk.remove(&name)?;
            }
        }
        Ok(())
    }

    /// As [`PageFiles::remove_dead`] before history is repeated, when only the images of the last
    /// checkpoint count: what was stolen since is in the log. The master record that says which
    /// they are is made durable first.
    pub(crate) fn remove_leftover(&self) -> io::Result<()> {
        self.disk.sync_dir()?;
        self.remove_dead()
    }

    /// Bytes written since the store was opened.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes of all segments, and of the images in them that something refers to.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let state = lock(&self.state);
        state.segments.values().fold((0, 0), |(len, live), s| {
            (len + s.len.load(Ordering::Relaxed), live + s.live.load(Ordering::Relaxed))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use strongroom_wal::disk::sim::SimDisk;

    use super::*;

    /// What is not ours was removed with what is dead, and a number after the last one was not there.
    #[test]
    fn only_what_is_named_as_segments_are_is_one() {
        let disk = SimDisk::new(1);
        let beyond = segment_name(u64::MAX);
        let others = ["pages-1", "pages-+000000000000001", "pages-00000000000000AB", &beyond];
        let ours = [segment_name(3), segment_name(0xab)];
        for name in others.into_iter().chain(ours.iter().map(String::as_str)) {
            disk.create(name).unwrap();
        }
        let files = PageFiles::new(Arc::new(disk.clone())).unwrap();
        let placed = files.append(&[b"12345678image".to_vec()]).unwrap();
        assert_eq!(placed[0].segment.no, 0xac);
        files.remove_dead().unwrap();
        let left = BTreeSet::from_iter(disk.list().unwrap());
        let kept = others.map(str::to_owned).into_iter().chain([segment_name(0xac)]);
        assert_eq!(left, kept.collect());
    }
}
