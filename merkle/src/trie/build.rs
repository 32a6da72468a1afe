//! New pages and nodes on their way: drafted first, hashed together, then packed.
//!
//! Hashing waits until many pages and forks are drafted, so that several share vector registers.

use std::sync::Arc;

use super::node::{ENDS, Fork, Item, Items, Node, PageEnd, Place, Sum};
use crate::digest::Digest;
use crate::hash;
use crate::page::{Entry, GroupInput, Keys, PAGE_LEAVES_MAX, Page, spot_bit};
use crate::pages::Pages;

/// Inputs hashed together.
const GROUP: usize = 16;

/// A leaf that is in no page yet.
#[derive(Clone, Copy)]
pub(super) struct Loose<'a, V> {
    pub(super) entry: Entry<V>,
    pub(super) key: &'a [u8],
}

/// What is to stand at a place.
pub(super) enum Draft<'t, H> {
    Empty,
    /// What stands there already.
    Old(Place<'t, H>),
    /// A subtree that was finished by itself.
    Done(Item<H>),
    Page(usize),
    Fork(usize),
}

struct PageDraft<V> {
    bits: u8,
    entries: Vec<Entry<V>>,
    keys: Keys,
}

struct ForkDraft<'t, H> {
    depth: usize,
    sum: Sum,
    sides: [Draft<'t, H>; 2],
}

/// Drafts of one subtree.
pub(super) struct Builder<'t, H, V> {
    pages: Vec<PageDraft<V>>,
    forks: Vec<ForkDraft<'t, H>>,
}

impl<'t, H: Clone, V: Copy> Builder<'t, H, V> {
    pub(super) fn new() -> Self {
        Self { pages: Vec::new(), forks: Vec::new() }
    }

    /// Drafts a page at `depth`.
    pub(super) fn page(
        &mut self,
        depth: usize,
        entries: Vec<Entry<V>>,
        keys: Keys,
    ) -> Draft<'t, H> {
        let bits = u8::try_from(depth).unwrap_or(u8::MAX);
        self.pages.push(PageDraft { bits, entries, keys });
        Draft::Page(self.pages.len() - 1)
    }

    pub(super) fn fork(&mut self, depth: usize, sides: [Draft<'t, H>; 2]) -> Draft<'t, H> {
        let count = sides.iter().map(|side| self.count(side)).sum();
        let sum = Sum { digest: Digest::ZERO, count: small(count) };
        self.forks.push(ForkDraft { depth, sum, sides });
        Draft::Fork(self.forks.len() - 1)
    }

    /// Drafts the subtree at `depth` of leaves in order.
    pub(super) fn leaves(&mut self, depth: usize, leaves: &[Loose<'_, V>]) -> Draft<'t, H> {
        if leaves.is_empty() {
            return Draft::Empty;
        }
        if leaves.len() <= PAGE_LEAVES_MAX {
            let mut entries = Vec::with_capacity(leaves.len());
            entries.extend(leaves.iter().map(|leaf| leaf.entry));
            return self.page(depth, entries, Keys::of(leaves.iter().map(|leaf| leaf.key)));
        }
        let at = leaves.partition_point(|leaf| spot_bit(&leaf.entry.spot, depth) == 0);
        let (left, right) = leaves.split_at(at);
        let sides = [self.leaves(depth + 1, left), self.leaves(depth + 1, right)];
        self.fork(depth, sides)
    }

    pub(super) fn count(&self, draft: &Draft<'t, H>) -> usize {
        match draft {
            Draft::Empty => 0,
            Draft::Old(place) => place.count(),
            Draft::Done(item) => Place::top(item).count(),
            Draft::Page(at) => self.pages[*at].entries.len(),
            Draft::Fork(at) => usize::try_from(self.forks[*at].sum.count).unwrap_or(usize::MAX),
        }
    }

    /// Hashes and stores everything; the finished subtree, whose depth is that of a node.
    pub(super) fn finish<P>(self, pages: &P, draft: Draft<'t, H>) -> Item<H>
    where
        P: Pages<Handle = H, Value = V>,
    {
        self.hash(pages).item(draft)
    }

    /// As `finish`, for the subtree at a position within a node.
    pub(super) fn finish_within<P>(self, pages: &P, draft: Draft<'t, H>, at: usize) -> Items<H>
    where
        P: Pages<Handle = H, Value = V>,
    {
        let mut items = std::array::from_fn(|_| Item::Empty);
        self.hash(pages).place(&mut items, at, draft);
        items
    }

    fn hash<P>(mut self, pages: &P) -> Packer<'t, H>
    where
        P: Pages<Handle = H, Value = V>,
    {
        let digests = self.page_digests();
        self.hash_forks(&digests);
        let store = |(draft, digest): (PageDraft<V>, Digest)| {
            let len = u32::try_from(draft.entries.len()).unwrap_or(u32::MAX);
            let page = Page::new(draft.bits, digest, draft.entries, draft.keys);
            Some(PageEnd { digest, len, handle: pages.store(page) })
        };
        let ends = self.pages.into_iter().zip(digests).map(store).collect();
        Packer { ends, forks: self.forks.into_iter().map(Some).collect() }
    }

    fn page_digests(&self) -> Vec<Digest> {
        let mut digests = vec![Digest::ZERO; self.pages.len()];
        // Pages of one length share a call.
        let mut order: Vec<(usize, usize)> =
            self.pages.iter().map(|page| page.entries.len()).zip(0..).collect();
        order.sort_unstable();
        let mut inputs = Vec::with_capacity(GROUP);
        let mut out = [Digest::ZERO; GROUP];
        for same in order.chunk_by(|a, b| blocks(a.0) == blocks(b.0)) {
            for group in same.chunks(GROUP) {
                inputs.clear();
                inputs.extend(group.iter().map(|(_, at)| GroupInput::of(&self.pages[*at].entries)));
                let lanes: Vec<_> = inputs.iter().map(|input| &input.bytes).collect();
                hash::groups(inputs[0].blocks, &lanes, &mut out[..group.len()]);
                for ((_, at), digest) in group.iter().zip(out) {
                    digests[*at] = digest;
                }
            }
        }
        digests
    }

    /// Deepest first: a fork needs the digests of its sides.
    fn hash_forks(&mut self, pages: &[Digest]) {
        let mut order: Vec<(usize, usize)> =
            self.forks.iter().map(|fork| fork.depth).zip(0..).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let mut inputs = Vec::with_capacity(GROUP);
        let mut out = [Digest::ZERO; GROUP];
        for level in order.chunk_by(|a, b| a.0 == b.0) {
            for group in level.chunks(GROUP) {
                inputs.clear();
                for (_, at) in group {
                    let [left, right] = &self.forks[*at].sides;
                    let sides = [self.digest(pages, left), self.digest(pages, right)];
                    inputs.push(hash::node_input([&sides[0], &sides[1]]));
                }
                hash::nodes(&inputs, &mut out[..group.len()]);
                for ((_, at), digest) in group.iter().zip(out) {
                    self.forks[*at].sum.digest = digest;
                }
            }
        }
    }

    fn digest(&self, pages: &[Digest], draft: &Draft<'t, H>) -> Digest {
        match draft {
            Draft::Empty => Digest::ZERO,
            Draft::Old(place) => place.digest(),
            Draft::Done(item) => item.digest(),
            Draft::Page(at) => pages[*at],
            Draft::Fork(at) => self.forks[*at].sum.digest,
        }
    }
}

/// A number of leaves as a node keeps it.
pub(super) fn small(count: usize) -> u32 {
    let Ok(count) = u32::try_from(count) else { panic!("a trie has fewer than 2^32 leaves") };
    count
}

/// Blocks in the input of the digest of so many leaves.
fn blocks(leaves: usize) -> usize {
    (leaves * crate::page::ENTRY_BYTES).div_ceil(hash::BLOCK_BYTES)
}

/// Puts hashed forks into nodes. Each draft is taken once.
struct Packer<'t, H> {
    ends: Vec<Option<PageEnd<H>>>,
    forks: Vec<Option<ForkDraft<'t, H>>>,
}

impl<'t, H: Clone> Packer<'t, H> {
    /// The item for a draft at a depth where nodes begin, or for one that is no fork.
    fn item(&mut self, draft: Draft<'t, H>) -> Item<H> {
        match draft {
            Draft::Empty | Draft::Old(Place::Empty) => Item::Empty,
            Draft::Old(Place::Page(page)) => Item::Page(page.clone()),
            Draft::Old(Place::Fork(fork)) => Item::Node(fork.sum, Arc::clone(fork.node)),
            Draft::Done(item) => item,
            Draft::Page(at) => Item::Page(taken(&mut self.ends, at)),
            Draft::Fork(at) => {
                let fork = taken(&mut self.forks, at);
                let mut items = std::array::from_fn(|_| Item::Empty);
                self.sides(&mut items, 1, fork.sides);
                Item::Node(fork.sum, Arc::new(Node::new(items)))
            }
        }
    }

    fn sides(&mut self, items: &mut Items<H>, position: usize, sides: [Draft<'t, H>; 2]) {
        let [left, right] = sides;
        self.place(items, 2 * position, left);
        self.place(items, 2 * position + 1, right);
    }

    /// Puts a draft, and what is below it in the same node, at `position` of a node.
    fn place(&mut self, items: &mut Items<H>, position: usize, draft: Draft<'t, H>) {
        let inner = position < ENDS;
        items[position - 2] = match draft {
            Draft::Fork(at) if inner => {
                let fork = taken(&mut self.forks, at);
                self.sides(items, position, fork.sides);
                Item::Inner(fork.sum)
            }
            Draft::Old(Place::Fork(fork)) if inner => {
                assert_eq!(fork.position, position, "what stays keeps its depth");
                copy(items, fork);
                Item::Inner(fork.sum)
            }
            other => self.item(other),
        };
    }
}

/// Copies what is below a fork within its node.
fn copy<H: Clone>(items: &mut Items<H>, fork: Fork<'_, H>) {
    for position in [2 * fork.position, 2 * fork.position + 1] {
        let item = fork.node.item(position);
        items[position - 2] = item.clone();
        if let Item::Inner(sum) = item {
            copy(items, Fork { sum: *sum, position, ..fork });
        }
    }
}

fn taken<T>(drafts: &mut [Option<T>], at: usize) -> T {
    match drafts[at].take() {
        Some(draft) => draft,
        None => panic!("a draft is used once"),
    }
}
