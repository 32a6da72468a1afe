//! Nodes of the trie: sixteen slots, packed.
//!
//! The digest of a node is kept by its parent, beside the pointer, so that hashing a node reads
//! no memory but its own.

use std::sync::Arc;

use crate::digest::{Digest, Leaf};
use crate::hash::{self, NODE_BYTES};

/// Sixteen slots, each empty, a leaf or a branch.
///
/// Invariant: a branch leads to a node of two leaves or more, so a leaf stands at the first depth
/// where no other key hash shares its path. With it the shape follows from the set of key hashes.
#[derive(Clone)]
pub(crate) struct Node<L> {
    /// Leaves in this subtree.
    count: usize,
    /// Slots that hold a leaf; never overlaps `branch_map`.
    leaf_map: u16,
    /// Slots that hold a branch.
    branch_map: u16,
    /// Branches whose digest is out of date. Zero in every node outside of a batch.
    stale: u16,
    leaves: Box<[L]>,
    branches: Box<[Branch<L>]>,
}

/// A subtree and its digest.
#[derive(Clone)]
pub(crate) struct Branch<L> {
    pub(crate) digest: Digest,
    pub(crate) node: Arc<Node<L>>,
}

/// What is in a slot.
pub(crate) enum Slot<'a, L> {
    Empty,
    Leaf(&'a L),
    Branch(&'a Branch<L>),
}

impl<L> Clone for Slot<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L> Copy for Slot<'_, L> {}

impl<L: Leaf> Slot<'_, L> {
    /// Leaves in the slot.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Leaf(_) => 1,
            Self::Branch(branch) => branch.node.count(),
        }
    }

    /// What stands for the slot in the input of its node's digest.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Leaf(leaf) => hash::entry(&leaf.key_hash(), &leaf.digest()),
            Self::Branch(branch) => branch.digest,
        }
    }
}

/// Position of `slot` among the set bits of `map`.
#[inline]
fn rank(map: u16, slot: usize) -> usize {
    let below = map & ((1u16 << slot) - 1);
    usize::from(u8::try_from(below.count_ones()).unwrap_or(u8::MAX))
}

/// The slots set in `map`, ascending.
pub(crate) fn slots(map: u16) -> impl Iterator<Item = usize> {
    let mut left = map;
    std::iter::from_fn(move || {
        let slot = left.trailing_zeros();
        left &= left.wrapping_sub(1);
        usize::try_from(slot).ok().filter(|slot| *slot < 16)
    })
}

fn insert<T>(items: &mut Box<[T]>, at: usize, item: T) {
    let mut vec = std::mem::take(items).into_vec();
    vec.reserve_exact(1);
    vec.insert(at, item);
    *items = vec.into_boxed_slice();
}

fn remove<T>(items: &mut Box<[T]>, at: usize) -> T {
    let mut vec = std::mem::take(items).into_vec();
    let item = vec.remove(at);
    *items = vec.into_boxed_slice();
    item
}

impl<L> Node<L> {
    pub(crate) fn empty() -> Self {
        Self {
            count: 0,
            leaf_map: 0,
            branch_map: 0,
            stale: 0,
            leaves: Box::default(),
            branches: Box::default(),
        }
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn slot(&self, slot: usize) -> Slot<'_, L> {
        let bit = 1u16 << slot;
        if self.leaf_map & bit != 0 {
            Slot::Leaf(&self.leaves[rank(self.leaf_map, slot)])
        } else if self.branch_map & bit != 0 {
            Slot::Branch(&self.branches[rank(self.branch_map, slot)])
        } else {
            Slot::Empty
        }
    }

    /// Slots that are not empty, as a bit set.
    pub(crate) fn occupied(&self) -> u16 {
        self.leaf_map | self.branch_map
    }

    pub(crate) fn stale(&self) -> u16 {
        self.stale
    }

    pub(crate) fn clear_stale(&mut self) {
        self.stale = 0;
    }

    pub(crate) fn leaf_mut(&mut self, slot: usize) -> Option<&mut L> {
        (self.leaf_map & (1 << slot) != 0).then(|| &mut self.leaves[rank(self.leaf_map, slot)])
    }

    /// Branches with their slots, ascending.
    pub(crate) fn branches_mut(&mut self) -> impl Iterator<Item = (usize, &mut Branch<L>)> {
        slots(self.branch_map).zip(self.branches.iter_mut())
    }

    pub(crate) fn insert_leaf(&mut self, slot: usize, leaf: L) {
        assert!(self.occupied() & (1 << slot) == 0, "the slot is taken");
        insert(&mut self.leaves, rank(self.leaf_map, slot), leaf);
        self.leaf_map |= 1 << slot;
        self.count += 1;
    }

    pub(crate) fn remove_leaf(&mut self, slot: usize) -> L {
        assert!(self.leaf_map & (1 << slot) != 0, "no leaf in the slot");
        self.leaf_map &= !(1 << slot);
        self.count -= 1;
        remove(&mut self.leaves, rank(self.leaf_map, slot))
    }

    /// Puts a subtree of two leaves or more into an empty slot. Its digest is still to be made.
    fn insert_branch(&mut self, slot: usize, node: Arc<Self>) {
        assert!(self.occupied() & (1 << slot) == 0, "the slot is taken");
        self.count += node.count;
        let branch = Branch { digest: Digest::ZERO, node };
        insert(&mut self.branches, rank(self.branch_map, slot), branch);
        self.branch_map |= 1 << slot;
        self.stale |= 1 << slot;
    }

    fn remove_branch(&mut self, slot: usize) -> Arc<Self> {
        assert!(self.branch_map & (1 << slot) != 0, "no branch in the slot");
        self.branch_map &= !(1 << slot);
        self.stale &= !(1 << slot);
        let branch = remove(&mut self.branches, rank(self.branch_map, slot));
        self.count -= branch.node.count;
        branch.node
    }

    /// Puts `child` into an empty slot in the form that its size asks for.
    pub(crate) fn place(&mut self, slot: usize, mut child: Self) {
        match child.count {
            0 => {}
            1 => self.insert_leaf(slot, child.take_sole_leaf()),
            _ => self.insert_branch(slot, Arc::new(child)),
        }
    }

    /// The last leaf of a node that has no other.
    fn take_sole_leaf(&mut self) -> L {
        assert!(self.count == 1 && self.branch_map == 0, "one leaf and no branch");
        let slot = slots(self.leaf_map).next().unwrap_or_default();
        self.remove_leaf(slot)
    }
}

impl<L: Leaf> Node<L> {
    /// Lets `edit` change the subtree in `slot`, copying it if it is shared, and restores the
    /// invariant: a subtree that shrank to one leaf becomes that leaf. False if there is none.
    pub(crate) fn edit_branch(&mut self, slot: usize, edit: impl FnOnce(&mut Self)) -> bool {
        if self.branch_map & (1 << slot) == 0 {
            return false;
        }
        let branch = &mut self.branches[rank(self.branch_map, slot)];
        let before = branch.node.count;
        let child = Arc::make_mut(&mut branch.node);
        edit(child);
        let after = child.count;
        if after >= 2 {
            self.count = self.count - before + after;
            self.stale |= 1 << slot;
        } else {
            let sole = (after == 1).then(|| child.take_sole_leaf());
            // What left the child has to leave this node's count by hand.
            self.count = self.count + child.count - before;
            drop(self.remove_branch(slot));
            if let Some(leaf) = sole {
                self.insert_leaf(slot, leaf);
            }
        }
        true
    }

    /// Leaves in those slots that are in `within`.
    pub(crate) fn count_in(&self, within: u16) -> usize {
        if self.occupied() & !within == 0 {
            return self.count;
        }
        slots(self.occupied() & within).map(|slot| self.slot(slot).count()).sum()
    }

    /// Writes the input of this node's digest, but for leaves, which `on_leaf` is shown.
    /// `input` is all zero before.
    pub(crate) fn fill(&self, input: &mut [u8; NODE_BYTES], mut on_leaf: impl FnMut(usize, &L)) {
        assert!(self.stale == 0, "children are hashed first");
        for (slot, branch) in slots(self.branch_map).zip(&self.branches) {
            input[slot * 32..][..32].copy_from_slice(&branch.digest.0);
        }
        for (slot, leaf) in slots(self.leaf_map).zip(&self.leaves) {
            on_leaf(slot, leaf);
        }
    }
}
