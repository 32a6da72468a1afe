//! Proofs that a key is, or is not, in a trie, checked with the root alone.
//!
//! A proof walks the path of one key hash: the digest of the other side of every fork on it, and
//! at its end the leaves of the group that the key would be in. They are shown as key hashes and
//! leaf digests; neither keys nor values are.

use crate::digest::{Digest, KeyHash};
use crate::hash;
use crate::page::PAGE_LEAVES_MAX;
use crate::page::group::{self, ENTRY_BYTES, digest_of, entry, hash_of};
use crate::pages::Pages;
use crate::prefix::Prefix;
use crate::trie::{Place, Trie};

/// First byte of an encoded proof.
const VERSION: u8 = 1;

/// Shows what is at one key hash. See [`Trie::prove`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Digests of the sides off the path, from the root down; zero for an empty one.
    siblings: Vec<Digest>,
    /// The leaves at the end of the path, in order.
    group: Vec<(KeyHash, Digest)>,
}

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

impl<H: Clone> Trie<H> {
    /// Proof of what is at `hash`: the leaf, or that there is none.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn prove<P: Pages<Handle = H>>(
        &self,
        pages: &P,
        hash: &KeyHash,
    ) -> Result<Proof, P::Error> {
        let mut siblings = Vec::new();
        let mut place = self.place();
        while let Place::Fork(fork) = place {
            let own = hash.bit(siblings.len());
            siblings.push(fork.side(1 - own).digest());
            place = fork.side(own);
        }
        let group = match place {
            Place::Page(end) => {
                let page = pages.load(&end.handle)?;
                page.entries().iter().map(|entry| (hash_of(entry), digest_of(entry))).collect()
            }
            Place::Empty | Place::Fork(_) => Vec::new(),
        };
        Ok(Proof { siblings, group })
    }
}

impl Proof {
    /// The most forks on a path.
    const LEVELS_MAX: usize = 8 * KeyHash::BYTES - 1;

    /// The most bytes an encoded proof takes.
    pub const MAX_ENCODED_BYTES: usize =
        3 + KeyHash::BYTES + 32 * Self::LEVELS_MAX + ENTRY_BYTES * PAGE_LEAVES_MAX;

    /// Checks the proof for `hash` against a trusted `root`: the digest of the leaf that is there,
    /// or `None` when the key is proven absent.
    ///
    /// # Errors
    /// When the proof is not one of this root and key hash.
    pub fn verify(&self, root: &Digest, hash: &KeyHash) -> Result<Option<Digest>, ProofError> {
        let path = Prefix::of(hash, self.siblings.len());
        if !self.group.iter().all(|(at, _)| path.contains(at)) {
            return Err(ProofError::Mismatch);
        }
        let mut digest = self.group_digest();
        for (depth, sibling) in self.siblings.iter().enumerate().rev() {
            let sides = if hash.bit(depth) == 0 { [&digest, sibling] } else { [sibling, &digest] };
            digest = hash::node(sides);
        }
        if digest != *root {
            return Err(ProofError::Mismatch);
        }
        Ok(self.group.iter().find(|(at, _)| at == hash).map(|(_, digest)| *digest))
    }

    fn group_digest(&self) -> Digest {
        let leaves: Vec<_> = self.group.iter().map(|(hash, digest)| entry(hash, digest)).collect();
        group::digest(&leaves)
    }

    /// The proof as bytes, at most [`Proof::MAX_ENCODED_BYTES`].
    pub fn encode(&self) -> Vec<u8> {
        let count = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
        let mut out = vec![VERSION, count(self.siblings.len())];
        let mut map = vec![0; self.siblings.len().div_ceil(8)];
        for (at, sibling) in self.siblings.iter().enumerate() {
            map[at / 8] |= u8::from(*sibling != Digest::ZERO) << (at % 8);
        }
        out.extend(map);
        for sibling in self.siblings.iter().filter(|sibling| **sibling != Digest::ZERO) {
            out.extend_from_slice(&sibling.0);
        }
        out.push(count(self.group.len()));
        for (hash, digest) in &self.group {
            out.extend_from_slice(&hash.0);
            out.extend_from_slice(&digest.0);
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
        let siblings = decode_siblings(&mut rest, usize::from(levels))?;
        let [count] = take(&mut rest)?;
        if usize::from(count) > PAGE_LEAVES_MAX {
            return Err(ProofError::Malformed);
        }
        let group = (0..count)
            .map(|_| Ok((KeyHash(take(&mut rest)?), Digest(take(&mut rest)?))))
            .collect::<Result<Vec<_>, _>>()?;
        let ascend = group.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if rest.is_empty() && ascend {
            Ok(Self { siblings, group })
        } else {
            Err(ProofError::Malformed)
        }
    }
}

fn decode_siblings(rest: &mut &[u8], levels: usize) -> Result<Vec<Digest>, ProofError> {
    if levels > Proof::LEVELS_MAX {
        return Err(ProofError::Malformed);
    }
    let (map, tail) = rest.split_at_checked(levels.div_ceil(8)).ok_or(ProofError::Malformed)?;
    *rest = tail;
    if !levels.is_multiple_of(8) && map.last().is_some_and(|last| last >> (levels % 8) != 0) {
        return Err(ProofError::Malformed);
    }
    let sibling = |at: usize| {
        if map[at / 8] >> (at % 8) & 1 == 0 {
            return Ok(Digest::ZERO);
        }
        // An empty side is left out: one content, one encoding.
        match Digest(take(rest)?) {
            Digest::ZERO => Err(ProofError::Malformed),
            digest => Ok(digest),
        }
    };
    (0..levels).map(sibling).collect()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], ProofError> {
    let (bytes, tail) = rest.split_first_chunk::<N>().ok_or(ProofError::Malformed)?;
    *rest = tail;
    Ok(*bytes)
}
