//! Leaves as their group's digest is made of them: key hash and digest of each, one after the other.

use super::PAGE_LEAVES_MAX;
use crate::digest::{Digest, KeyHash};
use crate::hash::{self, BLOCK_BYTES, BLOCKS_MAX};

/// Bytes of a leaf in the input of its group's digest.
pub(crate) const ENTRY_BYTES: usize = KeyHash::BYTES + 32;

/// A leaf in the input of its group's digest.
pub(crate) type Entry = [u8; ENTRY_BYTES];

const _: () = assert!(PAGE_LEAVES_MAX * ENTRY_BYTES <= BLOCKS_MAX * BLOCK_BYTES);

/// A leaf as it goes into its group's digest.
pub(crate) fn entry(hash: &KeyHash, digest: &Digest) -> Entry {
    let mut entry = [0; ENTRY_BYTES];
    entry[..KeyHash::BYTES].copy_from_slice(&hash.0);
    entry[KeyHash::BYTES..].copy_from_slice(&digest.0);
    entry
}

#[inline]
pub(crate) fn hash_of(entry: &Entry) -> KeyHash {
    match entry.first_chunk() {
        Some(hash) => KeyHash(*hash),
        None => unreachable!("an entry begins with a key hash"),
    }
}

#[inline]
pub(crate) fn digest_of(entry: &Entry) -> Digest {
    match entry.last_chunk() {
        Some(digest) => Digest(*digest),
        None => unreachable!("an entry ends with a digest"),
    }
}

/// Blocks in the input of the digest of so many leaves.
pub(crate) const fn blocks(leaves: usize) -> usize {
    (leaves * ENTRY_BYTES).div_ceil(BLOCK_BYTES)
}

/// Digest of a group of leaves, zero when there are none. Zeros fill the last block of its input.
pub(crate) fn digest(leaves: &[Entry]) -> Digest {
    if leaves.is_empty() {
        return Digest::ZERO;
    }
    let mut input = [0; BLOCKS_MAX * BLOCK_BYTES];
    let bytes = leaves.as_flattened();
    input[..bytes.len()].copy_from_slice(bytes);
    hash::group(&input[..blocks(leaves.len()) * BLOCK_BYTES])
}
