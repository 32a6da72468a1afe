//! Bytes of page images and page maps. The byte tables stand in `docs/pages.md`.
//!
//! Both are wrapped as the master record is: see [`crate::sealed`]. No bytes make a decoder panic.

use strongroom_merkle::{Digest, Page, Prefix};
use strongroom_wal::Lsn;

use super::cell::{TreeId, page_id, prefix_of};
use crate::id::{Class, KeyspaceId};
use crate::index::Slot;
use crate::sealed::{Cursor, Damaged, open, put_varint, seal};
use strongroom_aries::PageId;

pub(crate) const MAGIC_PAGE: &[u8; 4] = b"SRPG";
pub(crate) const MAGIC_MAP: &[u8; 4] = b"SRPM";

/// Where a page's image lies and what stands for it in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) page: PageId,
    /// Number of the page segment.
    pub(crate) segment: u64,
    /// Byte offset in it.
    pub(crate) offset: u64,
    /// Length of the image, bytes.
    pub(crate) len: u32,
    /// Entries in the page.
    pub(crate) entries: u32,
    /// The image holds the effect of every record before this position.
    pub(crate) page_lsn: Lsn,
    /// Digest of the subtree.
    pub(crate) digest: Digest,
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
    /// Tree by tree, in order of prefix.
    pub(crate) pages: Vec<Listed>,
}

fn put_page_id(out: &mut Vec<u8>, page: PageId) {
    put_varint(out, u64::from(page.keyspace));
    out.push(page.depth | if page.pending { 0x80 } else { 0 });
    out.extend_from_slice(&page.path.to_be_bytes()[..usize::from(page.depth).div_ceil(8)]);
}

pub(crate) fn get_page_id(c: &mut Cursor<'_>) -> Result<PageId, Damaged> {
    let keyspace = c.varint_u32()?;
    let byte = c.u8()?;
    let (pending, depth) = (byte & 0x80 != 0, byte & 0x7f);
    if depth > 64 {
        return Err(Damaged("page deeper than 64"));
    }
    let mut path = [0; 8];
    let bytes = c.take(usize::from(depth).div_ceil(8))?;
    path[..bytes.len()].copy_from_slice(bytes);
    let path = u64::from_be_bytes(path);
    if depth < 64 && path << depth != 0 {
        return Err(Damaged("a page's path is longer than its depth"));
    }
    Ok(PageId { keyspace, pending, path, depth })
}

/// Image of a page. `page_lsn`: every record before it is in the image.
pub(crate) fn encode_page(tree: TreeId, page_lsn: Lsn, page: &Page<Slot>) -> Vec<u8> {
    let mut body = Vec::with_capacity(64 + page.len() * 128);
    put_page_id(&mut body, page_id(tree, &page.prefix()));
    put_varint(&mut body, page_lsn.0);
    put_varint(&mut body, page.len() as u64);
    for leaf in page.iter() {
        put_varint(&mut body, leaf.key.len() as u64);
        body.extend_from_slice(leaf.key);
        body.extend_from_slice(&leaf.digest.0);
        let Slot { at, version, len } = leaf.value;
        put_varint(&mut body, version);
        // Zero until the value is moved, and a value only ever moves forward.
        put_varint(&mut body, at.0.wrapping_sub(version));
        put_varint(&mut body, u64::from(len));
    }
    seal(*MAGIC_PAGE, &body)
}

/// The page whose image this is, which has to be that of `prefix` in `tree`.
pub(crate) fn decode_page(
    bytes: &[u8],
    tree: TreeId,
    prefix: Prefix,
) -> Result<Page<Slot>, Damaged> {
    let mut c = open(*MAGIC_PAGE, bytes)?;
    if get_page_id(&mut c)? != page_id(tree, &prefix) {
        return Err(Damaged("another page's image"));
    }
    let _page_lsn = c.varint()?;
    let count = usize::try_from(c.varint()?).map_err(|_| Damaged("too many entries"))?;
    if count > bytes.len() {
        return Err(Damaged("too short"));
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let len = usize::try_from(c.varint()?).map_err(|_| Damaged("key too long"))?;
        let key = c.take(len)?;
        let digest = Digest(c.array()?);
        let version = c.varint()?;
        let at = Lsn(version.wrapping_add(c.varint()?));
        entries.push((key, digest, Slot { at, version, len: c.varint_u32()? }));
    }
    c.end()?;
    Page::build(prefix, entries).map_err(|_| Damaged("entries that are no page of this subtree"))
}

impl PageMap {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16 + self.keyspaces.len() * 22 + self.pages.len() * 64);
        put_varint(&mut body, self.keyspaces.len() as u64);
        for k in &self.keyspaces {
            put_varint(&mut body, u64::from(k.handle));
            body.extend_from_slice(&k.id.0);
            body.push(k.class.to_byte());
            body.push(u8::from(k.live));
        }
        put_varint(&mut body, self.pages.len() as u64);
        for at in &self.pages {
            put_page_id(&mut body, at.page);
            put_varint(&mut body, at.segment);
            put_varint(&mut body, at.offset);
            put_varint(&mut body, u64::from(at.len));
            put_varint(&mut body, u64::from(at.entries));
            put_varint(&mut body, at.page_lsn.0);
            body.extend_from_slice(&at.digest.0);
        }
        seal(*MAGIC_MAP, &body)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut c = open(*MAGIC_MAP, bytes)?;
        let mut map = PageMap::default();
        for _ in 0..c.varint()? {
            map.keyspaces.push(MapKeyspace {
                handle: c.varint_u32()?,
                id: KeyspaceId(c.array()?),
                class: Class::from_byte(c.u8()?).ok_or(Damaged("unknown class"))?,
                live: match c.u8()? {
                    0 => false,
                    1 => true,
                    _ => return Err(Damaged("flag neither 0 nor 1")),
                },
            });
        }
        for _ in 0..c.varint()? {
            map.pages.push(Listed {
                page: get_page_id(&mut c)?,
                segment: c.varint()?,
                offset: c.varint()?,
                len: c.varint_u32()?,
                entries: c.varint_u32()?,
                page_lsn: Lsn(c.varint()?),
                digest: Digest(c.array()?),
            });
        }
        c.end()?;
        let tree = |at: &Listed| (at.page.keyspace, at.page.pending);
        let ordered = |a: &Listed, b: &Listed| {
            tree(a) < tree(b) || tree(a) == tree(b) && a.page.path <= b.page.path
        };
        if !map.pages.is_sorted_by(ordered) {
            return Err(Damaged("pages out of order"));
        }
        Ok(map)
    }

    /// The pages of one tree, in order of prefix.
    pub(crate) fn of_tree(&self, tree: TreeId) -> &[Listed] {
        let key = |at: &Listed| (at.page.keyspace, at.page.pending);
        let start = self.pages.partition_point(|at| key(at) < (tree.keyspace, tree.pending));
        let end = self.pages.partition_point(|at| key(at) <= (tree.keyspace, tree.pending));
        &self.pages[start..end]
    }
}

impl Listed {
    /// The subtree that it is the page of.
    pub(crate) fn prefix(&self) -> Prefix {
        prefix_of(self.page)
    }
}
