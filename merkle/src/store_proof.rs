//! Proofs under the root over many keyspaces: the one that a store promises and a cluster shows.
//!
//! That root is a digest of all keyspaces' ids and roots, so a proof carries them all (48 bytes each)
//! and, for the keyspace in question, a [`Proof`] under its own root. It shows neither keys nor
//! values. Whoever knows the root alone can check it.

use crate::digest::{Digest, KeyHash, composite, leaf_digest};
use crate::proof::{Proof, ProofError};

/// First byte of an encoded proof.
const VERSION: u8 = 1;
/// Bytes before the keyspaces: the version, and their number.
const HEAD_BYTES: usize = 5;
/// Bytes of a keyspace: id and root.
const KEYSPACE_BYTES: usize = 16 + 32;

/// Shows what is at one key of one keyspace to someone who knows the root over all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreProof {
    /// Every keyspace under the root, ascending by id.
    roots: Vec<([u8; 16], Digest)>,
    /// Under the root of the keyspace in question; `None` where that is not among them.
    within: Option<Proof>,
}

impl StoreProof {
    /// A proof from the ids and roots of all keyspaces, in any order, and what the trie of the one in
    /// question gave (see [`Trie::prove`](crate::Trie::prove)); `None` shows that there is no such
    /// keyspace.
    pub fn new(roots: impl IntoIterator<Item = ([u8; 16], Digest)>, within: Option<Proof>) -> Self {
        let mut roots: Vec<_> = roots.into_iter().collect();
        roots.sort_unstable();
        Self { roots, within }
    }

    /// Checks the proof against a trusted `root`: the digest of the leaf at this key, or `None` when the
    /// key, or its whole keyspace, is proven absent.
    ///
    /// # Errors
    /// When the proof is not one of this root, keyspace and key hash.
    pub fn verify(
        &self,
        root: &Digest,
        keyspace: &[u8; 16],
        hash: &KeyHash,
    ) -> Result<Option<Digest>, ProofError> {
        if composite(self.roots.iter().copied()) != *root {
            return Err(ProofError::Mismatch);
        }
        let at = self.roots.binary_search_by_key(keyspace, |(id, _)| *id);
        match (at, &self.within) {
            (Ok(at), Some(proof)) => proof.verify(&self.roots[at].1, hash),
            (Err(_), None) => Ok(None),
            _ => Err(ProofError::Mismatch),
        }
    }

    /// Whether the proof shows, against a trusted `root`, that this key has this value, as it is stored.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn shows(
        &self,
        root: &Digest,
        keyspace: &[u8; 16],
        (key, value): (&[u8], &[u8]),
    ) -> Result<bool, ProofError> {
        let found = self.verify(root, keyspace, &KeyHash::of(key))?;
        Ok(found == Some(leaf_digest(key, value)))
    }

    /// The proof as bytes: at most 5, 48 for each keyspace, and [`Proof::MAX_ENCODED_BYTES`].
    pub fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.roots.len()).unwrap_or(u32::MAX);
        let mut out = Vec::with_capacity(HEAD_BYTES + KEYSPACE_BYTES * self.roots.len());
        out.push(VERSION);
        out.extend(count.to_le_bytes());
        for (id, root) in &self.roots {
            out.extend_from_slice(id);
            out.extend_from_slice(&root.0);
        }
        out.extend(self.within.iter().flat_map(Proof::encode));
        out
    }

    /// Reads what [`StoreProof::encode`] wrote. Never panics, and takes memory for what is there only.
    ///
    /// # Errors
    /// When the bytes are not exactly one proof.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(ProofError::Malformed)?;
        let [version, count @ ..] = *head;
        if version != VERSION {
            return Err(ProofError::Version(version));
        }
        let listed = usize::try_from(u32::from_le_bytes(count))
            .ok()
            .and_then(|count| count.checked_mul(KEYSPACE_BYTES))
            .and_then(|bytes| rest.split_at_checked(bytes));
        let (listed, rest) = listed.ok_or(ProofError::Malformed)?;
        let (listed, _) = listed.as_chunks::<KEYSPACE_BYTES>();
        let mut roots = Vec::with_capacity(listed.len());
        for keyspace in listed {
            let (mut id, mut root) = ([0; 16], [0; 32]);
            id.copy_from_slice(&keyspace[..16]);
            root.copy_from_slice(&keyspace[16..]);
            roots.push((id, Digest(root)));
        }
        if !roots.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Err(ProofError::Malformed);
        }
        let within = if rest.is_empty() { None } else { Some(Proof::decode(rest)?) };
        Ok(Self { roots, within })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::MemPages;
    use crate::trie::{Change, Trie};
    use crate::view::View;
    use proptest::prelude::*;

    type Mem = View<MemPages<()>>;

    const ABSENT: [u8; 16] = [9; 16];

    fn trie_of(keys: u16) -> Mem {
        let keys: Vec<[u8; 2]> = (0..keys).map(u16::to_le_bytes).collect();
        let leaf = |key: &[u8]| Some((leaf_digest(key, b"value"), ()));
        let mut changes: Vec<_> = keys.iter().map(|key| Change::new(key, leaf(key))).collect();
        let mut view = View::new(Trie::new(), MemPages::new());
        view.trie.apply(&view.pages, &mut changes).unwrap();
        view
    }

    type Roots = Vec<([u8; 16], Digest)>;

    /// Keyspaces of 0, 1, 40 and 300 keys, their roots, and the root over them.
    fn store() -> (Vec<([u8; 16], Mem)>, Roots, Digest) {
        let of = |(id, keys): (u8, u16)| ([id; 16], trie_of(keys));
        let tries: Vec<_> = [(7, 300), (1, 0), (3, 40), (2, 1)].map(of).into();
        let roots: Vec<_> = tries.iter().map(|(id, view)| (*id, view.trie.root())).collect();
        let root = composite(roots.iter().copied());
        (tries, roots, root)
    }

    fn proof(key: &[u8], id: [u8; 16]) -> (StoreProof, Digest) {
        let (tries, roots, root) = store();
        let within = tries.iter().find(|(own, _)| *own == id).map(|(_, view)| {
            let Ok(proof) = view.trie.prove(&view.pages, &KeyHash::of(key));
            proof
        });
        (StoreProof::new(roots, within), root)
    }

    #[test]
    fn what_is_there_what_is_not_and_a_keyspace_that_is_not_are_shown() {
        let key = 17u16.to_le_bytes();
        for (id, there) in [(3, true), (7, true), (1, false), (2, false), (9, false)] {
            let (proof, root) = proof(&key, [id; 16]);
            let proof = StoreProof::decode(&proof.encode()).unwrap();
            let hash = KeyHash::of(&key);
            let digest = there.then(|| leaf_digest(&key, b"value"));
            assert_eq!(proof.verify(&root, &[id; 16], &hash), Ok(digest), "{id}");
            assert_eq!(proof.shows(&root, &[id; 16], (&key, b"value")), Ok(there), "{id}");
            assert_eq!(proof.shows(&root, &[id; 16], (&key, b"other")), Ok(false), "{id}");
        }
    }

    // Nobody is shown one thing for another: not what is in another keyspace, not an older root, and not
    // that a keyspace is absent which the root covers.
    #[test]
    fn a_proof_is_of_its_own_root_keyspace_and_key() {
        let key = 17u16.to_le_bytes();
        let hash = KeyHash::of(&key);
        let (there, root) = proof(&key, [3; 16]);
        let mismatch = Err(ProofError::Mismatch);
        assert_eq!(there.verify(&Digest([1; 32]), &[3; 16], &hash), mismatch);
        assert_eq!(there.verify(&root, &[7; 16], &hash), mismatch);
        assert_eq!(there.verify(&root, &ABSENT, &hash), mismatch);
        let other = KeyHash::of(&18u16.to_le_bytes());
        assert_ne!(there.verify(&root, &[3; 16], &other), there.verify(&root, &[3; 16], &hash));
        let (absent, _) = proof(&key, ABSENT);
        assert_eq!(absent.verify(&root, &[3; 16], &hash), mismatch);
        let mut fewer = absent;
        fewer.roots.remove(2);
        assert_eq!(fewer.verify(&root, &[3; 16], &hash), mismatch);
    }

    proptest! {
        // One content, one encoding; whatever else is read leads to no other outcome.
        #[test]
        fn bytes_that_are_read_are_those_that_were_written(
            at in any::<prop::sample::Index>(),
            to: u8,
            cut in any::<prop::sample::Index>(),
        ) {
            let key = 17u16.to_le_bytes();
            let (proof, root) = proof(&key, [3; 16]);
            let right = proof.encode();
            let mut bytes = right.clone();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(read) = StoreProof::decode(&bytes) {
                prop_assert_eq!(read.encode(), &bytes[..]);
                let outcome = read.verify(&root, &[3; 16], &KeyHash::of(&key));
                let truth = Ok(Some(leaf_digest(&key, b"value")));
                prop_assert!(outcome == truth || outcome == Err(ProofError::Mismatch));
                prop_assert!(outcome != truth || bytes == right);
            }
            let cut = cut.index(right.len());
            if let Ok(read) = StoreProof::decode(&right[..cut]) {
                // Where the keyspaces end it is a proof that there is no such keyspace: a lie.
                let outcome = read.verify(&root, &[3; 16], &KeyHash::of(&key));
                prop_assert_eq!(outcome, Err(ProofError::Mismatch));
            }
        }
    }

    #[test]
    fn malformed_bytes_are_refused() {
        let (proof, _) = proof(b"k", [3; 16]);
        let right = proof.encode();
        let decode = |bytes: &[u8]| StoreProof::decode(bytes).map(|_| ());
        assert_eq!(decode(b""), Err(ProofError::Malformed));
        assert_eq!(decode(&[2, 0, 0, 0, 0]), Err(ProofError::Version(2)));
        assert_eq!(decode(&[1, 255, 255, 255, 255]), Err(ProofError::Malformed));
        let mut twice = right.clone();
        twice.copy_within(HEAD_BYTES..HEAD_BYTES + KEYSPACE_BYTES, HEAD_BYTES + KEYSPACE_BYTES);
        assert_eq!(decode(&twice), Err(ProofError::Malformed));
        let mut more = right;
        more.push(0);
        assert_eq!(decode(&more), Err(ProofError::Malformed));
    }
}
