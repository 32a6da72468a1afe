//! The canonical persistent 16-way trie over key hashes.
//!
//! A leaf stands at the first depth where no other key hash shares its path, so the shape, and
//! with it the root, follows from the set of (key hash, leaf digest) pairs. Nodes are shared
//! between a trie and its clones and are copied when one of them changes.

mod apply;
mod iter;
mod node;
mod pages;
mod settle;

use std::fmt;
use std::sync::Arc;

pub use iter::Iter;
pub(crate) use node::{Node, Slot, slots};
pub use pages::{ChangedPages, Page};

use crate::digest::{Digest, KeyHash, Leaf};
use crate::prefix::Prefix;

/// A set of leaves by key hash, with a root over all of them.
///
/// A clone is a snapshot: it costs O(1), and neither sees the other's later changes.
#[derive(Clone)]
pub struct Trie<L> {
    digest: Digest,
    node: Arc<Node<L>>,
}

impl<L: Leaf> Default for Trie<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Leaf> fmt::Debug for Trie<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trie").field("len", &self.len()).field("root", &self.root()).finish()
    }
}

impl<L: Leaf> Trie<L> {
    /// A trie without leaves.
    pub fn new() -> Self {
        let node = Node::empty();
        Self { digest: node.digest(u16::MAX), node: Arc::new(node) }
    }

    /// Builds a trie from leaves in strictly ascending key hash order, in linear time.
    ///
    /// # Panics
    /// When the leaves are out of order.
    pub fn from_sorted(leaves: impl IntoIterator<Item = L>) -> Self {
        let leaves: Vec<_> = leaves.into_iter().map(|leaf| (leaf.key_hash(), Some(leaf))).collect();
        assert!(leaves.windows(2).all(|pair| pair[0].0 < pair[1].0), "leaves out of order");
        let mut trie = Self::new();
        trie.apply(leaves);
        trie
    }

    /// Number of leaves.
    pub fn len(&self) -> usize {
        self.node.count()
    }

    /// True when there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Digest over all leaves. Kept up to date, so asking for it costs nothing.
    pub fn root(&self) -> Digest {
        self.digest
    }

    /// The leaf of key hash `hash`.
    pub fn get(&self, hash: &KeyHash) -> Option<&L> {
        let mut node = &*self.node;
        for depth in 0..KeyHash::NIBBLES {
            match node.slot(hash.nibble(depth)) {
                Slot::Empty => return None,
                Slot::Leaf(_, leaf) => return (leaf.key_hash() == *hash).then_some(leaf),
                Slot::Branch(_, child) => node = child,
            }
        }
        None
    }

    /// Applies a batch: puts (`Some`) and removals (`None`), in any order. When a hash comes more
    /// than once its last change counts; removing what is not there does nothing.
    ///
    /// Nodes shared with a clone are copied, others are edited in place. Each node on the way to a
    /// change is visited and hashed once, whatever the number of changes below it.
    ///
    /// A leaf must be given under its own key hash; this is checked in debug builds only.
    pub fn apply(&mut self, changes: Vec<(KeyHash, Option<L>)>) {
        debug_assert!(
            changes
                .iter()
                .all(|(hash, leaf)| { leaf.as_ref().is_none_or(|leaf| leaf.key_hash() == *hash) }),
            "a leaf was given under another key's hash"
        );
        if changes.is_empty() {
            return;
        }
        let node = Arc::make_mut(&mut self.node);
        apply::Batch::apply(node, changes);
        settle::settle(node);
        self.digest = node.digest(u16::MAX);
    }

    /// All leaves in ascending key hash order.
    pub fn iter(&self) -> Iter<'_, L> {
        Iter::of_node(&self.node)
    }

    /// The leaves under `prefix` in ascending key hash order.
    pub fn iter_prefix(&self, prefix: &Prefix) -> Iter<'_, L> {
        Iter::new(self.at(prefix))
    }

    /// The subtree under `prefix`: empty, one leaf, or the node at that very depth.
    pub(crate) fn at(&self, prefix: &Prefix) -> Slot<'_, L> {
        let mut slot = self.whole();
        for depth in 0..prefix.len() {
            slot = match slot {
                Slot::Branch(_, node) => node.slot(prefix.nibble(depth)),
                Slot::Leaf(..) | Slot::Empty => break,
            };
        }
        match slot {
            Slot::Leaf(_, leaf) if !prefix.contains(&leaf.key_hash()) => Slot::Empty,
            other => other,
        }
    }

    /// The trie as the slot of a node above it.
    pub(crate) fn whole(&self) -> Slot<'_, L> {
        Slot::Branch(&self.digest, &self.node)
    }

    pub(crate) fn root_node(&self) -> &Node<L> {
        &self.node
    }
}

impl<'a, L: Leaf> IntoIterator for &'a Trie<L> {
    type Item = &'a L;
    type IntoIter = Iter<'a, L>;

    fn into_iter(self) -> Iter<'a, L> {
        self.iter()
    }
}
