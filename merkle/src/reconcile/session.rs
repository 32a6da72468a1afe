//! Short, salted digests: what one reconciliation compares in place of full ones.
//!
//! The salt makes a collision that hid a difference once unlikely to hide it again.

use super::bucket::{Base, Bucket};
use crate::digest::{Digest, KeyHash, Leaf};
use crate::hash;
use crate::trie::{Iter, Trie};

/// BLAKE3 keys from which a salt makes the session's own.
const BUCKET_KEY: &[u8; 32] = b"strongroom merkle v1 bucket salt";
const LEAF_KEY: &[u8; 32] = b"strongroom merkle v1 finger salt";

/// Bytes of a leaf's fingerprint on the wire.
pub(super) const FINGERPRINT_BYTES: usize = 6;
/// Bytes of a bucket's digest on the wire.
pub(super) const DIGEST_BYTES: usize = 8;

/// Hashed together.
const GROUP: usize = 64;

pub(super) struct Session {
    bucket_key: [u8; 32],
    leaf_key: [u8; 32],
}

impl Session {
    pub(super) fn new(salt: &[u8; 16]) -> Self {
        Self {
            bucket_key: *blake3::keyed_hash(BUCKET_KEY, salt).as_bytes(),
            leaf_key: *blake3::keyed_hash(LEAF_KEY, salt).as_bytes(),
        }
    }

    /// Short digest of a bucket; zero if, and only if, it is empty.
    pub(super) fn bucket<L: Leaf>(&self, bucket: &Bucket<'_, L>) -> u64 {
        match bucket.digest() {
            Digest::ZERO => 0,
            digest => short(&Digest(*blake3::keyed_hash(&self.bucket_key, &digest.0).as_bytes())),
        }
    }

    /// Short digests of those of the `2^width` buckets under `base` that are in `range`.
    pub(super) fn buckets<L: Leaf>(
        &self,
        trie: &Trie<L>,
        base: Base,
        width: u8,
        range: std::ops::Range<u32>,
    ) -> Vec<u64> {
        range.map(|index| self.bucket(&Bucket::of(trie, base.child(width, index)))).collect()
    }

    /// Goes through `leaves` with the fingerprint of each, until `visit` says no.
    pub(super) fn fingerprints<L: Leaf>(
        &self,
        leaves: Iter<'_, L>,
        mut visit: impl FnMut(KeyHash, u64) -> bool,
    ) {
        let mut group = Vec::with_capacity(GROUP);
        let mut leaves = leaves.peekable();
        let mut inputs = Vec::with_capacity(GROUP);
        let mut digests = Vec::with_capacity(GROUP);
        while leaves.peek().is_some() {
            group.clear();
            inputs.clear();
            for leaf in leaves.by_ref().take(GROUP) {
                let key_hash = leaf.key_hash();
                inputs.push(hash::entry_input(&key_hash, &leaf.digest()));
                group.push(key_hash);
            }
            digests.resize(inputs.len(), Digest::ZERO);
            hash::many(&self.leaf_key, &inputs, &mut digests);
            for (key_hash, digest) in group.iter().zip(&digests) {
                let mut print = [0; 8];
                print[..FINGERPRINT_BYTES].copy_from_slice(&digest.0[..FINGERPRINT_BYTES]);
                if !visit(*key_hash, u64::from_le_bytes(print)) {
                    return;
                }
            }
        }
    }
}

/// The front of a digest as a number that is not zero.
fn short(digest: &Digest) -> u64 {
    digest.0.first_chunk().map_or(1, |front| u64::from_le_bytes(*front)).max(1)
}
