//! Prefixes of key hashes: the address of a subtree.

use std::fmt;

use crate::digest::KeyHash;

/// Up to 191 leading bits of a key hash.
///
/// Ordered as the subtrees are: a prefix comes right before everything under it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// High bit of a byte first; zero beyond `len`.
    packed: [u8; KeyHash::BYTES],
    len: u8,
}

/// Why bytes are no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The bytes end before the prefix does.
    #[error("prefix is cut short: read the whole record again")]
    Short,
    /// More bits than a prefix has.
    #[error("prefix of more than 191 bits: the bytes are no prefix")]
    Long,
    /// Unused bits of the last byte are not zero.
    #[error("unused bits of the prefix are set: the bytes are no prefix")]
    Padding,
}

impl Prefix {
    /// The prefix of everything.
    pub const ROOT: Self = Self { packed: [0; KeyHash::BYTES], len: 0 };
    /// The most bits of a prefix.
    pub const MAX_BITS: usize = 8 * KeyHash::BYTES - 1;
    /// The most bytes that [`Prefix::encode`] appends.
    pub const MAX_ENCODED_BYTES: usize = 1 + KeyHash::BYTES;

    /// The first `len` bits of `hash`.
    ///
    /// # Panics
    /// When `len` is over 191.
    pub fn of(hash: &KeyHash, len: usize) -> Self {
        assert!(len <= Self::MAX_BITS, "a prefix has at most 191 bits");
        let short = u8::try_from(len).unwrap_or(u8::MAX);
        let mut packed = [0; KeyHash::BYTES];
        packed[..len / 8].copy_from_slice(&hash.0[..len / 8]);
        packed[len / 8] = hash.0[len / 8] & mask(len);
        Self { packed, len: short }
    }

    /// Bits in the prefix.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// True for the prefix of everything.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bit `at`, 0 or 1; `at` must be below `len`.
    pub fn bit(&self, at: usize) -> usize {
        assert!(at < self.len(), "bit beyond the prefix");
        KeyHash(self.packed).bit(at)
    }

    /// This prefix and one more bit, 0 or 1.
    ///
    /// # Panics
    /// When the prefix is 191 bits long already or `bit` is over 1.
    #[must_use]
    pub fn child(&self, bit: usize) -> Self {
        assert!(self.len() < Self::MAX_BITS && bit < 2, "a prefix has at most 191 bits");
        let mut child = *self;
        if bit == 1 {
            child.packed[self.len() / 8] |= 0x80 >> (self.len() % 8);
        }
        child.len += 1;
        child
    }

    /// Whether `hash` starts with this prefix.
    pub fn contains(&self, hash: &KeyHash) -> bool {
        Self::of(hash, self.len()) == *self
    }

    /// The first hash under this prefix.
    pub(crate) fn first(&self) -> KeyHash {
        KeyHash(self.packed)
    }

    /// Whether `other` lies under this prefix, or is it.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.len <= other.len && self.contains(&other.first())
    }

    /// Appends the length byte and the packed bits.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.len);
        out.extend_from_slice(&self.packed[..self.len().div_ceil(8)]);
    }

    /// Reads one prefix from the front of `bytes`; also returns how many bytes it took.
    ///
    /// # Errors
    /// When the bytes are not what [`Prefix::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), PrefixError> {
        let (&len, rest) = bytes.split_first().ok_or(PrefixError::Short)?;
        let taken = usize::from(len).div_ceil(8);
        if usize::from(len) > Self::MAX_BITS {
            return Err(PrefixError::Long);
        }
        let mut packed = [0; KeyHash::BYTES];
        packed[..taken].copy_from_slice(rest.get(..taken).ok_or(PrefixError::Short)?);
        if packed[usize::from(len) / 8] & !mask(usize::from(len)) != 0 {
            return Err(PrefixError::Padding);
        }
        Ok((Self { packed, len }, 1 + taken))
    }
}

/// The bits of byte `len / 8` that are among the first `len` of all.
fn mask(len: usize) -> u8 {
    !(0xff >> (len % 8))
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.len()).try_for_each(|at| write!(f, "{}", self.bit(at)))
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
        let [zero, one] = [Prefix::ROOT.child(0), Prefix::ROOT.child(1)];
        let mut all = [one, zero.child(0), zero, Prefix::ROOT, zero.child(1).child(1)];
        all.sort();
        let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["", "0", "00", "011", "1"]);
        assert!(Prefix::ROOT.is_empty() && !zero.is_empty());
        assert!(zero.covers(&zero) && zero.covers(&zero.child(1)));
        assert!(!zero.child(0).covers(&zero) && !zero.covers(&one));
    }

    #[test]
    fn malformed_bytes_are_named() {
        assert_eq!(Prefix::decode(&[]), Err(PrefixError::Short));
        assert_eq!(Prefix::decode(&[9, 0x12]), Err(PrefixError::Short));
        assert_eq!(Prefix::decode(&[3, 0x30]), Err(PrefixError::Padding));
        assert_eq!(Prefix::decode(&[vec![192], vec![1; 24]].concat()), Err(PrefixError::Long));
        assert_eq!(Prefix::decode(&[3, 0x20]).map(|(_, taken)| taken), Ok(2));
        // As deep as a page can lie: two key hashes differ in their last bit at the latest.
        assert!(Prefix::decode(&[vec![191], vec![2; 24]].concat()).is_ok());
    }

    proptest! {
        #[test]
        fn round_trip(hash: [u8; KeyHash::BYTES], len in 0usize..=191, tail: Vec<u8>) {
            let prefix = Prefix::of(&KeyHash(hash), len);
            let mut built = Prefix::ROOT;
            for depth in 0..len {
                built = built.child(KeyHash(hash).bit(depth));
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
