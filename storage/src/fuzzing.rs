//! Doors for the fuzzer to decoders that are nobody else's business. Only a build with
//! `--cfg fuzzing` has them.
//!
//! Each wraps a body as it lies on the disk, with a checksum that holds, decodes it, and answers the
//! body of what it encodes to again; `None` if it was refused.

use strongroom_merkle::Page;
use strongroom_wal::Lsn;

use crate::index::Slot;
use crate::master::{self, Master};
use crate::pages::{
    MAGIC_MAP, MAGIC_NAMES, MAGIC_PAGE, PageMap, TreeId, decode_names, decode_page, encode_names,
    encode_page, get_page_id, prefix_of,
};
use crate::sealed::{open, seal};

/// Bytes of the wrapping before a body.
const WRAPPING: usize = 12;

fn body(sealed: &[u8]) -> Vec<u8> {
    sealed.get(WRAPPING..).unwrap_or_default().to_vec()
}

/// A page image, taken for that of the page which it says it is.
pub fn page(bytes: &[u8]) -> Option<Vec<u8>> {
    let sealed = seal(*MAGIC_PAGE, bytes);
    let mut cursor = open(*MAGIC_PAGE, &sealed).ok()?;
    let id = get_page_id(&mut cursor).ok()?;
    let page_lsn = Lsn(cursor.varint().ok()?);
    let tree = TreeId { keyspace: id.keyspace, pending: id.pending };
    let page: Page<Slot> = decode_page(&sealed, tree, prefix_of(id)).ok()?;
    Some(body(&encode_page(tree, page_lsn, &page)))
}

/// An image of a block of names, of the keyspace which it says it is of.
pub fn names(bytes: &[u8]) -> Option<Vec<u8>> {
    let sealed = seal(*MAGIC_NAMES, bytes);
    let keyspace = open(*MAGIC_NAMES, &sealed).ok()?.varint_u32().ok()?;
    let block = decode_names(&sealed, keyspace).ok()?;
    Some(body(&encode_names(keyspace, &block)))
}

/// A page map.
pub fn map(bytes: &[u8]) -> Option<Vec<u8>> {
    let map = PageMap::decode(&seal(*MAGIC_MAP, bytes)).ok()?;
    for (place, listed) in map.pages.iter().enumerate() {
        let tree = TreeId { keyspace: listed.page.keyspace, pending: listed.page.pending };
        let found = map.of_tree(tree).iter().any(|page| std::ptr::eq(page, listed));
        assert!(found, "page {place} is not found in its tree");
        assert_eq!(listed.prefix().len(), usize::from(listed.page.depth));
    }
    Some(body(&map.encode()))
}

/// A master record.
pub fn master(bytes: &[u8]) -> Option<Vec<u8>> {
    let master = Master::decode(&seal(*master::MAGIC, bytes)).ok()?;
    Some(body(&master.encode()))
}
