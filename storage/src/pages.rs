//! Page segments: where checkpoints put the images of changed pages.
//!
//! Images are appended, never overwritten: the map of the last complete checkpoint stays valid
//! until the master record names the next one. When a segment is mostly garbage, the next
//! checkpoint writes all pages into a new segment and the old one is removed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use strongroom_aries::{MapLocation, PageId};
use strongroom_merkle::{KeyHash, Prefix};
use strongroom_wal::disk::{Disk, DiskFile};

use crate::index::IndexEntry;
use crate::page::{PageLocation, PageMap, decode_page, encode_page};

/// Entries of a page at most: a page is the largest subtree of the trie with no more.
pub(crate) const PAGE_ENTRIES_MAX: usize = 128;
/// Bytes gathered before they are written.
const WRITE_CHUNK: usize = 1 << 20;
/// Garbage that is not worth a rewrite, bytes.
const GARBAGE_FLOOR: u64 = 1 << 20;

const PREFIX: &str = "pages-";

/// Name of a page segment's file.
fn segment_name(segment: u64) -> String {
    format!("{PREFIX}{segment:016x}")
}

/// Number of the page segment that a file name stands for.
pub(crate) fn segment_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix(PREFIX)?, 16).ok()
}

/// The page of a subtree. Pages are never deeper than 16 nibbles: that would take over a hundred
/// keys whose hashes share 64 bits.
pub(crate) fn page_id(keyspace: u32, prefix: &Prefix) -> PageId {
    assert!(prefix.len() <= 16, "page deeper than 16 nibbles");
    let path =
        (0..prefix.len()).fold(0u64, |path, i| path | (prefix.nibble(i) as u64) << (60 - 4 * i));
    PageId { keyspace, path, depth: u8::try_from(prefix.len()).unwrap_or(16) }
}

/// First eight bytes of a hash, as pages are ordered by.
fn hash_path(hash: &KeyHash) -> u64 {
    u64::from_be_bytes(hash.0[..8].try_into().unwrap_or_default())
}

/// Pages by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageIndex(pub(crate) BTreeMap<PageId, PageLocation>);

impl PageIndex {
    pub(crate) fn from_map(map: &PageMap) -> Self {
        Self(map.pages.iter().copied().collect())
    }

    /// The page that holds, or would hold, the entry. An entry in a part of the trie that had no
    /// page gets one that no checkpoint can have written.
    pub(crate) fn page_of(&self, keyspace: u32, hash: &KeyHash) -> PageId {
        let path = hash_path(hash);
        let last = PageId { keyspace, path, depth: 16 };
        let nearest = self.0.range(..=last).next_back().map(|(page, _)| *page);
        let covering = nearest.filter(|page| {
            let bits = u32::from(page.depth) * 4;
            page.keyspace == keyspace && (bits == 0 || (page.path ^ path) >> (64 - bits) == 0)
        });
        covering.unwrap_or(PageId { keyspace, path: path >> 56 << 56, depth: 2 })
    }

    /// What the page's image on disk holds; 0 if it has none.
    pub(crate) fn page_lsn(&self, page: PageId) -> u64 {
        self.0.get(&page).map_or(0, |at| at.page_lsn)
    }

    fn bytes(&self) -> u64 {
        self.0.values().map(|at| u64::from(at.len)).sum()
    }
}

/// Writes page images.
pub(crate) struct PageWriter {
    disk: Arc<dyn Disk>,
    current: Option<Segment>,
    next_segment: u64,
}

struct Segment {
    no: u64,
    file: Arc<dyn DiskFile>,
    end: u64,
    pending: Vec<u8>,
}

impl PageWriter {
    /// Goes on in the segment that `map` ends in, or in a new one.
    pub(crate) fn new(disk: Arc<dyn Disk>, map: Option<MapLocation>) -> io::Result<Self> {
        let highest = disk.list()?.iter().filter_map(|name| segment_of(name)).max();
        let current = match map {
            Some(map) => Some(Segment {
                no: map.segment,
                file: disk.open(&segment_name(map.segment))?,
                // What an interrupted checkpoint left behind the map is overwritten.
                end: map.offset + map.len,
                pending: Vec::new(),
            }),
            None => None,
        };
        Ok(Self { disk, current, next_segment: highest.map_or(1, |n| n + 1) })
    }

    /// Whether all pages should be written anew.
    pub(crate) fn wants_rewrite(&self, pages: &PageIndex) -> bool {
        self.current.as_ref().is_none_or(|segment| segment.end > 2 * pages.bytes() + GARBAGE_FLOOR)
    }

    /// Begins a new segment.
    pub(crate) fn start_segment(&mut self) -> io::Result<()> {
        let no = self.next_segment;
        let file = self.disk.create(&segment_name(no))?;
        self.next_segment += 1;
        self.current = Some(Segment { no, file, end: 0, pending: Vec::new() });
        Ok(())
    }

    /// Appends the image of a page.
    pub(crate) fn write(
        &mut self,
        page: PageId,
        page_lsn: u64,
        entries: &[IndexEntry],
    ) -> io::Result<PageLocation> {
        let image = encode_page(page, page_lsn, entries);
        let len = u32::try_from(image.len()).map_err(io::Error::other)?;
        let segment = self.segment()?;
        let offset = segment.append(&image)?;
        Ok(PageLocation { segment: segment.no, offset, len, page_lsn })
    }

    /// Appends the map and makes everything durable.
    pub(crate) fn finish(&mut self, map: &PageMap) -> io::Result<MapLocation> {
        let bytes = map.encode();
        let disk = Arc::clone(&self.disk);
        let segment = self.segment()?;
        let offset = segment.append(&bytes)?;
        segment.write_out()?;
        segment.file.sync()?;
        disk.sync_dir()?;
        Ok(MapLocation { segment: segment.no, offset, len: bytes.len() as u64 })
    }

    /// Removes all segments but the current one.
    pub(crate) fn remove_others(&self) -> io::Result<()> {
        let keep = self.current.as_ref().map(|s| s.no);
        for name in self.disk.list()? {
            if segment_of(&name).is_some_and(|no| Some(no) != keep) {
                self.disk.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Takes back what a failed checkpoint appended: the next one starts a new segment.
    pub(crate) fn abandon(&mut self) {
        self.current = None;
    }

    fn segment(&mut self) -> io::Result<&mut Segment> {
        if self.current.is_none() {
            self.start_segment()?;
        }
        self.current.as_mut().ok_or_else(|| io::Error::other("no page segment"))
    }
}

impl Segment {
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.end;
        self.pending.extend_from_slice(bytes);
        self.end += bytes.len() as u64;
        if self.pending.len() >= WRITE_CHUNK {
            self.write_out()?;
        }
        Ok(at)
    }

    fn write_out(&mut self) -> io::Result<()> {
        let start = self.end - self.pending.len() as u64;
        self.file.write_at(start, &self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

/// Reads page images and maps.
pub(crate) struct PageReader {
    disk: Arc<dyn Disk>,
    open: BTreeMap<u64, Arc<dyn DiskFile>>,
}

/// Why a page or a map could not be read.
#[derive(Debug)]
pub(crate) enum PageReadError {
    Io(io::Error),
    Damaged { file: String, why: &'static str },
}

impl PageReader {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: BTreeMap::new() }
    }

    pub(crate) fn map(&mut self, at: MapLocation) -> Result<PageMap, PageReadError> {
        let bytes = self.bytes(at.segment, at.offset, at.len)?;
        PageMap::decode(&bytes).map_err(|e| damaged(at.segment, e.0))
    }

    pub(crate) fn page(
        &mut self,
        page: PageId,
        at: PageLocation,
    ) -> Result<Vec<IndexEntry>, PageReadError> {
        let bytes = self.bytes(at.segment, at.offset, u64::from(at.len))?;
        decode_page(&bytes, page).map_err(|e| damaged(at.segment, e.0))
    }

    fn bytes(&mut self, segment: u64, offset: u64, len: u64) -> Result<Vec<u8>, PageReadError> {
        let file = if let Some(file) = self.open.get(&segment) {
            Arc::clone(file)
        } else {
            let name = segment_name(segment);
            let file = self.disk.open_read(&name).map_err(PageReadError::Io)?;
            self.open.insert(segment, Arc::clone(&file));
            file
        };
        let size = file.len().map_err(PageReadError::Io)?;
        if offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(damaged(segment, "the file is too short"));
        }
        let len = usize::try_from(len).map_err(|_| damaged(segment, "page too long"))?;
        let mut bytes = vec![0; len];
        file.read_at(offset, &mut bytes).map_err(PageReadError::Io)?;
        Ok(bytes)
    }
}

fn damaged(segment: u64, why: &'static str) -> PageReadError {
    PageReadError::Damaged { file: segment_name(segment), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_on_the_page_that_covers_its_hash() {
        let hash = KeyHash::of(b"some key");
        let mut index = PageIndex::default();
        let at = PageLocation { segment: 1, offset: 0, len: 1, page_lsn: 5 };
        let covering = page_id(1, &Prefix::of(&hash, 3));
        index.0.insert(covering, at);
        // A neighbour that sorts between the page and the hash, and another keyspace.
        let sibling = Prefix::of(&hash, 2).child((hash.nibble(2) + 1) % 16);
        index.0.insert(page_id(1, &sibling), at);
        index.0.insert(page_id(2, &Prefix::ROOT), at);
        assert_eq!(index.page_of(1, &hash), covering);
        assert_eq!(index.page_lsn(covering), 5);
        assert_eq!(index.page_of(2, &hash), page_id(2, &Prefix::ROOT));
        let nowhere = index.page_of(3, &hash);
        assert_eq!((nowhere.keyspace, index.page_lsn(nowhere)), (3, 0));
    }
}
