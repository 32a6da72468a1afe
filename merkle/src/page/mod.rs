//! Pages: the leaves of one small subtree, packed.
//!
//! A page is a maximal subtree of at most [`PAGE_LEAVES_MAX`] leaves. Clones share its bytes, and
//! never change with each other: what is shared is copied before it is changed.
//!
//! - [`spot`]: where a leaf stands;
//! - [`group`]: what the digest of leaves is made of;
//! - [`packed`]: a page's bytes, with what a leaf [keeps](value) beside key and digest;
//! - [`search`]: where in a page a spot stands.

pub(crate) mod group;
pub(crate) mod packed;
mod search;
mod spot;
mod value;

use std::marker::PhantomData;
use std::sync::Arc;

use crate::digest::{Digest, KeyHash};
use crate::prefetch::prefetch_arc;
use crate::prefix::Prefix;
use group::spot_of;
pub use packed::Guess;
use packed::{Loose, NewPage};
use search::{find, share};
pub(crate) use spot::{SPOT_BYTES, Spot, spot, spot_bit, spot_head};
pub use value::PageValue;

/// The most leaves of a page, and of what the digest format hashes as one group.
pub const PAGE_LEAVES_MAX: usize = 16;

/// A leaf: a key, the digest of key and value, and what the user keeps with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'a, V> {
    /// The key.
    pub key: &'a [u8],
    /// See [`leaf_digest`](crate::leaf_digest).
    pub digest: Digest,
    /// Kept with the leaf; in no digest.
    pub value: V,
}

impl<V> Leaf<'_, V> {
    /// Hash of the key; computed when asked for.
    pub fn key_hash(&self) -> KeyHash {
        KeyHash::of(self.key)
    }
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
    /// Asks for all but the keys of a page of so many leaves; see [`prefetch`](mod@crate::prefetch).
    pub fn prefetch(&self, leaves: u32)
    where
        V: PageValue,
    {
        self.prefetch_bytes(packed::bytes_before_keys::<V>(leaves));
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
        (self.bytes.as_ptr().addr(), packed::bytes_before_keys::<V>(leaves))
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
    pub fn build<K: AsRef<[u8]>>(
        prefix: Prefix,
        leaves: impl IntoIterator<Item = (K, Digest, V)>,
    ) -> Result<Self, PageError> {
        let mut own = Vec::with_capacity(PAGE_LEAVES_MAX);
        let mut last: Option<Spot> = None;
        for (key, digest, value) in leaves {
            let hash = KeyHash::of(key.as_ref());
            let spot = *spot(&hash);
            if own.len() == PAGE_LEAVES_MAX {
                return Err(PageError::TooMany);
            }
            if last.is_some_and(|last| last >= spot) {
                return Err(PageError::OutOfOrder);
            }
            if !prefix.contains(&hash) {
                return Err(PageError::Outside);
            }
            last = Some(spot);
            own.push((key, spot, digest, value));
        }
        if own.is_empty() {
            return Err(PageError::Empty);
        }
        let leaves: Vec<_> = own
            .iter()
            .map(|(key, spot, digest, value)| Loose {
                spot: *spot,
                digest: *digest,
                value: *value,
                key: key.as_ref(),
            })
            .collect();
        let mut page = NewPage::of(u8::try_from(prefix.len()).unwrap_or(u8::MAX), &leaves);
        let digest = crate::hash::group(page.hash_input());
        page.seal(&digest);
        Ok(page.finish())
    }

    /// What the key hashes of all leaves in the page, and of no others, start with.
    pub fn prefix(&self) -> Prefix {
        let mut hash = [0; 32];
        hash[..SPOT_BYTES].copy_from_slice(spot_of(&self.entries()[0]));
        Prefix::of(&KeyHash(hash), usize::from(self.bits()))
    }

    /// The leaf whose key has this hash. The key itself need not be compared: nobody finds two keys
    /// for one spot.
    pub fn get(&self, hash: &KeyHash) -> Option<Leaf<'_, V>> {
        self.find(spot(hash)).ok().map(|at| self.leaf(at))
    }

    /// Digest and value of the key that has this hash. Touches no key.
    pub fn entry(&self, hash: &KeyHash) -> Option<(Digest, V)> {
        let at = self.find(spot(hash)).ok()?;
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
        let digest = group::digest_of(&self.entries()[at]);
        Leaf { key: self.key(at), digest, value: self.value(at) }
    }

    /// A leaf as a new page takes it.
    pub(crate) fn loose(&self, at: usize) -> Loose<'_, V> {
        let Leaf { key, digest, value } = self.leaf(at);
        Loose { spot: *spot_of(&self.entries()[at]), digest, value, key }
    }

    /// Position of the leaf at `spot`, or where it would be.
    pub(crate) fn find(&self, spot: &Spot) -> Result<usize, usize> {
        find(self.entries(), self.bits(), spot)
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

    fn leaves(count: u64) -> Vec<(Vec<u8>, Digest, u64)> {
        let mut keys: Vec<Vec<u8>> =
            (0..count).map(|key| vec![7; usize::try_from(key).unwrap()]).collect();
        keys.sort_by_key(|key| KeyHash::of(key));
        keys.into_iter().zip(0..).map(|(key, at)| (key, Digest([9; 32]), at)).collect()
    }

    #[test]
    fn a_page_gives_back_what_it_was_built_from() {
        for count in 1..=16 {
            let from = leaves(count);
            let page = Page::build(Prefix::ROOT, from.iter().cloned()).unwrap();
            let back: Vec<_> =
                page.iter().map(|leaf| (leaf.key.to_vec(), leaf.digest, leaf.value)).collect();
            assert_eq!(back, from);
            for (key, digest, value) in &from {
                let hash = KeyHash::of(key);
                let leaf = Leaf { key, digest: *digest, value: *value };
                assert_eq!(page.get(&hash), Some(leaf));
            }
            assert_eq!(page.get(&KeyHash([0; 32])), None);
        }
    }

    // A pool that counts less than it holds outgrows its bound.
    #[test]
    fn a_page_counts_every_byte_that_it_takes() {
        for count in 1..=16 {
            let page = Page::build(Prefix::ROOT, leaves(count)).unwrap();
            let keys: usize = page.iter().map(|leaf| leaf.key.len()).sum();
            let spots = (56 * page.len()).next_multiple_of(64);
            let counts = 2 * size_of::<usize>();
            assert_eq!(page.heap_bytes(), counts + 34 + spots + (8 + 4) * page.len() + keys);
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
        for count in 2..=16u64 {
            let all = leaves(count);
            let whole = Page::build(Prefix::ROOT, all.iter().cloned()).unwrap();
            for at in 0..all.len() {
                let mut others = all.clone();
                let (key, digest, value) = others.remove(at);
                let without = Page::build(Prefix::ROOT, others).unwrap();
                let mut page = whole.clone();
                page.remove(at);
                let page = sealed(page);
                assert_eq!(page.bytes, without.bytes, "{at} of {count}");
                let spot = *spot(&KeyHash::of(&key));
                let mut page = without.clone();
                let here = page.find(&spot).unwrap_err();
                page.insert(here, &Loose { spot, digest, value, key: &key });
                assert_eq!(sealed(page).bytes, whole.bytes, "{at} of {count}");
            }
        }
    }

    #[test]
    fn leaves_that_make_no_page_are_refused() {
        let mut from = leaves(16);
        let build = |prefix, from: &[(Vec<u8>, Digest, u64)]| {
            Page::build(prefix, from.iter().cloned()).map(|page| page.len())
        };
        assert_eq!(build(Prefix::ROOT, &[]), Err(PageError::Empty));
        assert_eq!(build(Prefix::ROOT, &leaves(17)), Err(PageError::TooMany));
        assert_eq!(build(Prefix::ROOT.child(0), &from), Err(PageError::Outside));
        assert_eq!(build(Prefix::ROOT.child(1), &from), Err(PageError::Outside));
        assert_eq!(build(Prefix::of(&KeyHash::of(&from[3].0), 100), &from[3..4]), Ok(1));
        from[4] = from[3].clone();
        assert_eq!(build(Prefix::ROOT, &from), Err(PageError::OutOfOrder));
        from.swap(0, 1);
        assert_eq!(build(Prefix::ROOT, &from), Err(PageError::OutOfOrder));
    }
}
