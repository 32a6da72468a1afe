//! The spine: nodes over pages.
//!
//! The trie is binary; a node in memory packs some levels of it. Tries share nodes; a node that
//! is shared is copied before it is changed.

use std::sync::Arc;

use super::map::{At, Map, count};
use crate::digest::{Digest, KeyHash};

/// A page in the spine.
#[derive(Clone)]
pub(crate) struct PageEnd<H> {
    pub(crate) digest: Digest,
    pub(crate) len: u32,
    pub(crate) handle: H,
}

/// What stands at one place of the binary trie.
#[derive(Clone)]
pub(crate) enum Item<H> {
    /// In no node: what is empty takes no room there.
    Empty,
    Page(PageEnd<H>),
    /// A fork whose sides are in the same node.
    Inner(Sum),
    /// A fork with a node of its own.
    Node(Sum, Node<H>),
}

/// What is known of a fork without a look below it.
#[derive(Clone, Copy)]
pub(crate) struct Sum {
    pub(crate) digest: Digest,
    /// Leaves below.
    pub(crate) count: u32,
}

impl<H> Item<H> {
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Page(page) => page.digest,
            Self::Inner(sum) | Self::Node(sum, _) => sum.digest,
        }
    }

    /// Leaves below.
    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::Empty => 0,
            Self::Page(page) => page.len,
            Self::Inner(sum) | Self::Node(sum, _) => sum.count,
        }
    }

    /// What a fork above it has to know.
    pub(crate) fn known(&self) -> Sum {
        Sum { digest: self.digest(), count: self.count() }
    }
}

/// A fork of the trie at a depth that is a multiple of [`LEVELS`](super::map::LEVELS), and the forks right below it.
///
/// The map is kept beside the pointer: a walk then reads of each node on its way no more than the
/// item it goes on with.
///
/// Invariant: each fork has more than [`PAGE_LEAVES_MAX`](crate::PAGE_LEAVES_MAX) leaves below it, so that the shape
/// follows from the set of key hashes.
pub(crate) struct Node<H> {
    map: Map,
    /// What stands at the places that are not empty, by number of the place.
    items: Arc<[Item<H>]>,
}

impl<H> Clone for Node<H> {
    fn clone(&self) -> Self {
        Self { map: self.map, items: Arc::clone(&self.items) }
    }
}

impl<H> Node<H> {
    /// A node of `items`, as `map` says.
    pub(crate) fn new(map: Map, items: impl Iterator<Item = Item<H>>) -> Self {
        Self { map, items: items.collect() }
    }

    pub(crate) fn map(&self) -> Map {
        self.map
    }

    pub(crate) fn items(&self) -> &[Item<H>] {
        &self.items
    }

    /// Whether another trie may have it too.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.items) > 1
    }

    /// What is in the node, to be changed: a copy of it if another trie has it too.
    pub(crate) fn parts_mut(&mut self) -> (Map, &mut [Item<H>])
    where
        H: Clone,
    {
        (self.map, Arc::make_mut(&mut self.items))
    }

    #[inline]
    fn item(&self, at: At) -> Option<&Item<H>> {
        if self.map.is_empty(at) { None } else { self.items.get(self.map.index(at)) }
    }
}

/// A place in a trie: an item, and where its sides are found.
pub(crate) enum Place<'a, H> {
    Empty,
    Page(&'a PageEnd<H>),
    Fork(Fork<'a, H>),
}

/// A fork of the binary trie.
pub(crate) struct Fork<'a, H> {
    pub(crate) sum: Sum,
    pub(crate) node: &'a Node<H>,
    /// Where in the node the fork is.
    pub(crate) at: At,
}

impl<H> Clone for Place<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H> Copy for Place<'_, H> {}
impl<H> Clone for Fork<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H> Copy for Fork<'_, H> {}

impl<'a, H> Place<'a, H> {
    /// The place of an item that is not inside of a node.
    pub(crate) fn top(item: &'a Item<H>) -> Self {
        match item {
            Item::Empty => Self::Empty,
            Item::Page(page) => Self::Page(page),
            Item::Node(sum, node) => Self::Fork(Fork { sum: *sum, node, at: At::TOP }),
            Item::Inner(_) => unreachable!("an inner fork is in a node"),
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Page(page) => page.digest,
            Self::Fork(fork) => fork.sum.digest,
        }
    }

    /// Leaves below.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Page(page) => usize::try_from(page.len).unwrap_or(usize::MAX),
            Self::Fork(fork) => fork.count(),
        }
    }
}

impl<H> Item<H> {
    /// The page on the path of `hash`, from this item on, which is that of a whole trie, and how many
    /// bits are above it.
    pub(crate) fn page_of(&self, hash: &KeyHash) -> Option<(&PageEnd<H>, usize)> {
        let (mut item, mut depth) = (self, 0);
        loop {
            let node = match item {
                Self::Node(_, node) => node,
                Self::Page(page) => return Some((page, depth)),
                Self::Empty | Self::Inner(_) => return None,
            };
            let mut at = At::TOP;
            loop {
                at = at.side(hash.bit(depth));
                depth += 1;
                if !node.map.is_inner(at) {
                    break;
                }
            }
            item = node.item(at)?;
        }
    }
}

impl<'a, H> Fork<'a, H> {
    #[inline]
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.sum.count).unwrap_or(usize::MAX)
    }

    pub(crate) fn side(&self, bit: usize) -> Place<'a, H> {
        let at = self.at.side(bit);
        match self.node.item(at) {
            None => Place::Empty,
            Some(Item::Inner(sum)) => Place::Fork(Fork { sum: *sum, node: self.node, at }),
            Some(item) => Place::top(item),
        }
    }

    /// What is below the fork within its node: the node's map, and the items.
    pub(crate) fn below(&self) -> (Map, &'a [Item<H>]) {
        let map = self.node.map;
        let start = map.index(self.at) + usize::from(!map.is_empty(self.at));
        let len = count(map.full & self.at.below());
        (map, &self.node.items[start..start + len])
    }
}
