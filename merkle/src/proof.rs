//! Proofs that a key is, or is not, in a trie, checked with the root alone.
//!
//! A proof walks the path of one key hash: for every node on it the digests of the other slots,
//! and at its end the leaf, an empty slot, or the leaf of another key that stands in the way.

use crate::digest::{Digest, KeyHash, Leaf};
use crate::hash::{self, NODE_BYTES};
use crate::trie::{Node, Slot, Trie};

/// First byte of an encoded proof.
const VERSION: u8 = 1;

/// Shows what is at one key hash. See [`Trie::prove`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// From the root down; at least one.
    levels: Vec<Level>,
    end: End,
}

/// The other slots of a node on the path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Level {
    /// Slots that are not empty, without the path's own.
    map: u16,
    /// Their digests, ascending by slot; none is zero.
    digests: Vec<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Leaf(Digest),
    Empty,
    Other(KeyHash, Digest),
}

const END_LEAF: u8 = 1;
const END_EMPTY: u8 = 2;
const END_OTHER: u8 = 3;

/// Why a proof was not accepted. None of them says anything about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not the bytes of a proof.
    #[error("malformed proof: ask for it again")]
    Malformed,
    /// Made by a later version.
    #[error("proof of version {0} is not known here: upgrade this side")]
    Version(u8),
    /// Leads to another root, or is about another key hash.
    #[error("proof does not lead to this root: get root and proof of the same moment")]
    Mismatch,
}

impl<L: Leaf> Trie<L> {
    /// Proof of what is at `hash`: the leaf, or that there is none.
    pub fn prove(&self, hash: &KeyHash) -> Proof {
        let mut levels = Vec::new();
        let mut node: &Node<L> = self.root_node();
        loop {
            let own = hash.nibble(levels.len());
            levels.push(Level::around(node, own));
            let end = match node.slot(own) {
                Slot::Branch(_, child) => {
                    node = child;
                    continue;
                }
                Slot::Empty => End::Empty,
                Slot::Leaf(_, leaf) if leaf.key_hash() == *hash => End::Leaf(leaf.digest()),
                Slot::Leaf(_, leaf) => End::Other(leaf.key_hash(), leaf.digest()),
            };
            return Proof { levels, end };
        }
    }
}

impl Level {
    fn around<L: Leaf>(node: &Node<L>, own: usize) -> Self {
        let map = node.occupied() & !(1 << own);
        let digests = crate::trie::slots(map).map(|slot| node.slot(slot).digest()).collect();
        Self { map, digests }
    }

    /// Digest of the node when `own` holds `digest`.
    fn node_digest(&self, own: usize, digest: &Digest) -> Digest {
        let mut input = [0; NODE_BYTES];
        for (slot, digest) in crate::trie::slots(self.map).zip(&self.digests) {
            input[slot * 32..][..32].copy_from_slice(&digest.0);
        }
        input[own * 32..][..32].copy_from_slice(&digest.0);
        hash::node(&input)
    }
}

impl Proof {
    /// The most bytes an encoded proof takes.
    pub const MAX_ENCODED_BYTES: usize = 3 + KeyHash::NIBBLES * (2 + 15 * 32) + 64;

    /// Checks the proof for `hash` against a trusted `root`: the digest of the leaf that is there,
    /// or `None` when the key is proven absent.
    ///
    /// # Errors
    /// When the proof is not one of this root and key hash.
    pub fn verify(&self, root: &Digest, hash: &KeyHash) -> Result<Option<Digest>, ProofError> {
        let (mut digest, found) = match &self.end {
            End::Leaf(leaf) => (hash::entry(hash, leaf), Some(*leaf)),
            End::Empty => (Digest::ZERO, None),
            End::Other(other, leaf) => {
                let shared = (0..self.levels.len()).all(|at| other.nibble(at) == hash.nibble(at));
                if other == hash || !shared {
                    return Err(ProofError::Mismatch);
                }
                (hash::entry(other, leaf), None)
            }
        };
        for (depth, level) in self.levels.iter().enumerate().rev() {
            let own = hash.nibble(depth);
            if level.map & (1 << own) != 0 {
                return Err(ProofError::Mismatch);
            }
            digest = level.node_digest(own, &digest);
        }
        if digest == *root { Ok(found) } else { Err(ProofError::Mismatch) }
    }

    /// The proof as bytes, at most [`Proof::MAX_ENCODED_BYTES`].
    pub fn encode(&self) -> Vec<u8> {
        let levels = u8::try_from(self.levels.len()).unwrap_or(u8::MAX);
        let mut out = vec![VERSION, levels];
        for level in &self.levels {
            out.extend_from_slice(&level.map.to_le_bytes());
            level.digests.iter().for_each(|digest| out.extend_from_slice(&digest.0));
        }
        match &self.end {
            End::Leaf(leaf) => {
                out.push(END_LEAF);
                out.extend_from_slice(&leaf.0);
            }
            End::Empty => out.push(END_EMPTY),
            End::Other(key_hash, leaf) => {
                out.push(END_OTHER);
                out.extend_from_slice(&key_hash.0);
                out.extend_from_slice(&leaf.0);
            }
        }
        out
    }

    /// Reads what [`Proof::encode`] wrote. Never panics, and takes memory for what is there only.
    ///
    /// # Errors
    /// When the bytes are not exactly one proof.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let mut rest = bytes;
        let [version, levels] = take(&mut rest)?;
        if version != VERSION {
            return Err(ProofError::Version(version));
        }
        if levels == 0 || usize::from(levels) > KeyHash::NIBBLES {
            return Err(ProofError::Malformed);
        }
        let levels = (0..levels).map(|_| decode_level(&mut rest)).collect::<Result<_, _>>()?;
        let end = match take(&mut rest)? {
            [END_LEAF] => End::Leaf(Digest(take(&mut rest)?)),
            [END_EMPTY] => End::Empty,
            [END_OTHER] => End::Other(KeyHash(take(&mut rest)?), Digest(take(&mut rest)?)),
            _ => return Err(ProofError::Malformed),
        };
        if rest.is_empty() { Ok(Self { levels, end }) } else { Err(ProofError::Malformed) }
    }
}

fn decode_level(rest: &mut &[u8]) -> Result<Level, ProofError> {
    let map = u16::from_le_bytes(take(rest)?);
    let digests = crate::trie::slots(map)
        .map(|_| match Digest(take(rest)?) {
            // An empty slot is left out: one content, one encoding.
            Digest::ZERO => Err(ProofError::Malformed),
            digest => Ok(digest),
        })
        .collect::<Result<_, _>>()?;
    Ok(Level { map, digests })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ProofError> {
    let (bytes, tail) = rest.split_first_chunk::<N>().ok_or(ProofError::Malformed)?;
    *rest = tail;
    Ok(*bytes)
}
