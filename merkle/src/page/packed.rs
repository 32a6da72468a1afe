//! A page's bytes, in one allocation.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 32 | digest of the page |
//! | 32 | 1 | bits of the prefix |
//! | 33 | 1 | number of leaves, n |
//! | 34 | 56 n, zeros up to a multiple of 64 | spot and digest of each leaf: the digest's input as it is |
//! | | `V::BYTES` n | what is kept with each leaf |
//! | | 4 n | ends of the keys, counted from the first key |
//! | | | the keys |
//!
//! A changed page costs one allocation and one copy, and a look at a leaf touches few cache lines.

use std::iter::repeat_n;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use super::group::{ENTRY_BYTES, Entry, blocks, entry};
use super::spot::Spot;
use super::{Page, PageValue};
use crate::digest::Digest;
use crate::hash::BLOCK_BYTES;
use crate::prefetch::prefetch;

const BITS_AT: usize = 32;
const LEN_AT: usize = 33;
const ENTRIES_AT: usize = 34;
const END_BYTES: usize = 4;

/// A leaf that is in no page yet.
#[derive(Clone, Copy)]
pub(crate) struct Loose<'a, V> {
    pub(crate) spot: Spot,
    pub(crate) digest: Digest,
    pub(crate) value: V,
    pub(crate) key: &'a [u8],
}

/// A page that nobody else sees yet: it may be changed.
pub(crate) struct NewPage<V> {
    bytes: Arc<[u8]>,
    value: PhantomData<fn() -> V>,
}

impl<V: PageValue> NewPage<V> {
    /// A page of leaves in order, whose spots all begin with the same `bits` bits.
    pub(crate) fn of(bits: u8, leaves: &[Loose<'_, V>]) -> Self {
        let at = At::<V>::of(leaves.len());
        let keys: usize = leaves.iter().map(|leaf| leaf.key.len()).sum();
        let mut page = Self { bytes: repeat_n(0, at.keys() + keys).collect(), value: PhantomData };
        let bytes = page.bytes_mut();
        bytes[BITS_AT] = bits;
        bytes[LEN_AT] = u8::try_from(leaves.len()).unwrap_or(u8::MAX);
        let mut end = 0;
        for (i, leaf) in leaves.iter().enumerate() {
            let start = at.keys() + end;
            bytes[start..start + leaf.key.len()].copy_from_slice(leaf.key);
            end += leaf.key.len();
            let Ok(short) = u32::try_from(end) else {
                panic!("the keys of a page are below 4 GiB")
            };
            bytes[at.end(i)..][..END_BYTES].copy_from_slice(&short.to_le_bytes());
            let entry = entry(&leaf.spot, &leaf.digest);
            bytes[at.entry(i)..][..ENTRY_BYTES].copy_from_slice(&entry);
            leaf.value.put(&mut bytes[at.value(i)..][..V::BYTES]);
        }
        page
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.bytes[LEN_AT])
    }

    /// What the page's digest is made of: whole blocks.
    pub(crate) fn hash_input(&self) -> &[u8] {
        &self.bytes[ENTRIES_AT..][..blocks(self.len()) * BLOCK_BYTES]
    }

    /// Its digest is known.
    pub(crate) fn seal(&mut self, digest: &Digest) {
        self.bytes_mut()[..32].copy_from_slice(&digest.0);
    }

    pub(crate) fn digest(&self) -> Digest {
        self.bytes.first_chunk().map_or(Digest::ZERO, |digest| Digest(*digest))
    }

    /// The page, sealed before or later.
    pub(crate) fn finish(self) -> Page<V> {
        Page { bytes: self.bytes, value: PhantomData }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match Arc::get_mut(&mut self.bytes) {
            Some(bytes) => bytes,
            None => unreachable!("a new page has one owner"),
        }
    }
}

/// Where things are in a page of so many leaves.
struct At<V> {
    leaves: usize,
    values: usize,
    value: PhantomData<fn() -> V>,
}

impl<V: PageValue> At<V> {
    #[inline]
    fn of(leaves: usize) -> Self {
        let values = ENTRIES_AT + blocks(leaves) * BLOCK_BYTES;
        Self { leaves, values, value: PhantomData }
    }

    #[inline]
    fn entry(&self, i: usize) -> usize {
        debug_assert!(i < self.leaves);
        ENTRIES_AT + ENTRY_BYTES * i
    }

    #[inline]
    fn value(&self, i: usize) -> usize {
        self.values + V::BYTES * i
    }

    #[inline]
    fn end(&self, i: usize) -> usize {
        self.values + V::BYTES * self.leaves + END_BYTES * i
    }

    /// Where the keys begin.
    #[inline]
    fn keys(&self) -> usize {
        self.end(self.leaves)
    }
}

/// Bytes of a page of so many leaves that come before its keys.
pub(crate) fn bytes_before_keys<V: PageValue>(leaves: u32) -> usize {
    At::<V>::of(usize::try_from(leaves).unwrap_or(0)).keys()
}

/// Where in a page's memory a lookup will most likely look: byte offsets of an entry and of its value.
#[derive(Clone, Copy, Debug)]
pub struct Guess {
    entry: usize,
    value: usize,
}

/// Bytes on both sides of a guessed place that may be touched instead: hashes are not spread quite
/// evenly.
const GUESS_SLACK: usize = ENTRY_BYTES;

/// A lookup that comes out at leaf `i`, if hashes are spread evenly.
pub(crate) fn guess<V: PageValue>(i: u32, leaves: u32) -> Guess {
    let at = At::<V>::of(usize::try_from(leaves).unwrap_or(0));
    let i = usize::try_from(i).unwrap_or(0);
    Guess { entry: ENTRIES_AT + ENTRY_BYTES * i, value: at.value(i) }
}

impl Guess {
    /// Asks for it in the page whose memory begins at `address`; see
    /// [`prefetch`](mod@crate::prefetch).
    pub fn prefetch(self, address: usize) {
        let entry = address.wrapping_add(self.entry);
        prefetch(address.wrapping_sub(2 * size_of::<usize>()), LEN_AT);
        prefetch(entry.wrapping_sub(GUESS_SLACK), 2 * GUESS_SLACK + ENTRY_BYTES);
        prefetch(address.wrapping_add(self.value), GUESS_SLACK);
    }
}

/// Changing a page that is in place: what is shared is copied first.
impl<V: PageValue> Page<V> {
    /// Gives a leaf another digest and value. The page is to be sealed afterwards.
    pub(crate) fn set(&mut self, i: usize, digest: &Digest, value: &V) {
        let at = At::<V>::of(self.len());
        let bytes = Arc::make_mut(&mut self.bytes);
        let entry_end = at.entry(i) + ENTRY_BYTES;
        bytes[entry_end - 32..entry_end].copy_from_slice(&digest.0);
        value.put(&mut bytes[at.value(i)..][..V::BYTES]);
    }

    /// Gives the page the digest of its leaves.
    pub fn seal(&mut self, digest: &Digest) {
        Arc::make_mut(&mut self.bytes)[..32].copy_from_slice(&digest.0);
    }

    /// What the page's digest is made of: whole blocks.
    pub(crate) fn hash_input(&self) -> &[u8] {
        &self.bytes[ENTRIES_AT..][..blocks(self.len()) * BLOCK_BYTES]
    }
}

/// A page with one leaf more, or one less: what stays is copied in long runs.
impl<V: PageValue> Page<V> {
    /// Puts a leaf where [`find`](Self::find) says that it would be. The page is to be sealed
    /// afterwards.
    pub(crate) fn insert(&mut self, i: usize, leaf: &Loose<'_, V>) {
        self.splice(i..i, Some(leaf));
    }

    /// Takes a leaf away; it is not the last one. The page is to be sealed afterwards.
    pub(crate) fn remove(&mut self, i: usize) {
        self.splice(i..i + 1, None);
    }

    /// Replaces leaves by one, or by none.
    fn splice(&mut self, gone: Range<usize>, new: Option<&Loose<'_, V>>) {
        let (old, len) = (At::<V>::of(self.len()), self.len());
        let count = len - gone.len() + usize::from(new.is_some());
        let at = At::<V>::of(count);
        let keys_at = |i: usize| old.keys() + if i == 0 { 0 } else { self.end(&old, i - 1) };
        let (front, back) = (keys_at(gone.start), keys_at(gone.end));
        let key = new.map_or(&[][..], |leaf| leaf.key);
        let mut bytes = Vec::with_capacity(at.keys() + self.bytes.len() - old.keys() + key.len());
        bytes.extend_from_slice(&self.bytes[..ENTRIES_AT]);
        bytes[LEN_AT] = u8::try_from(count).unwrap_or(u8::MAX);
        bytes.extend_from_slice(self.entries()[..gone.start].as_flattened());
        if let Some(leaf) = new {
            bytes.extend_from_slice(&entry(&leaf.spot, &leaf.digest));
        }
        bytes.extend_from_slice(self.entries()[gone.end..].as_flattened());
        bytes.resize(at.values, 0);
        let values = &self.bytes[old.values..][..V::BYTES * len];
        bytes.extend_from_slice(&values[..V::BYTES * gone.start]);
        if let Some(leaf) = new {
            let here = bytes.len();
            bytes.resize(here + V::BYTES, 0);
            leaf.value.put(&mut bytes[here..]);
        }
        bytes.extend_from_slice(&values[V::BYTES * gone.end..]);
        // By how much the keys that follow have moved; wraps as it is also negative.
        let moved = key.len().wrapping_sub(back - front);
        for i in 0..gone.start {
            push_end(&mut bytes, self.end(&old, i));
        }
        if new.is_some() {
            push_end(&mut bytes, front - old.keys() + key.len());
        }
        for i in gone.end..len {
            push_end(&mut bytes, self.end(&old, i).wrapping_add(moved));
        }
        bytes.extend_from_slice(&self.bytes[old.keys()..front]);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&self.bytes[back..]);
        self.bytes = Arc::from(bytes);
    }
}

fn push_end(bytes: &mut Vec<u8>, end: usize) {
    let Ok(end) = u32::try_from(end) else { panic!("the keys of a page are below 4 GiB") };
    bytes.extend_from_slice(&end.to_le_bytes());
}

/// Reading of a page's bytes.
impl<V: PageValue> Page<V> {
    /// Number of leaves, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a page is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.bytes[LEN_AT])
    }

    /// What stands for the page in the trie above it.
    pub fn digest(&self) -> Digest {
        self.bytes.first_chunk().map_or(Digest::ZERO, |digest| Digest(*digest))
    }

    /// Bits of the prefix.
    pub(crate) fn bits(&self) -> u8 {
        self.bytes[BITS_AT]
    }

    /// Spot and digest of each leaf.
    #[inline]
    pub(crate) fn entries(&self) -> &[Entry] {
        self.bytes[ENTRIES_AT..][..ENTRY_BYTES * self.len()].as_chunks().0
    }

    pub(crate) fn value(&self, i: usize) -> V {
        V::get(&self.bytes[At::<V>::of(self.len()).value(i)..][..V::BYTES])
    }

    pub(crate) fn key(&self, i: usize) -> &[u8] {
        let at = At::<V>::of(self.len());
        let keys = &self.bytes[at.keys()..];
        let start = if i == 0 { 0 } else { self.end(&at, i - 1) };
        &keys[start..self.end(&at, i)]
    }

    #[inline]
    fn end(&self, at: &At<V>, i: usize) -> usize {
        let end = self.bytes[at.end(i)..].first_chunk().map_or(0, |end| u32::from_le_bytes(*end));
        usize::try_from(end).unwrap_or(usize::MAX)
    }
}
