//! Prefixes of key hashes: the address of a subtree.

use std::fmt;

use crate::digest::KeyHash;

/// Up to 64 leading nibbles of a key hash.
///
/// Ordered as the subtrees are: a prefix comes right before everything under it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// High half of a byte first; zero beyond `len`.
    packed: [u8; 32],
    len: u8,
}

/// Why bytes are no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The bytes end before the prefix does.
    #[error("prefix is cut short: read the whole record again")]
    Short,
    /// More than 64 nibbles.
    #[error("prefix of {0} nibbles, at most 64 are possible: the bytes are no prefix")]
    TooLong(u8),
    /// The unused half of the last byte is not zero.
    #[error("unused bits of the prefix are set: the bytes are no prefix")]
    Padding,
}

impl Prefix {
    /// The prefix of everything.
    pub const ROOT: Self = Self { packed: [0; 32], len: 0 };
    /// The most bytes that [`Prefix::encode`] appends.
    pub const MAX_ENCODED_BYTES: usize = 33;

    /// The first `len` nibbles of `hash`.
    ///
    /// # Panics
    /// When `len` is over 64.
    pub fn of(hash: &KeyHash, len: usize) -> Self {
        assert!(len <= KeyHash::NIBBLES, "a key hash has 64 nibbles");
        let mut packed = [0; 32];
        packed[..len / 2].copy_from_slice(&hash.0[..len / 2]);
        if !len.is_multiple_of(2) {
            packed[len / 2] = hash.0[len / 2] & 0xf0;
        }
        Self { packed, len: u8::try_from(len).unwrap_or(u8::MAX) }
    }

    /// Nibbles in the prefix.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// True for the prefix of everything.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Nibble `at`, which must be below `len`.
    pub fn nibble(&self, at: usize) -> usize {
        assert!(at < self.len(), "nibble beyond the prefix");
        KeyHash(self.packed).nibble(at)
    }

    /// This prefix and one more nibble.
    ///
    /// # Panics
    /// When the prefix is 64 nibbles long already or `nibble` is over 15.
    #[must_use]
    pub fn child(&self, nibble: usize) -> Self {
        assert!(self.len() < KeyHash::NIBBLES, "a key hash has 64 nibbles");
        let value = u8::try_from(nibble).unwrap_or(u8::MAX);
        assert!(value < 16, "a nibble is below 16");
        let mut child = *self;
        child.packed[self.len() / 2] |= if self.len.is_multiple_of(2) { value << 4 } else { value };
        child.len += 1;
        child
    }

    /// Whether `hash` starts with this prefix.
    pub fn contains(&self, hash: &KeyHash) -> bool {
        Self::of(hash, self.len()) == *self
    }

    /// Appends the length byte and the packed nibbles.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.len);
        out.extend_from_slice(&self.packed[..self.len().div_ceil(2)]);
    }

    /// Reads one prefix from the front of `bytes`; also returns how many bytes it took.
    ///
    /// # Errors
    /// When the bytes are not what [`Prefix::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), PrefixError> {
        let (&len, rest) = bytes.split_first().ok_or(PrefixError::Short)?;
        if usize::from(len) > KeyHash::NIBBLES {
            return Err(PrefixError::TooLong(len));
        }
        let taken = usize::from(len).div_ceil(2);
        let mut packed = [0; 32];
        packed[..taken].copy_from_slice(rest.get(..taken).ok_or(PrefixError::Short)?);
        if !len.is_multiple_of(2) && packed[taken - 1] & 0x0f != 0 {
            return Err(PrefixError::Padding);
        }
        Ok((Self { packed, len }, 1 + taken))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.len()).try_for_each(|at| write!(f, "{:x}", self.nibble(at)))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_is_the_order_of_subtrees() {
        let [zero, five] = [Prefix::ROOT.child(0), Prefix::ROOT.child(5)];
        let mut all = [five, zero.child(0), zero, Prefix::ROOT, zero.child(15).child(15)];
        all.sort();
        let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["", "0", "00", "0ff", "5"]);
    }

    #[test]
    fn malformed_bytes_are_named() {
        assert_eq!(Prefix::decode(&[]), Err(PrefixError::Short));
        assert_eq!(Prefix::decode(&[3, 0x12]), Err(PrefixError::Short));
        assert_eq!(Prefix::decode(&[65]), Err(PrefixError::TooLong(65)));
        assert_eq!(Prefix::decode(&[1, 0x12]), Err(PrefixError::Padding));
    }

    proptest! {
        #[test]
        fn round_trip(hash: [u8; 32], len in 0usize..=64, tail: Vec<u8>) {
            let prefix = Prefix::of(&KeyHash(hash), len);
            let mut built = Prefix::ROOT;
            for depth in 0..len {
                built = built.child(KeyHash(hash).nibble(depth));
            }
            prop_assert_eq!(prefix, built);
            prop_assert!(prefix.contains(&KeyHash(hash)));
            let mut bytes = Vec::new();
            prefix.encode(&mut bytes);
            let taken = bytes.len();
            prop_assert!(taken <= Prefix::MAX_ENCODED_BYTES);
            bytes.extend(tail);
            prop_assert_eq!(Prefix::decode(&bytes), Ok((prefix, taken)));
        }

        #[test]
        fn any_bytes_decode_to_themselves_or_not_at_all(bytes: Vec<u8>) {
            if let Ok((prefix, taken)) = Prefix::decode(&bytes) {
                let mut again = Vec::new();
                prefix.encode(&mut again);
                prop_assert_eq!(&bytes[..taken], &again[..]);
            }
        }
    }
}
