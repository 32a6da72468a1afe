//! Pages: the leaves of one small subtree, packed.
//!
//! A page is a maximal subtree of at most [`PAGE_LEAVES_MAX`] leaves. It is immutable; its keys are
//! kept apart from the rest, so that a page whose values changed shares them with the one before.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::digest::{Digest, KeyHash};
use crate::hash::{self, BLOCK_BYTES, BLOCKS_MAX};
use crate::prefix::Prefix;

/// The most leaves of a page, and of what the digest format hashes as one group.
pub const PAGE_LEAVES_MAX: usize = 16;

/// Leading bytes of a key hash that say where a leaf stands. With 192 bits nobody finds two keys
/// for one place; the bytes that are left out are saved in every leaf and every digest.
pub(crate) const SPOT_BYTES: usize = 24;

/// Bytes of a leaf in the input of its group's digest.
pub(crate) const ENTRY_BYTES: usize = SPOT_BYTES + 32;

const _: () = assert!(PAGE_LEAVES_MAX * ENTRY_BYTES <= BLOCKS_MAX * BLOCK_BYTES);

/// Where a leaf stands: the front of its key's hash.
pub(crate) type Spot = [u8; SPOT_BYTES];

/// The spot of a key hash.
#[inline]
pub(crate) fn spot(hash: &KeyHash) -> &Spot {
    match hash.0.first_chunk() {
        Some(spot) => spot,
        None => unreachable!("a key hash is longer than a spot"),
    }
}

/// Bit `at` of a spot, high end first.
#[inline]
pub(crate) fn spot_bit(spot: &Spot, at: usize) -> usize {
    usize::from(spot[at / 8] >> (7 - at % 8) & 1)
}

/// The front of a spot as a number, so that numbers order as spots do.
#[inline]
pub(crate) fn spot_head(spot: &Spot) -> u64 {
    spot.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
}

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

/// What a page holds of a leaf beside its key.
#[derive(Clone, Copy)]
pub(crate) struct Entry<V> {
    pub(crate) spot: Spot,
    pub(crate) digest: Digest,
    pub(crate) value: V,
}

impl<V> Entry<V> {
    /// Spot and digest, filled up with zeros to a block.
    pub(crate) fn block(&self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..SPOT_BYTES].copy_from_slice(&self.spot);
        block[SPOT_BYTES..ENTRY_BYTES].copy_from_slice(&self.digest.0);
        block
    }
}

/// Input of the digest of a group of leaves: zeros fill the last block.
pub(crate) struct GroupInput {
    pub(crate) bytes: [u8; BLOCKS_MAX * BLOCK_BYTES],
    pub(crate) blocks: usize,
}

impl Default for GroupInput {
    fn default() -> Self {
        Self { bytes: [0; BLOCKS_MAX * BLOCK_BYTES], blocks: 0 }
    }
}

impl GroupInput {
    pub(crate) fn of<'a, V: 'a>(entries: impl IntoIterator<Item = &'a Entry<V>>) -> Self {
        let mut input = Self::default();
        input.fill(entries);
        input
    }

    /// Makes it the input of these leaves.
    pub(crate) fn fill<'a, V: 'a>(&mut self, entries: impl IntoIterator<Item = &'a Entry<V>>) {
        let mut len = 0;
        for entry in entries {
            self.bytes[len..len + SPOT_BYTES].copy_from_slice(&entry.spot);
            self.bytes[len + SPOT_BYTES..len + ENTRY_BYTES].copy_from_slice(&entry.digest.0);
            len += ENTRY_BYTES;
        }
        self.blocks = len.div_ceil(BLOCK_BYTES);
        self.bytes[len..self.blocks * BLOCK_BYTES].fill(0);
    }

    /// The group's digest; zero when it has no leaf.
    pub(crate) fn digest(&self) -> Digest {
        match self.blocks {
            0 => Digest::ZERO,
            blocks => hash::group(&self.bytes[..blocks * BLOCK_BYTES]),
        }
    }
}

/// Keys of a page, in one allocation: their ends (4 bytes each), then the keys.
#[derive(Clone)]
pub(crate) struct Keys(Arc<[u8]>);

impl Keys {
    pub(crate) fn of<'a>(keys: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Self {
        let len: usize = keys.clone().map(|key| key.len() + 4).sum();
        let mut bytes = Vec::with_capacity(len);
        let mut end = 4 * keys.len();
        for key in keys.clone() {
            end += key.len();
            let Ok(short) = u32::try_from(end) else {
                panic!("the keys of a page are below 4 GiB")
            };
            bytes.extend_from_slice(&short.to_le_bytes());
        }
        keys.for_each(|key| bytes.extend_from_slice(key));
        Self(bytes.into())
    }

    fn end(&self, at: usize) -> usize {
        let end = self.0[4 * at..].first_chunk().map_or(0, |end| u32::from_le_bytes(*end));
        usize::try_from(end).unwrap_or(usize::MAX)
    }

    /// Key `at` of `count`.
    #[inline]
    fn get(&self, at: usize, count: usize) -> &[u8] {
        let start = if at == 0 { 4 * count } else { self.end(at - 1) };
        &self.0[start..self.end(at)]
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

/// An immutable page of 1 to [`PAGE_LEAVES_MAX`] leaves, in key hash order.
#[derive(Clone)]
pub struct Page<V> {
    bits: u8,
    digest: Digest,
    entries: Box<[Entry<V>]>,
    keys: Keys,
}

impl<V: Copy> Page<V> {
    /// Makes a page of leaves in ascending order of key hash, as [`Page::iter`] gives them.
    ///
    /// # Errors
    /// When they are not in order, not all under `prefix`, none, or too many.
    pub fn build<K: AsRef<[u8]>>(
        prefix: Prefix,
        leaves: impl IntoIterator<Item = (K, Digest, V)>,
    ) -> Result<Self, PageError> {
        let mut entries: Vec<Entry<V>> = Vec::with_capacity(PAGE_LEAVES_MAX);
        let mut keys = Vec::with_capacity(PAGE_LEAVES_MAX);
        for (key, digest, value) in leaves {
            let hash = KeyHash::of(key.as_ref());
            let entry = Entry { spot: *spot(&hash), digest, value };
            if entries.len() == PAGE_LEAVES_MAX {
                return Err(PageError::TooMany);
            }
            if entries.last().is_some_and(|last| last.spot >= entry.spot) {
                return Err(PageError::OutOfOrder);
            }
            if !prefix.contains(&hash) {
                return Err(PageError::Outside);
            }
            entries.push(entry);
            keys.push(key);
        }
        let bits = u8::try_from(prefix.len()).unwrap_or(u8::MAX);
        if entries.is_empty() {
            return Err(PageError::Empty);
        }
        let digest = GroupInput::of(&entries).digest();
        Ok(Self::new(bits, digest, entries, Keys::of(keys.iter().map(AsRef::as_ref))))
    }

    /// `entries` are in order, and all begin with the same `bits` bits.
    pub(crate) fn new(bits: u8, digest: Digest, entries: Vec<Entry<V>>, keys: Keys) -> Self {
        assert!(!entries.is_empty() && entries.len() <= PAGE_LEAVES_MAX, "1 to 16 leaves");
        Self { bits, digest, entries: entries.into_boxed_slice(), keys }
    }

    /// What the key hashes of all leaves in the page, and of no others, start with.
    pub fn prefix(&self) -> Prefix {
        let mut hash = [0; 32];
        hash[..SPOT_BYTES].copy_from_slice(&self.entries[0].spot);
        Prefix::of(&KeyHash(hash), usize::from(self.bits))
    }

    /// Number of leaves, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a page is never empty")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What stands for the page in the trie above it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The leaf of this key, given with its hash.
    pub fn get(&self, hash: &KeyHash, key: &[u8]) -> Option<Leaf<'_, V>> {
        let leaf = self.leaf(self.find(spot(hash)).ok()?);
        (leaf.key == key).then_some(leaf)
    }

    /// The leaf whose key has this hash.
    pub fn get_by_hash(&self, hash: &KeyHash) -> Option<Leaf<'_, V>> {
        self.find(spot(hash)).ok().map(|at| self.leaf(at))
    }

    /// Leaves in order of key hash.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Leaf<'_, V>> {
        (0..self.len()).map(|at| self.leaf(at))
    }

    /// Bytes on the heap; keys that are shared with other versions of the page count in full.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.entries) + self.keys.0.len() + 2 * size_of::<usize>()
    }

    pub(crate) fn leaf(&self, at: usize) -> Leaf<'_, V> {
        let entry = &self.entries[at];
        Leaf { key: self.key(at), digest: entry.digest, value: entry.value }
    }

    pub(crate) fn key(&self, at: usize) -> &[u8] {
        self.keys.get(at, self.entries.len())
    }

    pub(crate) fn entries(&self) -> &[Entry<V>] {
        &self.entries
    }

    /// Bits of the prefix.
    pub(crate) fn bits(&self) -> u8 {
        self.bits
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Position of the leaf at `spot`, or where it would be.
    pub(crate) fn find(&self, spot: &Spot) -> Result<usize, usize> {
        find(&self.entries, self.bits, spot)
    }
}

/// Position of `spot` among sorted entries, or where it would be.
///
/// Spots under a prefix of `bits` bits are spread evenly, so the place that the spot's next bits
/// point at is off by little, and few cache lines are touched.
pub(crate) fn find<V>(entries: &[Entry<V>], bits: u8, spot: &Spot) -> Result<usize, usize> {
    let head = spot_head(spot);
    let below = |at: usize| {
        let entry = &entries[at];
        let order = spot_head(&entry.spot).cmp(&head);
        order.then_with(|| entry.spot.cmp(spot))
    };
    let share = head.checked_shl(u32::from(bits)).unwrap_or(0) >> 32;
    let len = u64::try_from(entries.len()).unwrap_or(0);
    let mut at = usize::try_from((share * len) >> 32).unwrap_or(0);
    if at < entries.len() && below(at) == Ordering::Less {
        while at < entries.len() && below(at) == Ordering::Less {
            at += 1;
        }
    } else {
        while at > 0 && below(at - 1) != Ordering::Less {
            at -= 1;
        }
    }
    if at < entries.len() && below(at) == Ordering::Equal { Ok(at) } else { Err(at) }
}

impl<V: Copy + std::fmt::Debug> std::fmt::Debug for Page<V> {
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
                assert_eq!(page.get(&hash, key), Some(leaf));
                assert_eq!(page.get_by_hash(&hash), Some(leaf));
                assert_eq!(page.get(&hash, b"other"), None);
            }
            assert_eq!(page.get_by_hash(&KeyHash([0; 32])), None);
            assert!(page.heap_bytes() > 64 * page.len());
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
