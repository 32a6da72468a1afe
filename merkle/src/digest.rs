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

/// Where a key's leaf lives in the trie: the first 24 bytes of the BLAKE3 hash of the key. With 192
/// bits nobody finds two keys of one hash; what is left out is saved in every leaf and every digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; KeyHash::BYTES]);

impl KeyHash {
    /// How long it is.
    pub const BYTES: usize = 24;

    /// Hash of `key`.
    pub fn of(key: &[u8]) -> Self {
        match blake3::hash(key).as_bytes().first_chunk() {
            Some(front) => Self(*front),
            None => unreachable!("a digest is longer than a key hash"),
        }
    }

    /// Bit `at` (0 to 191), from the high end of the first byte on.
    #[inline]
    pub fn bit(&self, at: usize) -> usize {
        usize::from(self.0[at / 8] >> (7 - at % 8) & 1)
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
    fn bits_come_high_end_first() {
        let mut bytes = [0; KeyHash::BYTES];
        bytes[0] = 0xa5;
        bytes[23] = 0x3c;
        let hash = KeyHash(bytes);
        assert_eq!([0, 1, 2, 7, 8].map(|at| hash.bit(at)), [1, 0, 1, 1, 0]);
        assert_eq!([185, 186, 189, 191].map(|at| hash.bit(at)), [0, 1, 1, 0]);
        assert_eq!(hash.head(), 0xa5 << 56);
    }

    #[test]
    fn leaf_digest_binds_the_border_of_key_and_value() {
        assert_ne!(leaf_digest(b"ab", b"c"), leaf_digest(b"a", b"bc"));
        assert_ne!(leaf_digest(b"", b"abc"), leaf_digest(b"abc", b""));
        assert_ne!(leaf_digest(b"a", b""), Digest(*blake3::hash(b"a").as_bytes()));
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
        let (mut digest, mut hash) = ([0; 32], [0; KeyHash::BYTES]);
        (digest[0], hash[0]) = (0x0f, 0x0f);
        assert_eq!(Digest(digest).to_string(), format!("0f{}", "00".repeat(31)));
        assert_eq!(format!("{:?}", KeyHash(hash)), format!("KeyHash(0f{})", "00".repeat(23)));
    }
}
