//! The spine: nodes over pages.
//!
//! The trie is binary; a node in memory packs [`LEVELS`] levels of it. Nodes never change: a new
//! version of a trie shares those that stayed the same.

use std::sync::Arc;

use crate::digest::Digest;
use crate::page::{PAGE_LEAVES_MAX, Spot, spot_bit};

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
    Inner(Digest),
    /// A fork with a node of its own.
    Node(Digest, Arc<Node<H>>),
}

impl<H> Item<H> {
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Page(page) => page.digest,
            Self::Inner(digest) | Self::Node(digest, _) => *digest,
        }
    }
}

/// A fork of the trie at a depth that is a multiple of [`LEVELS`], and the forks right below it.
///
/// Invariant: each fork has more than [`PAGE_LEAVES_MAX`] leaves below it, so that the shape
/// follows from the set of key hashes.
pub(crate) struct Node<H> {
    /// Leaves below.
    pub(crate) count: usize,
    /// The sides of the fork at position *p* are at positions 2*p* and 2*p* + 1; the node's own
    /// fork is at position 1, which is not stored, like 0. Unused places are empty.
    items: [Item<H>; 2 * ENDS - 2],
}

impl<H> Node<H> {
    pub(crate) fn new(count: usize, items: [Item<H>; 2 * ENDS - 2]) -> Self {
        assert!(count > PAGE_LEAVES_MAX, "so few leaves make a page");
        Self { count, items }
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
    pub(crate) digest: Digest,
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
            Item::Node(digest, node) => Self::Fork(Fork { digest: *digest, node, position: 1 }),
            Item::Inner(_) => unreachable!("an inner fork is in a node"),
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Page(page) => page.digest,
            Self::Fork(fork) => fork.digest,
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

    /// The first place on the path of `spot`, from here at `depth` on, that is no fork, with its
    /// depth.
    pub(crate) fn end(self, spot: &Spot, mut depth: usize) -> (Self, usize) {
        let mut place = self;
        while let Self::Fork(fork) = place {
            place = fork.side(spot_bit(spot, depth));
            depth += 1;
        }
        (place, depth)
    }
}

impl<'a, H> Fork<'a, H> {
    pub(crate) fn count(&self) -> usize {
        match self.position {
            1 => self.node.count,
            _ => self.side(0).count() + self.side(1).count(),
        }
    }

    pub(crate) fn side(&self, bit: usize) -> Place<'a, H> {
        let position = 2 * self.position + bit;
        match self.node.item(position) {
            Item::Inner(digest) => Place::Fork(Fork { digest: *digest, node: self.node, position }),
            item => Place::top(item),
        }
    }
}
