//! A page's bytes, in one allocation.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 32 | digest of the page |
//! | 32 | 1 | bits of the prefix |
//! | 33 | 1 | number of leaves, n; `0x80` added where keys are kept |
//! | 34 | 56 n, zeros up to a multiple of 64 | hash and digest of each leaf: the digest's input as it is |
//! | | `V::BYTES` n | what is kept with each leaf |
//! | | 4 n | ends of the keys, counted from the first key |
//! | | | the keys |
//!
//! The last two are there only if a leaf keeps a key that is not empty.
//!
//! A changed page costs one allocation and one copy, and a look at a leaf touches few cache lines.

use std::iter::repeat_n;
use std::marker::PhantomData;
use std::sync::Arc;

use super::group::{ENTRY_BYTES, Entry, blocks, entry};
use super::{Page, PageValue};
use crate::digest::{Digest, KeyHash};
use crate::hash::BLOCK_BYTES;
use crate::prefetch::prefetch;

const BITS_AT: usize = 32;
pub(super) const LEN_AT: usize = 33;
pub(super) const ENTRIES_AT: usize = 34;
const END_BYTES: usize = 4;
/// In the byte at [`LEN_AT`]: keys are kept.
const KEYED: u8 = 0x80;

/// A leaf that is in no page yet.
#[derive(Clone, Copy)]
pub(crate) struct Loose<'a, V> {
    pub(crate) hash: KeyHash,
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
    /// A page of leaves in order, whose hashes all begin with the same `bits` bits.
    pub(crate) fn of(bits: u8, leaves: &[Loose<'_, V>]) -> Self {
        let keys: usize = leaves.iter().map(|leaf| leaf.key.len()).sum();
        let at = At::<V>::of(leaves.len(), keys > 0);
        let mut page = Self { bytes: repeat_n(0, at.keys() + keys).collect(), value: PhantomData };
        let bytes = page.bytes_mut();
        bytes[BITS_AT] = bits;
        bytes[LEN_AT] = head(leaves.len(), keys > 0);
        for (i, leaf) in leaves.iter().enumerate() {
            let entry = entry(&leaf.hash, &leaf.digest);
            bytes[at.entry(i)..][..ENTRY_BYTES].copy_from_slice(&entry);
            leaf.value.put(&mut bytes[at.value(i)..][..V::BYTES]);
        }
        if keys > 0 {
            put_keys(&at, bytes, leaves);
        }
        page
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.bytes[LEN_AT] & !KEYED)
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

/// Puts the keys of leaves and where each ends.
fn put_keys<V: PageValue>(at: &At<V>, bytes: &mut [u8], leaves: &[Loose<'_, V>]) {
    let mut end = 0;
    for (i, leaf) in leaves.iter().enumerate() {
        let start = at.keys() + end;
        bytes[start..start + leaf.key.len()].copy_from_slice(leaf.key);
        end += leaf.key.len();
        bytes[at.end(i)..][..END_BYTES].copy_from_slice(&short(end).to_le_bytes());
    }
}

/// The byte at [`LEN_AT`].
pub(super) fn head(leaves: usize, keyed: bool) -> u8 {
    u8::try_from(leaves).unwrap_or(!KEYED) | if keyed { KEYED } else { 0 }
}

/// The end of a key as it is kept.
pub(super) fn short(end: usize) -> u32 {
    let Ok(end) = u32::try_from(end) else { panic!("the keys of a page are below 4 GiB") };
    end
}

/// Where things are in a page of so many leaves.
pub(super) struct At<V> {
    leaves: usize,
    pub(super) values: usize,
    keyed: bool,
    value: PhantomData<fn() -> V>,
}

impl<V: PageValue> At<V> {
    #[inline]
    pub(super) fn of(leaves: usize, keyed: bool) -> Self {
        let values = ENTRIES_AT + blocks(leaves) * BLOCK_BYTES;
        Self { leaves, values, keyed, value: PhantomData }
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

    /// Where the keys begin, or would.
    #[inline]
    pub(super) fn keys(&self) -> usize {
        if self.keyed { self.end(self.leaves) } else { self.value(self.leaves) }
    }
}

/// Bytes of a page of so many leaves but for kept keys.
pub(crate) fn bytes_but_keys<V: PageValue>(leaves: u32) -> usize {
    At::<V>::of(usize::try_from(leaves).unwrap_or(0), false).keys()
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
    let at = At::<V>::of(usize::try_from(leaves).unwrap_or(0), false);
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
        let at = self.at();
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

/// Reading of a page's bytes.
impl<V: PageValue> Page<V> {
    /// Number of leaves, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a page is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.bytes[LEN_AT] & !KEYED)
    }

    pub(super) fn at(&self) -> At<V> {
        At::of(self.len(), self.bytes[LEN_AT] & KEYED != 0)
    }

    /// What stands for the page in the trie above it.
    pub fn digest(&self) -> Digest {
        self.bytes.first_chunk().map_or(Digest::ZERO, |digest| Digest(*digest))
    }

    /// Bits of the prefix.
    pub(crate) fn bits(&self) -> u8 {
        self.bytes[BITS_AT]
    }

    /// Key hash and digest of each leaf.
    #[inline]
    pub(crate) fn entries(&self) -> &[Entry] {
        self.bytes[ENTRIES_AT..][..ENTRY_BYTES * self.len()].as_chunks().0
    }

    pub(crate) fn value(&self, i: usize) -> V {
        V::get(&self.bytes[self.at().value(i)..][..V::BYTES])
    }

    /// The key of a leaf, if it is kept.
    pub(crate) fn key(&self, i: usize) -> &[u8] {
        let at = self.at();
        &self.bytes[at.keys()..][self.key_start(&at, i)..self.end(&at, i)]
    }

    /// Where the kept key of leaf `i` begins, counted from the first one.
    pub(super) fn key_start(&self, at: &At<V>, i: usize) -> usize {
        if i == 0 { 0 } else { self.end(at, i - 1) }
    }

    /// Where the kept key of leaf `i` ends, counted from where the first one begins.
    #[inline]
    pub(super) fn end(&self, at: &At<V>, i: usize) -> usize {
        if !at.keyed {
            return 0;
        }
        let end = self.bytes[at.end(i)..].first_chunk().map_or(0, |end| u32::from_le_bytes(*end));
        usize::try_from(end).unwrap_or(usize::MAX)
    }
}
