//! Bytes of page images and of images of blocks of names. The byte tables stand in `docs/pages.md`.
//!
//! Both are wrapped as the master record is: see [`crate::sealed`]. No bytes make a decoder panic.

use strongroom_aries::PageId;
use strongroom_merkle::{Digest, KeyHash, Leaf, Page, Prefix};
use strongroom_wal::Lsn;

use super::cell::{TreeId, page_id};
use crate::directory::Leaf as Block;
use crate::index::Slot;
use crate::sealed::{Cursor, Damaged, open, put_varint, seal};

pub(crate) const MAGIC_PAGE: &[u8; 4] = b"SRPG";
pub(crate) const MAGIC_NAMES: &[u8; 4] = b"SRNB";

pub(super) fn put_page_id(out: &mut Vec<u8>, page: PageId) {
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
        let Slot { at, version, len, key_len } = leaf.value;
        put_varint(&mut body, u64::from(key_len));
        body.extend_from_slice(if tree.pending { leaf.key } else { &leaf.hash.0 });
        body.extend_from_slice(&leaf.digest.0);
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
        let key_len = u16::try_from(c.varint()?).map_err(|_| Damaged("key too long"))?;
        let (hash, key) = if tree.pending {
            let key = c.take(usize::from(key_len))?;
            (KeyHash::of(key), key)
        } else {
            (KeyHash(c.array()?), &[][..])
        };
        let digest = Digest(c.array()?);
        let version = c.varint()?;
        let at = Lsn(version.wrapping_add(c.varint()?));
        let value = Slot { at, version, len: c.varint_u32()?, key_len };
        entries.push(Leaf { hash, key, digest, value });
    }
    c.end()?;
    Page::build(prefix, entries).map_err(|_| Damaged("entries that are no page of this subtree"))
}

/// Image of a block of names.
pub(crate) fn encode_names(keyspace: u32, block: &Block) -> Vec<u8> {
    let mut body = Vec::with_capacity(8 + block.body().len());
    put_varint(&mut body, u64::from(keyspace));
    body.extend_from_slice(block.body());
    seal(*MAGIC_NAMES, &body)
}

/// The block whose image this is, which has to be one of `keyspace`.
pub(crate) fn decode_names(bytes: &[u8], keyspace: u32) -> Result<Block, Damaged> {
    let mut c = open(*MAGIC_NAMES, bytes)?;
    if c.varint_u32()? != keyspace {
        return Err(Damaged("names of another keyspace"));
    }
    Block::from_body(c.rest()).ok_or(Damaged("names that are no block"))
}
