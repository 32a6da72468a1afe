//! Pages: the leaves of one small subtree, packed.
//!
//! A page is a maximal subtree of at most [`PAGE_LEAVES_MAX`] leaves. Clones share its bytes, and
//! never change with each other: what is shared is copied before it is changed.
//!
//! - [`group`]: what the digest of leaves is made of;
//! - [`packed`]: a page's bytes, with what a leaf [keeps](value) beside key and digest;
//! - [`splice`]: a page with one leaf more or less;
//! - [`search`]: where in a page a key hash stands.

pub(crate) mod group;
pub(crate) mod packed;
mod search;
mod splice;
mod value;

use std::marker::PhantomData;
use std::sync::Arc;

use crate::digest::{Digest, KeyHash};
use crate::prefetch::prefetch_arc;
use crate::prefix::Prefix;
use group::hash_of;
pub use packed::Guess;
use packed::{Loose, NewPage};
use search::{find, share};
pub use value::PageValue;

/// The most leaves of a page, and of what the digest format hashes as one group.
pub const PAGE_LEAVES_MAX: usize = 16;

/// A leaf: the hash of a key, the digest of key and value, and what the user keeps with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'a, V> {
    /// Hash of the key.
    pub hash: KeyHash,
    /// The key, or nothing where the user has it elsewhere.
    pub key: &'a [u8],
    /// See [`leaf_digest`](crate::leaf_digest).
    pub digest: Digest,
    /// Kept with the leaf; in no digest.
    pub value: V,
}

/// Why leaves make no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// No leaf.
    #[error("a page without leaves: its image is damaged")]
    Empty,
    /// More than [`PAGE_LEAVES_MAX`].
    #[error("more than 16 leaves in a page: its image is damaged")]
    TooMany,
    /// Not in strictly ascending order of key hashes.
    #[error("leaves of a page are out of order: its image is damaged")]
    OutOfOrder,
    /// A key that belongs into another page.
    #[error("a leaf does not belong into its page: its image is damaged")]
    Outside,
}

/// A page of 1 to [`PAGE_LEAVES_MAX`] leaves, in key hash order. A clone shares its bytes.
pub struct Page<V> {
    bytes: Arc<[u8]>,
    value: PhantomData<fn() -> V>,
}

impl<V> Clone for Page<V> {
    fn clone(&self) -> Self {
        Self { bytes: Arc::clone(&self.bytes), value: PhantomData }
    }
}

impl<V> Page<V> {
    /// Asks for all but kept keys of a page of so many leaves; see [`prefetch`](mod@crate::prefetch).
    pub fn prefetch(&self, leaves: u32)
    where
        V: PageValue,
    {
        self.prefetch_bytes(packed::bytes_but_keys::<V>(leaves));
    }

    /// Asks for its first bytes.
    pub(crate) fn prefetch_bytes(&self, len: usize) {
        prefetch_arc(&*self.bytes, len);
    }

    /// Where it is in memory, and how many of its bytes a search or a change touches: for a hint,
    /// not for a look.
    pub fn place(&self) -> (usize, usize)
    where
        V: PageValue,
    {
        let leaves = u32::try_from(self.len()).unwrap_or(0);
        (self.bytes.as_ptr().addr(), packed::bytes_but_keys::<V>(leaves))
    }

    /// Whether both are the same page in memory: one made from the other by cloning.
    pub fn ptr_eq(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.bytes, &b.bytes)
    }
}

impl<V: PageValue> Page<V> {
    /// Makes a page of leaves in ascending order of key hash, as [`Page::iter`] gives them.
    ///
    /// # Errors
    /// When they are not in order, not all under `prefix`, none, or too many.
    pub fn build<'a>(
        prefix: Prefix,
        leaves: impl IntoIterator<Item = Leaf<'a, V>>,
    ) -> Result<Self, PageError> {
        let mut own: Vec<Loose<'a, V>> = Vec::with_capacity(PAGE_LEAVES_MAX);
        for Leaf { hash, key, digest, value } in leaves {
            if own.len() == PAGE_LEAVES_MAX {
                return Err(PageError::TooMany);
            }
            if own.last().is_some_and(|last| last.hash >= hash) {
                return Err(PageError::OutOfOrder);
            }
            if !prefix.contains(&hash) {
                return Err(PageError::Outside);
            }
            own.push(Loose { hash, digest, value, key });
        }
        if own.is_empty() {
            return Err(PageError::Empty);
        }
        let mut page = NewPage::of(u8::try_from(prefix.len()).unwrap_or(u8::MAX), &own);
        let digest = crate::hash::group(page.hash_input());
        page.seal(&digest);
        Ok(page.finish())
    }

    /// What the key hashes of all leaves in the page, and of no others, start with.
    pub fn prefix(&self) -> Prefix {
        Prefix::of(&hash_of(&self.entries()[0]), usize::from(self.bits()))
    }

    /// The leaf whose key has this hash. The key itself need not be compared: nobody finds two keys
    /// of one hash.
    pub fn get(&self, hash: &KeyHash) -> Option<Leaf<'_, V>> {
        self.find(hash).ok().map(|at| self.leaf(at))
    }

    /// Digest and value of the key that has this hash. Touches no key.
    pub fn entry(&self, hash: &KeyHash) -> Option<(Digest, V)> {
        let at = self.find(hash).ok()?;
        Some((group::digest_of(&self.entries()[at]), self.value(at)))
    }

    /// Where in its memory a look for `hash` will most likely touch a page of so many leaves, all
    /// of which share `bits` bits.
    pub(crate) fn guess(hash: &KeyHash, leaves: u32, bits: usize) -> Guess {
        packed::guess::<V>(share(hash.head(), bits, leaves), leaves)
    }

    /// Leaves in order of key hash.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Leaf<'_, V>> {
        (0..self.len()).map(|at| self.leaf(at))
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.len() + 2 * size_of::<usize>()
    }

    pub(crate) fn leaf(&self, at: usize) -> Leaf<'_, V> {
        let entry = &self.entries()[at];
        let (hash, digest) = (hash_of(entry), group::digest_of(entry));
        Leaf { hash, key: self.key(at), digest, value: self.value(at) }
    }

    /// A leaf as a new page takes it.
    pub(crate) fn loose(&self, at: usize) -> Loose<'_, V> {
        let Leaf { hash, key, digest, value } = self.leaf(at);
        Loose { hash, digest, value, key }
    }

    /// Position of the leaf of `hash`, or where it would be.
    pub(crate) fn find(&self, hash: &KeyHash) -> Result<usize, usize> {
        find(self.entries(), self.bits(), hash)
    }
}

impl<V: PageValue> std::fmt::Debug for Page<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").field("prefix", &self.prefix()).field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys, and a digest and value for each, in order of hash.
    fn keys(count: u64) -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> =
            (0..count).map(|key| vec![7; usize::try_from(key).unwrap()]).collect();
        keys.sort_by_key(|key| KeyHash::of(key));
        keys
    }

    /// Their leaves, with keys or without.
    fn leaves(keys: &[Vec<u8>], kept: bool) -> Vec<Leaf<'_, u64>> {
        let leaf = |(key, value): (&'_ Vec<u8>, u64)| (KeyHash::of(key), value);
        keys.iter()
            .zip(keys.iter().zip(0..).map(leaf))
            .map(|(key, (hash, value))| Leaf {
                hash,
                key: if kept { key } else { &[] },
                digest: Digest([9; 32]),
                value,
            })
            .collect()
    }

    #[test]
    fn a_page_gives_back_what_it_was_built_from() {
        for (count, kept) in (1..=16).flat_map(|count| [(count, true), (count, false)]) {
            let keys = keys(count);
            let from = leaves(&keys, kept);
            let page = Page::build(Prefix::ROOT, from.iter().copied()).unwrap();
            assert_eq!(page.iter().collect::<Vec<_>>(), from);
            for leaf in &from {
                assert_eq!(page.get(&leaf.hash), Some(*leaf));
                assert_eq!(page.entry(&leaf.hash), Some((leaf.digest, leaf.value)));
            }
            assert_eq!(page.get(&KeyHash([0; KeyHash::BYTES])), None);
        }
    }

    // A pool that counts less than it holds outgrows its bound.
    #[test]
    fn a_page_counts_every_byte_that_it_takes() {
        for count in 2..=16 {
            let keys = keys(count);
            let counts = 2 * size_of::<usize>();
            let groups = (56 * keys.len()).next_multiple_of(64);
            let but_keys = counts + 34 + groups + 8 * keys.len();
            let bytes =
                |kept| Page::build(Prefix::ROOT, leaves(&keys, kept)).map(|page| page.heap_bytes());
            assert_eq!(bytes(false), Ok(but_keys));
            let kept: usize = keys.iter().map(|key| key.len() + 4).sum();
            assert_eq!(bytes(true), Ok(but_keys + kept));
        }
    }

    /// A page that a leaf came to, or went from, is the one that is built with it, or without it, but for
    /// the digest, which is to be sealed.
    #[test]
    fn a_page_that_is_spliced_is_one_that_is_built() {
        let sealed = |mut page: Page<u64>| {
            let digest = crate::hash::group(page.hash_input());
            page.seal(&digest);
            page
        };
        for (count, kept) in (2..=16).flat_map(|count| [(count, true), (count, false)]) {
            let keys = keys(count);
            let all = leaves(&keys, kept);
            let whole = Page::build(Prefix::ROOT, all.iter().copied()).unwrap();
            for at in 0..all.len() {
                let mut others = all.clone();
                let Leaf { hash, key, digest, value } = others.remove(at);
                let without = Page::build(Prefix::ROOT, others).unwrap();
                let mut page = whole.clone();
                page.remove(at);
                let page = sealed(page);
                assert_eq!(page.bytes, without.bytes, "{at} of {count}, {kept}");
                let mut page = without.clone();
                let here = page.find(&hash).unwrap_err();
                page.insert(here, &Loose { hash, digest, value, key });
                assert_eq!(sealed(page).bytes, whole.bytes, "{at} of {count}, {kept}");
            }
        }
    }

    #[test]
    fn leaves_that_make_no_page_are_refused() {
        let (keys, more) = (keys(16), keys(17));
        let mut from = leaves(&keys, true);
        let build = |prefix, from: &[Leaf<'_, u64>]| {
            Page::build(prefix, from.iter().copied()).map(|page| page.len())
        };
        assert_eq!(build(Prefix::ROOT, &[]), Err(PageError::Empty));
        assert_eq!(build(Prefix::ROOT, &leaves(&more, true)), Err(PageError::TooMany));
        assert_eq!(build(Prefix::ROOT.child(0), &from), Err(PageError::Outside));
        assert_eq!(build(Prefix::ROOT.child(1), &from), Err(PageError::Outside));
        assert_eq!(build(Prefix::of(&from[3].hash, 100), &from[3..4]), Ok(1));
        from[4] = from[3];
        assert_eq!(build(Prefix::ROOT, &from), Err(PageError::OutOfOrder));
        from.swap(0, 1);
        assert_eq!(build(Prefix::ROOT, &from), Err(PageError::OutOfOrder));
    }
}
