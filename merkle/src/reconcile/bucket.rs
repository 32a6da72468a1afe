//! Buckets: all leaves whose key hashes start with given bits.
//!
//! A bucket's digest depends on the leaves in it alone, not on what else is in the trie, so that
//! both sides get the same for the same content.

use super::{MAX_BUCKET_BITS, MAX_WIDTH_BITS};
use crate::digest::{Digest, KeyHash, Leaf};
use crate::trie::{Iter, Node, Slot, Trie, slots};

/// The first bits, at most [`MAX_BUCKET_BITS`], that the key hashes of a bucket share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Base {
    /// The bits from the top; zero below.
    head: u64,
    len: u8,
}

impl Base {
    pub(super) const ALL: Self = Self { head: 0, len: 0 };

    /// `None` when there are too many bits or some are set beyond `len`.
    pub(super) fn new(head: u64, len: u8) -> Option<Self> {
        let beyond = u64::MAX.checked_shr(u32::from(len)).unwrap_or(0);
        (len <= MAX_BUCKET_BITS && head & beyond == 0).then_some(Self { head, len })
    }

    pub(super) fn head(self) -> u64 {
        self.head
    }

    pub(super) fn len(self) -> u8 {
        self.len
    }

    /// Bucket `index` of the `2^width` that this one is cut into.
    pub(super) fn child(self, width: u8, index: u32) -> Self {
        let len = self.len + width;
        assert!(len <= MAX_BUCKET_BITS && u64::from(index) < 1 << width, "no such bucket");
        let bits = u64::from(index).checked_shl(u32::from(64 - len)).unwrap_or(0);
        Self { head: self.head | bits, len }
    }

    pub(super) fn contains(self, hash: &KeyHash) -> bool {
        (hash.head() ^ self.head).checked_shr(u32::from(64 - self.len)).unwrap_or(0) == 0
    }

    /// The nibble of the path at `depth`.
    fn nibble(self, depth: u8) -> usize {
        let nibble = (self.head >> (60 - 4 * u32::from(depth))) & 15;
        usize::try_from(nibble).unwrap_or(0)
    }

    /// Bits by which to cut this bucket when it holds `leaves`, so that the buckets' digests and
    /// what is left to list in one of them come to about the same size.
    pub(super) fn width_for(self, leaves: usize) -> u8 {
        let bits = usize::BITS - leaves.leading_zeros();
        let width = u8::try_from(bits / 2).unwrap_or(MAX_WIDTH_BITS);
        width.min(MAX_WIDTH_BITS).min(MAX_BUCKET_BITS - self.len)
    }
}

/// The leaves of a trie that are in a bucket.
pub(super) enum Bucket<'a, L> {
    Empty,
    Leaf(&'a Digest, &'a L),
    /// Some slots of a node, which is at this depth, with two leaves or more.
    Slots {
        node: &'a Node<L>,
        depth: u8,
        within: u16,
        /// The node's own, when the bucket is all of it.
        digest: Option<Digest>,
    },
}

impl<'a, L: Leaf> Bucket<'a, L> {
    pub(super) fn of(trie: &'a Trie<L>, base: Base) -> Self {
        let depth = base.len / 4;
        let mut slot = trie.whole();
        for at in 0..depth {
            let Slot::Branch(_, node) = slot else { break };
            slot = node.slot(base.nibble(at));
        }
        match slot {
            Slot::Branch(digest, node) => {
                let digest = base.len.is_multiple_of(4).then_some(*digest);
                Self::of_slots(node, depth, within(base), digest)
            }
            Slot::Leaf(digest, leaf) if base.contains(&leaf.key_hash()) => Self::Leaf(digest, leaf),
            Slot::Leaf(..) | Slot::Empty => Self::Empty,
        }
    }

    /// Keeps to the form that the number of leaves asks for: it decides the digest.
    fn of_slots(node: &'a Node<L>, depth: u8, within: u16, digest: Option<Digest>) -> Self {
        match node.count_in(within) {
            0 => Self::Empty,
            1 => match slots(node.occupied() & within).next().map(|slot| node.slot(slot)) {
                Some(Slot::Leaf(digest, leaf)) => Self::Leaf(digest, leaf),
                _ => panic!("a single leaf stands in its slot"),
            },
            _ => Self::Slots { node, depth, within, digest },
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Leaf(..) => 1,
            Self::Slots { node, within, .. } => node.count_in(*within),
        }
    }

    /// Leaves in ascending key hash order, those up to and including `after` left out. `after` is
    /// in the bucket.
    pub(super) fn leaves(&self, after: Option<&KeyHash>) -> Iter<'a, L> {
        match (self, after) {
            (Self::Leaf(digest, leaf), after)
                if after.is_none_or(|after| leaf.key_hash() > *after) =>
            {
                Iter::new(Slot::Leaf(digest, leaf))
            }
            (Self::Empty | Self::Leaf(..), _) => Iter::new(Slot::Empty),
            (Self::Slots { node, within, .. }, None) => Iter::of_slots(node, *within),
            (Self::Slots { node, depth, within, .. }, Some(after)) => {
                Iter::of_slots_after(node, *within, usize::from(*depth), after)
            }
        }
    }

    /// Zero for an empty bucket, the entry's digest for one leaf, else that of a node that has
    /// nothing but the bucket's slots.
    pub(super) fn digest(&self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Leaf(digest, _) => **digest,
            Self::Slots { digest: Some(digest), .. } => *digest,
            Self::Slots { node, within, .. } => node.digest(*within),
        }
    }
}

/// The slots that the last bits of `base`, fewer than a nibble, leave open.
fn within(base: Base) -> u16 {
    let odd = base.len % 4;
    let open = 1u32 << (4 - odd);
    let first = if odd == 0 { 0 } else { base.nibble(base.len / 4) };
    u16::try_from(((1u32 << open) - 1) << first).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Key(KeyHash);

    impl Leaf for Key {
        fn key_hash(&self) -> KeyHash {
            self.0
        }
        fn digest(&self) -> Digest {
            Digest(self.0.0)
        }
    }

    fn hashes() -> impl Strategy<Value = Vec<KeyHash>> {
        // Half of the bytes from a few values: buckets of all sizes.
        let byte = prop_oneof![Just(0u8), Just(0x80), Just(0x81), any::<u8>()];
        let hash = prop::collection::vec(byte, 8).prop_map(|front| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&front);
            KeyHash(bytes)
        });
        prop::collection::vec(hash, 0..60)
    }

    fn trie_of(hashes: impl IntoIterator<Item = KeyHash>) -> Trie<Key> {
        let mut trie = Trie::new();
        trie.apply(hashes.into_iter().map(|hash| (hash, Some(Key(hash)))).collect());
        trie
    }

    proptest! {
        #[test]
        fn a_bucket_is_what_shares_its_bits(hashes in hashes(), from: u64, len in 0u8..=56, cut in any::<prop::sample::Index>()) {
            let trie = trie_of(hashes.clone());
            let head = if hashes.is_empty() { from } else { hashes[cut.index(hashes.len())].head() };
            let mask = !u64::MAX.checked_shr(u32::from(len)).unwrap_or(0);
            let base = Base::new(head & mask, len).unwrap();
            let want: Vec<_> = trie.iter().filter(|key| base.contains(&key.0)).copied().collect();
            prop_assert!(want.iter().all(|key| (key.0.head() & mask) == base.head()));

            let bucket = Bucket::of(&trie, base);
            prop_assert_eq!(bucket.count(), want.len());
            prop_assert_eq!(bucket.leaves(None).copied().collect::<Vec<_>>(), want.clone());
            // The digest does not depend on what is outside.
            let alone = trie_of(want.iter().map(|key| key.0));
            prop_assert_eq!(Bucket::of(&alone, base).digest(), bucket.digest());
            prop_assert_eq!(bucket.digest() == Digest::ZERO, want.is_empty());
            for (at, after) in want.iter().enumerate() {
                let leaves = bucket.leaves(Some(&after.0));
                prop_assert_eq!(leaves.len(), want.len() - at - 1);
                prop_assert_eq!(leaves.copied().collect::<Vec<_>>(), &want[at + 1..]);
            }
            let mut last = base.head() | !mask;
            last &= !1;
            let mut bound = [0; 32];
            bound[..8].copy_from_slice(&last.to_be_bytes());
            let left = want.iter().filter(|key| key.0 > KeyHash(bound)).count();
            prop_assert_eq!(bucket.leaves(Some(&KeyHash(bound))).len(), left);
        }

        #[test]
        fn children_cut_a_bucket_without_gaps(hashes in hashes(), len in 0u8..=8, width in 0u8..=6) {
            let trie = trie_of(hashes);
            let base = Base::new(0, len).unwrap();
            let whole: Vec<_> = Bucket::of(&trie, base).leaves(None).copied().collect();
            let mut parts = Vec::new();
            for index in 0..1 << width {
                parts.extend(Bucket::of(&trie, base.child(width, index)).leaves(None).copied());
            }
            prop_assert_eq!(whole, parts);
        }
    }

    #[test]
    fn bits_beyond_the_length_are_refused() {
        assert_eq!(Base::new(0, 0), Some(Base::ALL));
        assert_eq!(Base::new(1 << 60, 3), None);
        assert!(Base::new(1 << 60, 4).is_some());
        assert_eq!(Base::new(0, 57), None);
    }
}
