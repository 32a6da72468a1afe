//! The spine: nodes over pages.
//!
//! The trie is binary; a node in memory packs [`LEVELS`] levels of it. Nodes never change: a new
//! version of a trie shares those that stayed the same.

use std::sync::Arc;

use crate::digest::Digest;
use crate::page::{Spot, spot_bit};

/// Levels of the binary trie in one node.
pub(crate) const LEVELS: usize = 2;
/// Subtrees below a node, at most.
pub(crate) const ENDS: usize = 1 << LEVELS;

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
    Empty,
    Page(PageEnd<H>),
    /// A fork whose sides are in the same node.
    Inner(Sum),
    /// A fork with a node of its own.
    Node(Sum, Arc<Node<H>>),
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
}

/// A fork of the trie at a depth that is a multiple of [`LEVELS`], and the forks right below it.
///
/// Invariant: each fork has more than [`PAGE_LEAVES_MAX`](crate::PAGE_LEAVES_MAX) leaves below it, so that the shape
/// follows from the set of key hashes.
pub(crate) struct Node<H> {
    /// The sides of the fork at position *p* are at positions 2*p* and 2*p* + 1; the node's own
    /// fork is at position 1, which is not stored, like 0. Unused places are empty.
    items: Items<H>,
}

/// The places that a node stores.
pub(crate) type Items<H> = [Item<H>; 2 * ENDS - 2];

impl<H> Node<H> {
    pub(crate) fn new(items: Items<H>) -> Self {
        Self { items }
    }

    pub(crate) fn item(&self, position: usize) -> &Item<H> {
        &self.items[position - 2]
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
    pub(crate) node: &'a Arc<Node<H>>,
    /// The fork's position in the node.
    pub(crate) position: usize,
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
            Item::Node(sum, node) => Self::Fork(Fork { sum: *sum, node, position: 1 }),
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
    /// The page on the path of `spot`, from this item on, which is that of a whole trie.
    pub(crate) fn page_of(&self, spot: &Spot) -> Option<&PageEnd<H>> {
        let (mut item, mut depth) = (self, 0);
        while let Self::Node(_, node) = item {
            let mut position = 1;
            loop {
                position = 2 * position + spot_bit(spot, depth);
                depth += 1;
                item = node.item(position);
                if !matches!(item, Self::Inner(_)) {
                    break;
                }
            }
        }
        match item {
            Self::Page(page) => Some(page),
            _ => None,
        }
    }
}

impl<'a, H> Fork<'a, H> {
    #[inline]
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.sum.count).unwrap_or(usize::MAX)
    }

    pub(crate) fn side(&self, bit: usize) -> Place<'a, H> {
        let position = 2 * self.position + bit;
        match self.node.item(position) {
            Item::Inner(sum) => Place::Fork(Fork { sum: *sum, node: self.node, position }),
            item => Place::top(item),
        }
    }
}
