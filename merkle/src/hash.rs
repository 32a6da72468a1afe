//! BLAKE3 over many small inputs of one size at once.
//!
//! An entry is 64 bytes and a node 512: too short for BLAKE3 to use wide registers within one
//! input, so several inputs share them. Results are plain keyed BLAKE3; tests hold them equal.

use blake3::IncrementCounter;
use blake3::platform::{Platform, words_from_le_bytes_32};

use crate::digest::{Digest, KeyHash};

/// Bytes that a node digest is made from: sixteen child digests.
pub(crate) const NODE_BYTES: usize = 16 * 32;
/// Bytes that an entry digest is made from: key hash and leaf digest.
pub(crate) const ENTRY_BYTES: usize = 64;

/// BLAKE3 keys: 32 ASCII bytes each, part of the format.
const NODE_KEY: &[u8; 32] = b"strongroom merkle v1 inner node ";
const ENTRY_KEY: &[u8; 32] = b"strongroom merkle v1 leaf entry ";

// Flags of a chunk that is a whole keyed input, from the BLAKE3 paper, table 3.
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// Inputs handed over in one go: the most lanes that any platform has.
const LANES: usize = 16;

/// Digests of node inputs, in order.
pub(crate) fn nodes(inputs: &[[u8; NODE_BYTES]], out: &mut [Digest]) {
    many(NODE_KEY, inputs, out);
}

/// Digests of entry inputs, in order.
pub(crate) fn entries(inputs: &[[u8; ENTRY_BYTES]], out: &mut [Digest]) {
    many(ENTRY_KEY, inputs, out);
}

/// Digest of one node input.
pub(crate) fn node(input: &[u8; NODE_BYTES]) -> Digest {
    Digest(*blake3::keyed_hash(NODE_KEY, input).as_bytes())
}

/// Digest of one entry: what stands in its parent for a leaf.
pub(crate) fn entry(key_hash: &KeyHash, leaf: &Digest) -> Digest {
    Digest(*blake3::keyed_hash(ENTRY_KEY, &entry_input(key_hash, leaf)).as_bytes())
}

/// What an entry digest is made from.
#[inline]
pub(crate) fn entry_input(key_hash: &KeyHash, leaf: &Digest) -> [u8; ENTRY_BYTES] {
    let mut input = [0; ENTRY_BYTES];
    input[..32].copy_from_slice(&key_hash.0);
    input[32..].copy_from_slice(&leaf.0);
    input
}

/// Keyed BLAKE3 of each input. `N` is a multiple of the block (64) and at most a chunk (1024).
pub(crate) fn many<const N: usize>(key: &[u8; 32], inputs: &[[u8; N]], out: &mut [Digest]) {
    const { assert!(N > 0 && N.is_multiple_of(64) && N <= 1024) };
    assert_eq!(inputs.len(), out.len(), "one digest for each input");
    let platform = Platform::detect();
    let key = words_from_le_bytes_32(key);
    let mut bytes = [0; LANES * 32];
    for (inputs, out) in inputs.chunks(LANES).zip(out.chunks_mut(LANES)) {
        let mut lanes = [&inputs[0]; LANES];
        for (lane, input) in lanes.iter_mut().zip(inputs) {
            *lane = input;
        }
        platform.hash_many(
            &lanes[..inputs.len()],
            &key,
            0,
            IncrementCounter::No,
            KEYED_HASH,
            CHUNK_START,
            CHUNK_END | ROOT,
            &mut bytes[..inputs.len() * 32],
        );
        for (digest, bytes) in out.iter_mut().zip(bytes.chunks_exact(32)) {
            digest.0.copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_as_plain<const N: usize>() {
        for count in 0..40u8 {
            let inputs: Vec<[u8; N]> = (0..count).map(|i| [i.wrapping_mul(37); N]).collect();
            let mut out = vec![Digest::ZERO; inputs.len()];
            many(NODE_KEY, &inputs, &mut out);
            for (input, digest) in inputs.iter().zip(&out) {
                assert_eq!(digest.0, *blake3::keyed_hash(NODE_KEY, input).as_bytes());
            }
        }
    }

    // The batch goes through an entry point that BLAKE3 leaves out of its documentation: an
    // upgrade that changed it would change every root.
    #[test]
    fn batches_are_plain_keyed_blake3() {
        same_as_plain::<64>();
        same_as_plain::<128>();
        same_as_plain::<512>();
        same_as_plain::<1024>();
    }

    #[test]
    fn entries_and_nodes_match_their_single_forms() {
        let (key_hash, leaf) = (KeyHash::of(b"k"), Digest([9; 32]));
        let mut out = [Digest::ZERO];
        entries(&[entry_input(&key_hash, &leaf)], &mut out);
        assert_eq!(out[0], entry(&key_hash, &leaf));
        nodes(&[[3; NODE_BYTES]], &mut out);
        assert_eq!(out[0], node(&[3; NODE_BYTES]));
    }
}
