//! Leaves in hash order, page by page.

use super::Trie;
use super::node::Place;
use crate::digest::{Digest, KeyHash};
use crate::hash::BLOCK_BYTES;
use crate::page::group::{ENTRY_BYTES, digest_of, hash_of};
use crate::page::{Leaf, Page, PageValue};
use crate::pages::Pages;
use crate::prefix::Prefix;

/// A leaf that holds on to its page.
#[derive(Clone)]
pub struct Held<V> {
    page: Page<V>,
    at: usize,
}

impl<V: PageValue> Held<V> {
    pub(super) fn find(page: Page<V>, hash: &KeyHash) -> Option<Self> {
        let at = page.find(hash).ok()?;
        Some(Self { page, at })
    }

    /// The leaf.
    pub fn leaf(&self) -> Leaf<'_, V> {
        self.page.leaf(self.at)
    }

    /// Hash of its key.
    pub fn key_hash(&self) -> KeyHash {
        hash_of(&self.page.entries()[self.at])
    }

    /// Digest of key and value.
    pub fn digest(&self) -> Digest {
        digest_of(&self.page.entries()[self.at])
    }

    /// What is kept with the leaf.
    pub fn value(&self) -> V {
        self.page.value(self.at)
    }

    /// Key hash and digest, filled up with zeros to a block.
    pub(crate) fn block(&self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..ENTRY_BYTES].copy_from_slice(&self.page.entries()[self.at]);
        block
    }
}

impl<V: PageValue + std::fmt::Debug> std::fmt::Debug for Held<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.leaf().fmt(f)
    }
}

/// Iterator over leaves in ascending key hash order. Loads a page when its first leaf is asked for
/// and holds one at a time; goes on behind a page that cannot be loaded.
pub struct Leaves<'a, P: Pages> {
    pages: &'a P,
    /// Places that are still to come, the next one last.
    stack: Vec<Place<'a, P::Handle>>,
    page: Option<Held<P::Value>>,
    /// Leaves outside are skipped, both ends included.
    from: KeyHash,
    upto: KeyHash,
}

impl<H: Clone> Trie<H> {
    /// All leaves in ascending key hash order.
    pub fn iter<'a, P: Pages<Handle = H>>(&'a self, pages: &'a P) -> Leaves<'a, P> {
        self.iter_prefix(pages, &Prefix::ROOT)
    }

    /// The leaves whose key hashes start with `prefix`, in ascending key hash order.
    pub fn iter_prefix<'a, P: Pages<Handle = H>>(
        &'a self,
        pages: &'a P,
        prefix: &Prefix,
    ) -> Leaves<'a, P> {
        self.iter_after(pages, prefix, None)
    }

    /// As `iter_prefix`, without the leaves up to and including `after`.
    pub(crate) fn iter_after<'a, P: Pages<Handle = H>>(
        &'a self,
        pages: &'a P,
        prefix: &Prefix,
        after: Option<&KeyHash>,
    ) -> Leaves<'a, P> {
        let (first, last) = range(prefix);
        let from = after.and_then(next).unwrap_or(first).max(first);
        let past_all = after.is_some_and(|after| *after >= last);
        let stack = if past_all { Vec::new() } else { open(self.place(), prefix, &from) };
        Leaves { pages, stack, page: None, from, upto: last }
    }
}

/// The first and the last hash under a prefix.
fn range(prefix: &Prefix) -> (KeyHash, KeyHash) {
    let first = prefix.first();
    let mut last = first;
    for at in prefix.len()..8 * KeyHash::BYTES {
        last.0[at / 8] |= 0x80 >> (at % 8);
    }
    (first, last)
}

/// The hash right after this one; `None` after the last.
fn next(hash: &KeyHash) -> Option<KeyHash> {
    let mut next = *hash;
    for byte in next.0.iter_mut().rev() {
        let (sum, over) = byte.overflowing_add(1);
        *byte = sum;
        if !over {
            return Some(next);
        }
    }
    None
}

/// The places under `prefix` with leaves from `from`, which is under it, on. Costs the depth.
fn open<'a, H>(place: Place<'a, H>, prefix: &Prefix, from: &KeyHash) -> Vec<Place<'a, H>> {
    let (mut place, mut depth) = (place, 0);
    let mut stack = Vec::new();
    while let Place::Fork(fork) = place {
        let bit = from.bit(depth);
        if depth >= prefix.len() && bit == 0 {
            stack.push(fork.side(1));
        }
        place = fork.side(bit);
        depth += 1;
    }
    stack.push(place);
    stack
}

impl<P: Pages> Leaves<'_, P> {
    /// The next leaf of the page at hand.
    fn in_page(&mut self) -> Option<Held<P::Value>> {
        let held = self.page.as_mut()?;
        if held.at == held.page.len() || held.key_hash() > self.upto {
            self.page = None;
            return None;
        }
        let leaf = held.clone();
        held.at += 1;
        Some(leaf)
    }
}

impl<P: Pages> Iterator for Leaves<'_, P> {
    type Item = Result<Held<P::Value>, P::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(leaf) = self.in_page() {
                return Some(Ok(leaf));
            }
            match self.stack.pop()? {
                Place::Empty => {}
                Place::Fork(fork) => self.stack.extend([fork.side(1), fork.side(0)]),
                Place::Page(end) => match self.pages.load(&end.handle) {
                    Ok(page) => {
                        let at = page.find(&self.from).unwrap_or_else(|at| at);
                        self.page = Some(Held { page, at });
                    }
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}
