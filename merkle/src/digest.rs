//! Digests and key hashes, and how they are made from keys, values and roots.
//!
//! Every kind of digest has a BLAKE3 key of its own, so that none can be taken for another.

use std::fmt;

/// BLAKE3 keys of the digest kinds: 32 ASCII bytes each, part of the format.
const LEAF_KEY: &[u8; 32] = b"strongroom merkle v1 leaf value ";
const COMPOSITE_KEY: &[u8; 32] = b"strongroom merkle v1 composite  ";

/// A 256-bit digest. Shown as lower-case hex. The all-zero digest stands for "nothing there".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Stands for an empty slot; no content has it.
    pub const ZERO: Self = Self([0; 32]);
}

/// BLAKE3-256 of a key: where the key's leaf lives in the trie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Nibbles of a key hash; no path through a trie is longer.
    pub const NIBBLES: usize = 64;

    /// Hash of `key`.
    pub fn of(key: &[u8]) -> Self {
        Self(*blake3::hash(key).as_bytes())
    }

    /// The nibble (0 to 15) that picks the slot of a node at `depth` (0 to 63), high half first.
    #[inline]
    pub fn nibble(&self, depth: usize) -> usize {
        let byte = self.0[depth / 2];
        usize::from(if depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
    }

    /// First eight bytes as a number, so that numbers order as hashes do.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.0.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
    }
}

macro_rules! shown_as_hex {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}
shown_as_hex!(Digest);
shown_as_hex!(KeyHash);

/// One entry of a trie.
///
/// Leaves are moved and cloned when a shared node is copied: keep them small and their `Clone` a
/// plain copy where possible. `key_hash` is asked for often; store it rather than compute it.
pub trait Leaf: Clone {
    /// Hash of the entry's key. Never changes for a given leaf.
    fn key_hash(&self) -> KeyHash;
    /// Digest of the entry's key and value, see [`leaf_digest`].
    fn digest(&self) -> Digest;
    /// Whether `other` is this very leaf in everything that a page records, so that a checkpoint
    /// need not write it again. Only asked for leaves that make up a page alone; "no" is safe.
    fn same(&self, other: &Self) -> bool {
        let _ = other;
        false
    }
}

/// Digest of an entry: makes the root, and verifies a value that was read back.
///
/// Binds the key, the value and where one ends and the other begins.
pub fn leaf_digest(key: &[u8], value: &[u8]) -> Digest {
    let key_len = u64::try_from(key.len()).unwrap_or(u64::MAX);
    let mut hasher = blake3::Hasher::new_keyed(LEAF_KEY);
    hasher.update(&key_len.to_le_bytes()).update(key).update(value);
    Digest(*hasher.finalize().as_bytes())
}

/// Digest over named roots, for instance those of all replicated keyspaces.
///
/// Canonical: the order in which `roots` come does not matter.
///
/// # Panics
/// When an id comes twice.
pub fn composite(roots: impl Iterator<Item = ([u8; 16], Digest)>) -> Digest {
    let mut roots: Vec<_> = roots.collect();
    roots.sort_unstable_by_key(|(id, _)| *id);
    assert!(roots.windows(2).all(|pair| pair[0].0 != pair[1].0), "an id was given twice");
    let mut hasher = blake3::Hasher::new_keyed(COMPOSITE_KEY);
    for (id, root) in &roots {
        hasher.update(id).update(&root.0);
    }
    Digest(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nibbles_come_high_half_first() {
        let mut bytes = [0; 32];
        bytes[0] = 0xa5;
        bytes[31] = 0x3c;
        let hash = KeyHash(bytes);
        assert_eq!([hash.nibble(0), hash.nibble(1), hash.nibble(2)], [0xa, 5, 0]);
        assert_eq!([hash.nibble(62), hash.nibble(63)], [3, 0xc]);
        assert_eq!(hash.head(), 0xa5 << 56);
    }

    #[test]
    fn leaf_digest_binds_the_border_of_key_and_value() {
        assert_ne!(leaf_digest(b"ab", b"c"), leaf_digest(b"a", b"bc"));
        assert_ne!(leaf_digest(b"", b"abc"), leaf_digest(b"abc", b""));
        assert_ne!(leaf_digest(b"a", b""), Digest(KeyHash::of(b"a").0));
    }

    #[test]
    fn composite_ignores_order_and_minds_everything_else() {
        let (a, b) = (([1; 16], Digest([7; 32])), ([2; 16], Digest([8; 32])));
        let both = composite([a, b].into_iter());
        assert_eq!(both, composite([b, a].into_iter()));
        assert_ne!(both, composite([a].into_iter()));
        assert_ne!(both, composite([(a.0, b.1), (b.0, a.1)].into_iter()));
    }

    #[test]
    #[should_panic(expected = "an id was given twice")]
    fn composite_refuses_an_id_given_twice() {
        composite([([1; 16], Digest::ZERO), ([1; 16], Digest::ZERO)].into_iter());
    }

    #[test]
    fn digests_show_as_hex() {
        let mut bytes = [0; 32];
        bytes[0] = 0x0f;
        assert_eq!(Digest(bytes).to_string(), format!("0f{}", "00".repeat(31)));
        assert!(format!("{:?}", KeyHash(bytes)).starts_with("KeyHash(0f00"));
    }
}
