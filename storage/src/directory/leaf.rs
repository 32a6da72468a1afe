//! One packed block of keys in order.
//!
//! What all its keys begin with stands once; then each key is two bytes and its rest. A block is
//! never changed: an edit copies what stays in long runs into a new one, of exactly its size.
//!
//! ```text
//! u64 number of the block | u16 length of the shared prefix | u16 count | count x u16 end of a rest
//! | prefix | rests
//! ```
//!
//! The number is of this process alone: no two blocks have the same. On disk a block is what follows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Edit;
use super::pack::common;

/// Bytes of a block above which it is split. A single key may be longer.
pub(super) const LEAF_MAX: usize = 2048;

/// Blocks have a multiple of this many bytes: allocators reuse few sizes better than many.
const GRAIN: usize = 128;

/// Bytes of a block's number.
pub(super) const NUMBER: usize = 8;
pub(super) const HEADER: usize = NUMBER + 4;

/// The number of the next block.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A block of at least one key.
#[derive(Clone, Debug)]
pub(crate) struct Leaf(pub(super) Arc<[u8]>);

/// What became of a block.
pub(super) enum Edited {
    /// Nothing changed.
    Same,
    /// No key is left.
    Gone,
    /// One block still.
    Leaf(Leaf),
    /// More than one, in order.
    Leaves(Vec<Leaf>),
}

/// What a batch of edits carries from block to block.
pub(super) struct Batch<'a> {
    /// How many keys came, and how many went.
    pub(super) inserted: usize,
    pub(super) removed: usize,
    changes: Vec<Change<'a>>,
    block: Vec<u8>,
}

impl Batch<'_> {
    pub(super) fn new() -> Self {
        Self { inserted: 0, removed: 0, changes: Vec::new(), block: Vec::new() }
    }

    /// Counts what was done beside.
    pub(super) fn take_up(&mut self, beside: &Self) {
        self.inserted += beside.inserted;
        self.removed += beside.removed;
    }
}

/// An edit that changes something, with its place among the old keys.
struct Change<'a> {
    at: usize,
    key: &'a [u8],
    insert: bool,
}

impl Leaf {
    /// The block of these bytes, with a number of its own.
    pub(super) fn seal(block: &mut Vec<u8>) -> Self {
        block.resize(block.len().next_multiple_of(GRAIN), 0);
        block[..NUMBER].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        Self(Arc::from(block.as_slice()))
    }

    /// Which block it is, in this process.
    pub(crate) fn number(&self) -> u64 {
        self.0.first_chunk().map_or(0, |number| u64::from_le_bytes(*number))
    }

    pub(super) fn prefix_len(&self) -> usize {
        self.u16_at(NUMBER)
    }

    fn u16_at(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.0[at], self.0[at + 1]]))
    }

    /// How many keys it has.
    pub(super) fn count(&self) -> usize {
        self.u16_at(NUMBER + 2)
    }

    /// Bytes of the block.
    pub(super) fn size(&self) -> usize {
        self.0.len()
    }

    /// Bytes it would take at most, whatever the prefix.
    pub(super) fn size_unshared(&self) -> usize {
        self.size() + (self.count() - 1) * self.prefix_len()
    }

    /// What all keys begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        let start = HEADER + 2 * self.count();
        &self.0[start..start + self.prefix_len()]
    }

    fn rests(&self) -> &[u8] {
        let start = HEADER + 2 * self.count() + self.prefix_len();
        &self.0[start..start + self.start(self.count())]
    }

    /// Where rest `i` begins; `i` may be the count.
    pub(super) fn start(&self, i: usize) -> usize {
        if i == 0 { 0 } else { self.u16_at(HEADER + 2 * (i - 1)) }
    }

    /// What follows the prefix in key `i`.
    pub(super) fn rest(&self, i: usize) -> &[u8] {
        let rests = HEADER + 2 * self.count() + self.prefix_len();
        &self.0[rests + self.start(i)..rests + self.start(i + 1)]
    }

    /// Place of a key, or the place where it would go.
    pub(super) fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let Some(rest) = key.strip_prefix(self.prefix()) else {
            return Err(if key < self.prefix() { 0 } else { self.count() });
        };
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.rest(middle).cmp(rest) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Appends every key to an arena and its end to a list.
    pub(super) fn unpack(&self, bytes: &mut Vec<u8>, ends: &mut Vec<usize>) {
        for i in 0..self.count() {
            self.unpack_one(i, bytes, ends);
        }
    }

    fn unpack_one(&self, i: usize, bytes: &mut Vec<u8>, ends: &mut Vec<usize>) {
        bytes.extend_from_slice(self.prefix());
        bytes.extend_from_slice(self.rest(i));
        ends.push(bytes.len());
    }

    /// Applies edits in order of their keys; counts what came and went.
    pub(super) fn edit<'a>(&self, edits: &[Edit<'a>], batch: &mut Batch<'a>) -> Edited {
        let Batch { inserted: came, removed: went, changes, block } = batch;
        changes.clear();
        for &(key, insert) in edits {
            match (self.find(key), insert) {
                (Err(at), true) | (Ok(at), false) => changes.push(Change { at, key, insert }),
                _ => {}
            }
        }
        let inserted = changes.iter().filter(|c| c.insert).count();
        let removed = changes.len() - inserted;
        let count = self.count() + inserted - removed;
        (*came, *went) = (*came + inserted, *went + removed);
        if changes.is_empty() {
            return Edited::Same;
        }
        if count == 0 {
            return Edited::Gone;
        }
        if let Some(leaf) = self.splice(changes, count, block) {
            return Edited::Leaf(leaf);
        }
        // Keys that all come after the last one are likely to be followed by more: the old block
        // is left full.
        let appended = changes.iter().all(|c| c.insert && c.at == self.count());
        Edited::Leaves(self.rebuild(changes, appended))
    }

    /// The block with the changes in, if they keep its prefix and fit.
    fn splice(&self, changes: &[Change<'_>], count: usize, out: &mut Vec<u8>) -> Option<Self> {
        let prefix = self.prefix();
        let mut size = self.rests().len();
        for c in changes {
            if !c.insert {
                size -= self.rest(c.at).len();
            } else if c.key.starts_with(prefix) {
                size += c.key.len() - prefix.len();
            } else {
                return None;
            }
        }
        if HEADER + 2 * count + prefix.len() + size > LEAF_MAX {
            return None;
        }
        begin(out, prefix.len(), count);
        // By how much the rests that follow have moved; wraps as it is also negative.
        let (mut moved, mut from) = (0usize, 0);
        for c in changes {
            self.copy_ends(from, c.at, moved, out);
            if c.insert {
                let rest = c.key.len() - prefix.len();
                moved = moved.wrapping_add(rest);
                push_u16(out, self.start(c.at).wrapping_add(moved));
                from = c.at;
            } else {
                moved = moved.wrapping_sub(self.rest(c.at).len());
                from = c.at + 1;
            }
        }
        self.copy_ends(from, self.count(), moved, out);
        out.extend_from_slice(prefix);
        let (rests, mut from) = (self.rests(), 0);
        for c in changes {
            let here = self.start(c.at);
            out.extend_from_slice(&rests[from..here]);
            if c.insert {
                out.extend_from_slice(&c.key[prefix.len()..]);
                from = here;
            } else {
                from = self.start(c.at + 1);
            }
        }
        out.extend_from_slice(&rests[from..]);
        Some(Self::seal(out))
    }

    fn copy_ends(&self, from: usize, to: usize, moved: usize, out: &mut Vec<u8>) {
        let ends = &self.0[HEADER + 2 * from..HEADER + 2 * to];
        let (pairs, _) = ends.as_chunks::<2>();
        let moved = low_u16(moved);
        out.extend(
            pairs.iter().flat_map(|p| u16::from_le_bytes(*p).wrapping_add(moved).to_le_bytes()),
        );
    }

    /// Packs anew, into as many blocks as it takes.
    fn rebuild(&self, changes: &[Change<'_>], appended: bool) -> Vec<Self> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let mut from = 0;
        for c in changes {
            for i in from..c.at {
                self.unpack_one(i, &mut bytes, &mut ends);
            }
            from = c.at + usize::from(!c.insert);
            if c.insert {
                bytes.extend_from_slice(c.key);
                ends.push(bytes.len());
            }
        }
        for i in from..self.count() {
            self.unpack_one(i, &mut bytes, &mut ends);
        }
        Self::pack_arena(&bytes, &ends, appended)
    }
}

/// The shortest bound that is above `left` and not above `right`.
pub(super) fn bound_between(left: &Leaf, right: &Leaf) -> Box<[u8]> {
    let last = [left.prefix(), left.rest(left.count() - 1)].concat();
    let mut first = [right.prefix(), right.rest(0)].concat();
    first.truncate(common(&last, &first) + 1);
    first.into()
}

/// Begins a block.
pub(super) fn begin(out: &mut Vec<u8>, prefix: usize, count: usize) {
    out.clear();
    out.extend_from_slice(&[0; NUMBER]);
    push_u16(out, prefix);
    push_u16(out, count);
}

/// Lengths in a block are below 64 KiB: see `LEAF_MAX` and `KEY_MAX`. Sums wrap in between.
pub(super) fn push_u16(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(&low_u16(value).to_le_bytes());
}

fn low_u16(value: usize) -> u16 {
    let [low, high, ..] = value.to_le_bytes();
    u16::from_le_bytes([low, high])
}
