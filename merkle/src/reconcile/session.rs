//! Short, salted digests: what one reconciliation compares in place of full ones.
//!
//! The salt makes a collision that hid a difference once unlikely to hide it again.

use super::ReconcileError;
use super::bucket::{Base, Bucket};
use crate::digest::Digest;
use crate::hash;
use crate::pages::Pages;
use crate::trie::{Held, Leaves};
use crate::view::View;

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
    pub(super) fn bucket<P: Pages>(&self, bucket: &Bucket<'_, P>) -> u64 {
        match bucket.digest() {
            Digest::ZERO => 0,
            digest => short(&Digest(*blake3::keyed_hash(&self.bucket_key, &digest.0).as_bytes())),
        }
    }

    /// Short digests of those of the `2^width` buckets under `base` that are in `range`.
    pub(super) fn buckets<P: Pages>(
        &self,
        view: &View<P>,
        base: Base,
        width: u8,
        range: std::ops::Range<u32>,
    ) -> Result<Vec<u64>, ReconcileError> {
        range.map(|index| Ok(self.bucket(&Bucket::of(view, base.child(width, index))?))).collect()
    }

    /// Goes through `leaves` with the fingerprint of each, until `visit` says no.
    pub(super) fn fingerprints<P: Pages>(
        &self,
        mut leaves: Leaves<'_, P>,
        mut visit: impl FnMut(&Held<P::Value>, u64) -> bool,
    ) -> Result<(), ReconcileError> {
        let mut group = Vec::with_capacity(GROUP);
        let mut digests = [Digest::ZERO; GROUP];
        loop {
            group.clear();
            for leaf in leaves.by_ref().take(GROUP) {
                group.push(leaf.map_err(|_| ReconcileError::Unreadable)?);
            }
            let inputs: Vec<_> = group.iter().map(Held::block).collect();
            hash::many(&self.leaf_key, inputs.iter(), &mut digests[..group.len()]);
            for (leaf, digest) in group.iter().zip(&digests) {
                let mut print = [0; 8];
                print[..FINGERPRINT_BYTES].copy_from_slice(&digest.0[..FINGERPRINT_BYTES]);
                if !visit(leaf, u64::from_le_bytes(print)) {
                    return Ok(());
                }
            }
            if group.len() < GROUP {
                return Ok(());
            }
        }
    }
}

/// The front of a digest as a number that is not zero.
fn short(digest: &Digest) -> u64 {
    digest.0.first_chunk().map_or(1, |front| u64::from_le_bytes(*front)).max(1)
}
