//! BLAKE3 over many small inputs of one size at once.
//!
//! Inputs here are at most a BLAKE3 chunk: too short to use wide registers within one input, so
//! several inputs share them. Results are plain keyed BLAKE3; tests hold them equal.

use blake3::IncrementCounter;
use blake3::platform::{Platform, words_from_le_bytes_32};

use crate::digest::Digest;

/// Bytes of a BLAKE3 block: every input here is a multiple of it.
pub(crate) const BLOCK_BYTES: usize = 64;
/// The most blocks of an input.
pub(crate) const BLOCKS_MAX: usize = 16;

/// BLAKE3 keys: 32 ASCII bytes each, part of the format.
const NODE_KEY: &[u8; 32] = b"strongroom merkle v1 inner node ";
const PAGE_KEY: &[u8; 32] = b"strongroom merkle v1 leaf group ";

// Flags of a chunk that is a whole keyed input, from the BLAKE3 paper, table 3.
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// Inputs handed over in one go: the most lanes that any platform has.
const LANES: usize = 16;

/// Digests of nodes, each of the digests of its two sides, in order.
pub(crate) fn nodes(inputs: &[[u8; 64]], out: &mut [Digest]) {
    many(NODE_KEY, inputs.iter(), out);
}

/// Digest of a node with these two sides.
pub(crate) fn node(sides: [&Digest; 2]) -> Digest {
    Digest(*blake3::keyed_hash(NODE_KEY, &node_input(sides)).as_bytes())
}

/// What a node's digest is made from.
#[inline]
pub(crate) fn node_input(sides: [&Digest; 2]) -> [u8; 64] {
    let mut input = [0; 64];
    input[..32].copy_from_slice(&sides[0].0);
    input[32..].copy_from_slice(&sides[1].0);
    input
}

/// Digest of one group of leaves, given its padded input.
pub(crate) fn group(input: &[u8]) -> Digest {
    Digest(*blake3::keyed_hash(PAGE_KEY, input).as_bytes())
}

/// Digests of groups of leaves, whose padded inputs are all of one length, in order.
pub(crate) fn groups(inputs: &[&[u8]], out: &mut [Digest]) {
    let blocks = inputs.first().map_or(1, |input| input.len() / BLOCK_BYTES);
    macro_rules! by_blocks {
        ($($blocks:literal)*) => {
            match blocks {
                $($blocks => cut::<{ $blocks * BLOCK_BYTES }>(inputs, out),)*
                _ => panic!("a group has 1 to {BLOCKS_MAX} blocks"),
            }
        };
    }
    by_blocks!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
}

/// As `groups`, for the first `N` bytes of each input.
fn cut<const N: usize>(inputs: &[&[u8]], out: &mut [Digest]) {
    many(PAGE_KEY, inputs.iter().filter_map(|input| input.first_chunk::<N>()), out);
}

/// Keyed BLAKE3 of each input. `N` is a multiple of the block and at most a chunk.
pub(crate) fn many<'a, const N: usize>(
    key: &[u8; 32],
    mut inputs: impl Iterator<Item = &'a [u8; N]>,
    out: &mut [Digest],
) {
    const { assert!(N > 0 && N.is_multiple_of(BLOCK_BYTES) && N <= BLOCKS_MAX * BLOCK_BYTES) };
    let platform = Platform::detect();
    let key = words_from_le_bytes_32(key);
    let mut bytes = [0; LANES * 32];
    let mut lanes = [&[0; N]; LANES];
    for out in out.chunks_mut(LANES) {
        for lane in &mut lanes[..out.len()] {
            let Some(input) = inputs.next() else { panic!("one digest for each input") };
            *lane = input;
        }
        platform.hash_many(
            &lanes[..out.len()],
            &key,
            0,
            IncrementCounter::No,
            KEYED_HASH,
            CHUNK_START,
            CHUNK_END | ROOT,
            &mut bytes[..out.len() * 32],
        );
        for (digest, bytes) in out.iter_mut().zip(bytes.chunks_exact(32)) {
            digest.0.copy_from_slice(bytes);
        }
    }
    assert!(inputs.next().is_none(), "one digest for each input");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_as_plain<const N: usize>() {
        for count in 0..40u8 {
            let inputs: Vec<[u8; N]> = (0..count).map(|i| [i.wrapping_mul(37); N]).collect();
            let mut out = vec![Digest::ZERO; inputs.len()];
            many(NODE_KEY, inputs.iter(), &mut out);
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
    fn nodes_and_groups_match_their_single_forms() {
        let (left, right) = (Digest([7; 32]), Digest([9; 32]));
        let mut out = [Digest::ZERO];
        nodes(&[node_input([&left, &right])], &mut out);
        assert_eq!(out[0], node([&left, &right]));
        assert_ne!(out[0], node([&right, &left]));
        for blocks in 1..=BLOCKS_MAX {
            let input = &[3; BLOCKS_MAX * BLOCK_BYTES][..blocks * BLOCK_BYTES];
            groups(&[input], &mut out);
            assert_eq!(out[0], group(input));
        }
    }
}
