//! Bytes of page maps: what a checkpoint ends in. The byte table stands in `docs/pages.md`.
//!
//! A map is wrapped as the master record is: see [`crate::sealed`]. No bytes make the decoder panic.

use strongroom_aries::PageId;
use strongroom_merkle::{Digest, Prefix};
use strongroom_wal::Lsn;

use super::cell::{TreeId, prefix_of};
use super::codec::{get_page_id, put_page_id};
use crate::id::{Class, KeyspaceId};
use crate::sealed::{Damaged, open, put_varint, seal};

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
    /// Its checksum: tells it from another image at its place.
    pub(crate) crc: [u8; 4],
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

/// Where the image of a block of names lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListedNames {
    /// Number of the keyspace.
    pub(crate) keyspace: u32,
    /// Number of the page segment.
    pub(crate) segment: u64,
    /// Byte offset in it.
    pub(crate) offset: u64,
    /// Length of the image, bytes.
    pub(crate) len: u32,
    /// See [`Listed::crc`].
    pub(crate) crc: [u8; 4],
}

/// All pages of a checkpoint, and what else of the index is not logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PageMap {
    pub(crate) keyspaces: Vec<MapKeyspace>,
    /// Tree by tree, in order of prefix.
    pub(crate) pages: Vec<Listed>,
    /// Blocks of the ordered directories, keyspace by keyspace, in order of their keys.
    pub(crate) names: Vec<ListedNames>,
    /// Log segments with live values, in order, each with its live bytes.
    pub(crate) live: Vec<(u64, u64)>,
    /// Transactions that were logged before they committed, and that a change stream may have yet to
    /// pass: first record, and a position behind the commit's beginning.
    pub(crate) streamed: Vec<(Lsn, Lsn)>,
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
            body.extend_from_slice(&at.crc);
            put_varint(&mut body, u64::from(at.entries));
            put_varint(&mut body, at.page_lsn.0);
            body.extend_from_slice(&at.digest.0);
        }
        put_varint(&mut body, self.names.len() as u64);
        for at in &self.names {
            put_varint(&mut body, u64::from(at.keyspace));
            put_varint(&mut body, at.segment);
            put_varint(&mut body, at.offset);
            put_varint(&mut body, u64::from(at.len));
            body.extend_from_slice(&at.crc);
        }
        put_varint(&mut body, self.live.len() as u64);
        for (segment, bytes) in &self.live {
            put_varint(&mut body, *segment);
            put_varint(&mut body, *bytes);
        }
        put_varint(&mut body, self.streamed.len() as u64);
        for (first, committed) in &self.streamed {
            put_varint(&mut body, first.0);
            put_varint(&mut body, committed.0);
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
                crc: c.array()?,
                entries: c.varint_u32()?,
                page_lsn: Lsn(c.varint()?),
                digest: Digest(c.array()?),
            });
        }
        for _ in 0..c.varint()? {
            map.names.push(ListedNames {
                keyspace: c.varint_u32()?,
                segment: c.varint()?,
                offset: c.varint()?,
                len: c.varint_u32()?,
                crc: c.array()?,
            });
        }
        for _ in 0..c.varint()? {
            map.live.push((c.varint()?, c.varint()?));
        }
        for _ in 0..c.varint()? {
            map.streamed.push((Lsn(c.varint()?), Lsn(c.varint()?)));
        }
        c.end()?;
        let tree = |at: &Listed| (at.page.keyspace, at.page.pending);
        let ordered = |a: &Listed, b: &Listed| {
            tree(a) < tree(b) || tree(a) == tree(b) && a.page.path <= b.page.path
        };
        if !map.pages.is_sorted_by(ordered) {
            return Err(Damaged("pages out of order"));
        }
        if !map.names.is_sorted_by_key(|at| at.keyspace) || !map.live.is_sorted_by(|a, b| a.0 < b.0)
        {
            return Err(Damaged("names or live bytes out of order"));
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
