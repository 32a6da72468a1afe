//! Bytes of pages, page maps and the master record. The byte tables stand in `docs/pages.md`.
//!
//! All three are wrapped alike: `magic (4) | CRC-32 of the rest (4) | body`, little-endian. Every
//! decoder checks bounds and never panics.

use std::sync::Arc;

use strongroom_aries::{Lsn as RecordLsn, MapLocation, PageId};
use strongroom_merkle::Digest;
use strongroom_wal::Lsn;

use crate::id::{Class, KeyspaceId, Version};
use crate::index::{IndexEntry, Slot};

const MAGIC_PAGE: &[u8; 4] = b"SRPG";
const MAGIC_MAP: &[u8; 4] = b"SRPM";
const MAGIC_MASTER: &[u8; 4] = b"SRMS";
const FORMAT: u32 = 1;
const HEADER_LEN: usize = 8;

/// The bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

/// Where a page's image lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageLocation {
    /// Number of the page segment.
    pub(crate) segment: u64,
    /// Byte offset in it.
    pub(crate) offset: u64,
    /// Length of the image, bytes.
    pub(crate) len: u32,
    /// The image holds the effect of every record before this LSN.
    pub(crate) page_lsn: RecordLsn,
}

/// A keyspace as a page map lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapKeyspace {
    pub(crate) handle: u32,
    pub(crate) id: KeyspaceId,
    pub(crate) class: Class,
    /// Not dropped.
    pub(crate) live: bool,
}

/// All pages of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageMap {
    pub(crate) keyspaces: Vec<MapKeyspace>,
    /// In order of page.
    pub(crate) pages: Vec<(PageId, PageLocation)>,
}

/// The one record that is found without any other: where recovery starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Master {
    pub(crate) log_id: [u8; 16],
    pub(crate) segment_size: u64,
    /// LSN of the begin record of the last complete checkpoint; zero before the first.
    pub(crate) checkpoint: Lsn,
    /// The log was durable up to here.
    pub(crate) durable: Lsn,
    /// The checkpoint's page map.
    pub(crate) map: MapLocation,
}

fn seal(magic: [u8; 4], body: &[u8]) -> Vec<u8> {
    [&magic[..], &crc32fast::hash(body).to_le_bytes(), body].concat()
}

fn open(magic: [u8; 4], bytes: &[u8]) -> Result<Cursor<'_>, Damaged> {
    let (header, body) = bytes.split_at_checked(HEADER_LEN).ok_or(Damaged("too short"))?;
    if header[..4] != magic {
        return Err(Damaged("wrong magic"));
    }
    if header[4..] != crc32fast::hash(body).to_le_bytes() {
        return Err(Damaged("wrong checksum"));
    }
    let mut cursor = Cursor(body);
    if cursor.u32()? != FORMAT {
        return Err(Damaged("unknown format version; use a newer server"));
    }
    Ok(cursor)
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Damaged> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Damaged("too short"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (head, tail) = self.0.split_first_chunk().ok_or(Damaged("too short"))?;
        self.0 = tail;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Damaged> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damaged> {
        self.array().map(u64::from_le_bytes)
    }

    fn page_id(&mut self) -> Result<PageId, Damaged> {
        let page = PageId { keyspace: self.u32()?, depth: self.u8()?, path: self.u64()? };
        if page.depth > 16 { Err(Damaged("page deeper than 16")) } else { Ok(page) }
    }

    fn end(&self) -> Result<(), Damaged> {
        if self.0.is_empty() { Ok(()) } else { Err(Damaged("bytes left over")) }
    }
}

fn put_page_id(out: &mut Vec<u8>, page: PageId) {
    out.extend_from_slice(&page.keyspace.to_le_bytes());
    out.push(page.depth);
    out.extend_from_slice(&page.path.to_le_bytes());
}

/// Image of a page. `page_lsn`: every record before it is in the image.
pub(crate) fn encode_page(page: PageId, page_lsn: RecordLsn, entries: &[IndexEntry]) -> Vec<u8> {
    let mut body = Vec::with_capacity(32 + entries.len() * 160);
    body.extend_from_slice(&FORMAT.to_le_bytes());
    put_page_id(&mut body, page);
    body.extend_from_slice(&page_lsn.to_le_bytes());
    body.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(u32::MAX).to_le_bytes());
    for entry in entries.iter().map(IndexEntry::slot) {
        body.extend_from_slice(&u32::try_from(entry.key.len()).unwrap_or(u32::MAX).to_le_bytes());
        body.extend_from_slice(&entry.key);
        body.extend_from_slice(&entry.digest.0);
        body.extend_from_slice(&entry.at.0.to_le_bytes());
        body.extend_from_slice(&entry.len.to_le_bytes());
        body.extend_from_slice(&entry.version.0.to_le_bytes());
    }
    seal(*MAGIC_PAGE, &body)
}

/// Entries of the image of `expected`, in hash order as they were written.
pub(crate) fn decode_page(bytes: &[u8], expected: PageId) -> Result<Vec<IndexEntry>, Damaged> {
    let mut c = open(*MAGIC_PAGE, bytes)?;
    if c.page_id()? != expected {
        return Err(Damaged("another page's image"));
    }
    let _page_lsn = c.u64()?;
    let count = c.u32()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let len = usize::try_from(c.u32()?).map_err(|_| Damaged("key too long"))?;
        entries.push(IndexEntry::new(Slot {
            key: Arc::from(c.take(len)?),
            digest: Digest(c.array()?),
            at: Lsn(c.u64()?),
            len: c.u32()?,
            version: Version(c.u64()?),
        }));
    }
    c.end()?;
    Ok(entries)
}

impl PageMap {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16 + self.keyspaces.len() * 22 + self.pages.len() * 41);
        body.extend_from_slice(&FORMAT.to_le_bytes());
        body.extend_from_slice(&(self.keyspaces.len() as u64).to_le_bytes());
        for k in &self.keyspaces {
            body.extend_from_slice(&k.handle.to_le_bytes());
            body.extend_from_slice(&k.id.0);
            body.push(k.class.to_byte());
            body.push(u8::from(k.live));
        }
        body.extend_from_slice(&(self.pages.len() as u64).to_le_bytes());
        for (page, at) in &self.pages {
            put_page_id(&mut body, *page);
            body.extend_from_slice(&at.segment.to_le_bytes());
            body.extend_from_slice(&at.offset.to_le_bytes());
            body.extend_from_slice(&at.len.to_le_bytes());
            body.extend_from_slice(&at.page_lsn.to_le_bytes());
        }
        seal(*MAGIC_MAP, &body)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut c = open(*MAGIC_MAP, bytes)?;
        let mut map = PageMap::default();
        for _ in 0..c.u64()? {
            map.keyspaces.push(MapKeyspace {
                handle: c.u32()?,
                id: KeyspaceId(c.array()?),
                class: Class::from_byte(c.u8()?).ok_or(Damaged("unknown class"))?,
                live: match c.u8()? {
                    0 => false,
                    1 => true,
                    _ => return Err(Damaged("flag neither 0 nor 1")),
                },
            });
        }
        for _ in 0..c.u64()? {
            let page = c.page_id()?;
            let at = PageLocation {
                segment: c.u64()?,
                offset: c.u64()?,
                len: c.u32()?,
                page_lsn: c.u64()?,
            };
            map.pages.push((page, at));
        }
        c.end()?;
        if !map.pages.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Damaged("pages out of order"));
        }
        Ok(map)
    }
}

impl Master {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = FORMAT.to_le_bytes().to_vec();
        body.extend_from_slice(&self.log_id);
        for n in [
            self.segment_size,
            self.checkpoint.0,
            self.durable.0,
            self.map.segment,
            self.map.offset,
            self.map.len,
        ] {
            body.extend_from_slice(&n.to_le_bytes());
        }
        seal(*MAGIC_MASTER, &body)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut c = open(*MAGIC_MASTER, bytes)?;
        let master = Master {
            log_id: c.array()?,
            segment_size: c.u64()?,
            checkpoint: Lsn(c.u64()?),
            durable: Lsn(c.u64()?),
            map: MapLocation { segment: c.u64()?, offset: c.u64()?, len: c.u64()? },
        };
        c.end()?;
        Ok(master)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use strongroom_merkle::leaf_digest;

    use super::*;

    fn sample_page() -> (PageId, Vec<IndexEntry>) {
        let page = PageId { keyspace: 3, path: 0xab << 56, depth: 2 };
        let entries = (0..3u32)
            .map(|i| {
                let key = format!("key-{i}").into_bytes();
                IndexEntry::new(Slot {
                    digest: leaf_digest(&key, b"value"),
                    key: Arc::from(key),
                    at: Lsn(4096 + u64::from(i)),
                    len: 5,
                    version: Version(u64::from(i)),
                })
            })
            .collect();
        (page, entries)
    }

    fn sample_map() -> PageMap {
        let (page, _) = sample_page();
        PageMap {
            keyspaces: vec![MapKeyspace {
                handle: 3,
                id: KeyspaceId([9; 16]),
                class: Class::Local,
                live: true,
            }],
            pages: vec![(page, PageLocation { segment: 1, offset: 2, len: 3, page_lsn: 4 })],
        }
    }

    fn sample_master() -> Master {
        Master {
            log_id: [5; 16],
            segment_size: 1 << 20,
            checkpoint: Lsn(77),
            durable: Lsn(99),
            map: MapLocation { segment: 1, offset: 2, len: 3 },
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (page, entries) = sample_page();
        let read = decode_page(&encode_page(page, 9, &entries), page).unwrap();
        assert_eq!(read.len(), 3);
        assert!(read.iter().map(IndexEntry::slot).zip(entries.iter().map(IndexEntry::slot)).all(
            |(a, b)| a.key == b.key
                && a.digest == b.digest
                && a.at == b.at
                && a.len == b.len
                && a.version == b.version
        ));
        let other = PageId { depth: 1, ..page };
        assert!(decode_page(&encode_page(page, 9, &entries), other).is_err());
        assert_eq!(PageMap::decode(&sample_map().encode()), Ok(sample_map()));
        assert_eq!(Master::decode(&sample_master().encode()), Ok(sample_master()));
    }

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write;
        bytes.iter().fold(String::new(), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
    }

    /// Bytes of version 1, for good: a store that was written by it has to open.
    #[test]
    fn the_bytes_are_those_of_version_1() {
        let (page, entries) = sample_page();
        let images = [
            (encode_page(page, 9, &entries), include_str!("../tests/golden/page-v1.hex")),
            (sample_map().encode(), include_str!("../tests/golden/map-v1.hex")),
            (sample_master().encode(), include_str!("../tests/golden/master-v1.hex")),
        ];
        for (image, golden) in images {
            assert_eq!(hex(&image), golden.trim());
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_always_noticed(at in any::<prop::sample::Index>(), flip in 1u8..) {
            let (page, entries) = sample_page();
            let images = [encode_page(page, 9, &entries), sample_map().encode(), sample_master().encode()];
            for (i, image) in images.into_iter().enumerate() {
                let mut bad = image;
                let at = at.index(bad.len());
                bad[at] ^= flip;
                let refused = match i {
                    0 => decode_page(&bad, page).is_err(),
                    1 => PageMap::decode(&bad).is_err(),
                    _ => Master::decode(&bad).is_err(),
                };
                prop_assert!(refused);
            }
        }

        #[test]
        fn no_bytes_make_a_decoder_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for magic in [MAGIC_PAGE, MAGIC_MAP, MAGIC_MASTER] {
                let with_format = [&FORMAT.to_le_bytes()[..], &body].concat();
                let bytes = seal(*magic, &with_format);
                let _ = decode_page(&bytes, sample_page().0);
                let _ = PageMap::decode(&bytes);
                let _ = Master::decode(&bytes);
            }
        }
    }
}
