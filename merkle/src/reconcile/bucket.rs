//! Buckets: all leaves whose key hashes start with given bits.
//!
//! A bucket's digest depends on the leaves in it alone, not on what else is in the trie, so that
//! both sides get the same for the same content.

use std::ops::Range;

use super::{MAX_BUCKET_BITS, MAX_WIDTH_BITS, ReconcileError};
use crate::digest::{Digest, KeyHash};
use crate::page::Page;
use crate::page::group::{self, Entry, hash_of};
use crate::pages::Pages;
use crate::prefix::Prefix;
use crate::trie::{Leaves, Place};
use crate::view::View;

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

    /// Bit `at` of the path.
    fn bit(self, at: u8) -> usize {
        usize::from(self.head >> (63 - at) & 1 == 1)
    }

    /// The last head in the bucket.
    pub(super) fn last(self) -> u64 {
        self.head | u64::MAX.checked_shr(u32::from(self.len)).unwrap_or(0)
    }

    fn prefix(self) -> Prefix {
        let mut hash = [0; KeyHash::BYTES];
        hash[..8].copy_from_slice(&self.head.to_be_bytes());
        Prefix::of(&KeyHash(hash), usize::from(self.len))
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
pub(super) struct Bucket<'a, P: Pages> {
    view: &'a View<P>,
    base: Base,
    content: Content<'a, P>,
}

enum Content<'a, P: Pages> {
    /// A subtree of the trie.
    Whole(Place<'a, P::Handle>),
    /// Some leaves of a page.
    Part(Page<P::Value>, Range<usize>),
}

impl<'a, P: Pages> Bucket<'a, P> {
    pub(super) fn of(view: &'a View<P>, base: Base) -> Result<Self, ReconcileError> {
        let mut place = view.trie.place();
        let mut depth = 0;
        while let Place::Fork(fork) = place
            && depth < base.len
        {
            place = fork.side(base.bit(depth));
            depth += 1;
        }
        let content = match place {
            Place::Page(end) if depth < base.len => {
                let page = view.pages.load(&end.handle).map_err(|_| ReconcileError::Unreadable)?;
                let head = |entry: &Entry| hash_of(entry).head();
                let from = page.entries().partition_point(|entry| head(entry) < base.head);
                let upto = page.entries().partition_point(|entry| head(entry) <= base.last());
                Content::Part(page, from..upto)
            }
            place => Content::Whole(place),
        };
        Ok(Self { view, base, content })
    }

    pub(super) fn count(&self) -> usize {
        match &self.content {
            Content::Whole(place) => place.count(),
            Content::Part(_, range) => range.len(),
        }
    }

    /// Leaves in ascending key hash order, those up to and including `after` left out.
    pub(super) fn leaves(&self, after: Option<&KeyHash>) -> Leaves<'a, P> {
        self.view.trie.iter_after(&self.view.pages, &self.base.prefix(), after)
    }

    /// That of a trie's subtree which has the bucket's leaves and no others.
    pub(super) fn digest(&self) -> Digest {
        match &self.content {
            Content::Whole(place) => place.digest(),
            Content::Part(page, range) => group::digest(&page.entries()[range.clone()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::MemPages;
    use crate::trie::{Change, Trie};
    use proptest::prelude::*;

    type Mem = View<MemPages<()>>;

    fn hashes() -> impl Strategy<Value = Vec<KeyHash>> {
        // Half of the bytes from a few values: buckets of all sizes.
        let byte = prop_oneof![Just(0u8), Just(0x80), Just(0x81), any::<u8>()];
        let hash = prop::collection::vec(byte, 8).prop_map(|front| {
            let mut bytes = [0; KeyHash::BYTES];
            bytes[..8].copy_from_slice(&front);
            KeyHash(bytes)
        });
        prop::collection::vec(hash, 0..120)
    }

    /// Keys are their own hashes.
    fn trie_of(hashes: &[KeyHash]) -> Mem {
        let mut view = View::new(Trie::new(), MemPages::new());
        let put = |hash: &'_ KeyHash| (*hash, Some((Digest([hash.0[7]; 32]), ())));
        let mut changes: Vec<_> = hashes
            .iter()
            .map(|hash| {
                let (at, put) = put(hash);
                Change { hash: at, key: &hash.0, put, before: None }
            })
            .collect();
        view.trie.apply(&view.pages, &mut changes).unwrap();
        view
    }

    fn keys(leaves: Leaves<'_, MemPages<()>>) -> Vec<KeyHash> {
        leaves.map(|held| held.unwrap().key_hash()).collect()
    }

    proptest! {
        #[test]
        fn a_bucket_is_what_shares_its_bits(hashes in hashes(), from: u64, len in 0u8..=56, cut in any::<prop::sample::Index>()) {
            let view = trie_of(&hashes);
            let head = if hashes.is_empty() { from } else { hashes[cut.index(hashes.len())].head() };
            let mask = !u64::MAX.checked_shr(u32::from(len)).unwrap_or(0);
            let base = Base::new(head & mask, len).unwrap();
            let want: Vec<_> = keys(view.iter()).into_iter().filter(|key| base.contains(key)).collect();
            prop_assert!(want.iter().all(|key| (key.head() & mask) == base.head()));

            let bucket = Bucket::of(&view, base).unwrap();
            prop_assert_eq!(bucket.count(), want.len());
            prop_assert_eq!(keys(bucket.leaves(None)), want.clone());
            // The digest does not depend on what is outside.
            let alone = trie_of(&want);
            prop_assert_eq!(Bucket::of(&alone, base).unwrap().digest(), bucket.digest());
            prop_assert_eq!(bucket.digest() == Digest::ZERO, want.is_empty());
            for (at, after) in want.iter().enumerate() {
                prop_assert_eq!(keys(bucket.leaves(Some(after))), &want[at + 1..]);
            }
            let mut last = base.head() | !mask;
            last &= !1;
            let mut bound = [0; KeyHash::BYTES];
            bound[..8].copy_from_slice(&last.to_be_bytes());
            let left: Vec<_> = want.iter().copied().filter(|key| *key > KeyHash(bound)).collect();
            prop_assert_eq!(keys(bucket.leaves(Some(&KeyHash(bound)))), left);
        }

        #[test]
        fn children_cut_a_bucket_without_gaps(hashes in hashes(), len in 0u8..=8, width in 0u8..=6) {
            let view = trie_of(&hashes);
            let base = Base::new(0, len).unwrap();
            let whole = keys(Bucket::of(&view, base).unwrap().leaves(None));
            let mut parts = Vec::new();
            for index in 0..1 << width {
                parts.extend(keys(Bucket::of(&view, base.child(width, index)).unwrap().leaves(None)));
            }
            prop_assert_eq!(whole, parts);
        }
    }

    // Deeper than 56 bits there are no buckets, however many leaves share them.
    #[test]
    fn a_bucket_is_cut_by_what_its_leaves_are_worth_and_no_deeper_than_there_are_bits() {
        let width = |len, leaves| Base::new(0, len).unwrap().width_for(leaves);
        assert_eq!([0, 1, 2, 15, 16, 100_000].map(|leaves| width(0, leaves)), [0, 0, 1, 2, 2, 8]);
        assert_eq!([0, 41, 42, 55, 56].map(|len| width(len, usize::MAX)), [15, 15, 14, 1, 0]);
    }

    #[test]
    fn bits_beyond_the_length_are_refused() {
        assert_eq!(Base::new(0, 0), Some(Base::ALL));
        assert_eq!(Base::new(1 << 60, 3), None);
        assert!(Base::new(1 << 60, 4).is_some());
        assert_eq!(Base::new(0, 57), None);
    }

    /// Pages that are in no memory.
    struct Unread;

    impl Pages for Unread {
        type Handle = Page<()>;
        type Value = ();
        type Error = ();

        fn load(&self, _: &Page<()>) -> Result<Page<()>, ()> {
            Err(())
        }
    }

    // The digest of a whole page is in the spine: to compare buckets no page is read that does not
    // lie across their border.
    #[test]
    fn a_page_is_loaded_only_for_a_part_of_it() {
        let hashes: Vec<KeyHash> = (0..20u8).map(|at| KeyHash([at << 3; KeyHash::BYTES])).collect();
        let view = View::new(trie_of(&hashes).trie, Unread);
        let of = |len| Bucket::of(&view, Base::new(0, len).unwrap()).map(|bucket| bucket.count());
        assert_eq!([0, 1].map(of), [Ok(20), Ok(16)]);
        assert_eq!(of(2), Err(ReconcileError::Unreadable));
    }
}
