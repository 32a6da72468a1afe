//! Nodes of the trie: sixteen slots, packed.
//!
//! The digests of a node's slots are kept side by side in the node, its own by its parent, so that
//! hashing a node reads no memory but its own.

use std::sync::Arc;

use crate::digest::Digest;
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
    /// Slots whose digest is out of date. None in any node outside of a batch.
    stale: u16,
    /// Of the slots that are not empty: entry digests and node digests.
    digests: Box<[Digest]>,
    leaves: Box<[L]>,
    branches: Box<[Arc<Node<L>>]>,
}

/// What is in a slot, with its digest.
pub(crate) enum Slot<'a, L> {
    Empty,
    Leaf(&'a Digest, &'a L),
    Branch(&'a Digest, &'a Arc<Node<L>>),
}

impl<L> Clone for Slot<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L> Copy for Slot<'_, L> {}

impl<L> Slot<'_, L> {
    /// Leaves in the slot.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Leaf(..) => 1,
            Self::Branch(_, node) => node.count(),
        }
    }

    /// What stands for the slot in the input of its node's digest.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Empty => Digest::ZERO,
            Self::Leaf(digest, _) | Self::Branch(digest, _) => **digest,
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
            digests: Box::default(),
            leaves: Box::default(),
            branches: Box::default(),
        }
    }

    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Slots that are not empty, as a bit set.
    #[inline]
    pub(crate) fn occupied(&self) -> u16 {
        self.leaf_map | self.branch_map
    }

    #[inline]
    pub(crate) fn slot(&self, slot: usize) -> Slot<'_, L> {
        let bit = 1u16 << slot;
        if self.occupied() & bit == 0 {
            return Slot::Empty;
        }
        let digest = &self.digests[rank(self.occupied(), slot)];
        if self.leaf_map & bit != 0 {
            Slot::Leaf(digest, &self.leaves[rank(self.leaf_map, slot)])
        } else {
            Slot::Branch(digest, &self.branches[rank(self.branch_map, slot)])
        }
    }

    /// Leaves in those slots that are in `within`.
    pub(crate) fn count_in(&self, within: u16) -> usize {
        if self.occupied() & !within == 0 {
            return self.count;
        }
        slots(self.occupied() & within).map(|slot| self.slot(slot).count()).sum()
    }

    pub(crate) fn stale(&self) -> u16 {
        self.stale
    }

    /// The nodes behind stale branches. Each was just changed, so it has no other owner.
    pub(crate) fn stale_children(&mut self) -> impl Iterator<Item = &mut Self> {
        let stale = self.stale;
        slots(self.branch_map)
            .zip(self.branches.iter_mut())
            .filter(move |(slot, _)| stale & (1 << slot) != 0)
            .map(|(_, node)| match Arc::get_mut(node) {
                Some(node) => node,
                None => panic!("a changed node has one owner"),
            })
    }

    /// Makes the digest of a stale slot current.
    pub(crate) fn set_digest(&mut self, slot: usize, digest: Digest) {
        assert!(self.stale & (1 << slot) != 0, "the digest was current");
        self.digests[rank(self.occupied(), slot)] = digest;
        self.stale &= !(1 << slot);
    }

    /// Writes the input of this node's digest. `input` is all zero before.
    pub(crate) fn fill(&self, input: &mut [u8; NODE_BYTES], within: u16) {
        assert!(self.stale == 0, "children are hashed first");
        for (slot, digest) in slots(self.occupied()).zip(&self.digests) {
            if within & (1 << slot) != 0 {
                input[slot * 32..][..32].copy_from_slice(&digest.0);
            }
        }
    }

    /// Digest of a node that has nothing but those slots of this one that are in `within`.
    pub(crate) fn digest(&self, within: u16) -> Digest {
        let mut input = [0; NODE_BYTES];
        self.fill(&mut input, within);
        hash::node(&input)
    }

    pub(crate) fn insert_leaf(&mut self, slot: usize, leaf: L) {
        self.insert_digest(slot);
        insert(&mut self.leaves, rank(self.leaf_map, slot), leaf);
        self.leaf_map |= 1 << slot;
        self.count += 1;
    }

    /// Puts another leaf of the same key hash in the place of one.
    pub(crate) fn replace_leaf(&mut self, slot: usize, leaf: L) {
        assert!(self.leaf_map & (1 << slot) != 0, "no leaf in the slot");
        self.leaves[rank(self.leaf_map, slot)] = leaf;
        self.stale |= 1 << slot;
    }

    pub(crate) fn remove_leaf(&mut self, slot: usize) -> L {
        assert!(self.leaf_map & (1 << slot) != 0, "no leaf in the slot");
        self.remove_digest(slot);
        self.leaf_map &= !(1 << slot);
        self.count -= 1;
        remove(&mut self.leaves, rank(self.leaf_map, slot))
    }

    /// Puts a subtree of two leaves or more into an empty slot.
    fn insert_branch(&mut self, slot: usize, node: Arc<Self>) {
        self.insert_digest(slot);
        self.count += node.count;
        insert(&mut self.branches, rank(self.branch_map, slot), node);
        self.branch_map |= 1 << slot;
    }

    fn remove_branch(&mut self, slot: usize) -> Arc<Self> {
        assert!(self.branch_map & (1 << slot) != 0, "no branch in the slot");
        self.remove_digest(slot);
        self.branch_map &= !(1 << slot);
        let node = remove(&mut self.branches, rank(self.branch_map, slot));
        self.count -= node.count;
        node
    }

    /// Makes room for the digest of a slot that is being filled.
    fn insert_digest(&mut self, slot: usize) {
        assert!(self.occupied() & (1 << slot) == 0, "the slot is taken");
        let at = rank(self.occupied(), slot);
        insert(&mut self.digests, at, Digest::ZERO);
        self.stale |= 1 << slot;
    }

    /// Before the slot is emptied.
    fn remove_digest(&mut self, slot: usize) {
        let at = rank(self.occupied(), slot);
        remove(&mut self.digests, at);
        self.stale &= !(1 << slot);
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

impl<L: Clone> Node<L> {
    /// Lets `edit` change the subtree in `slot`, copying it if it is shared, and restores the
    /// invariant: a subtree that shrank to one leaf becomes that leaf. False if there is none.
    pub(crate) fn edit_branch(&mut self, slot: usize, edit: impl FnOnce(&mut Self)) -> bool {
        if self.branch_map & (1 << slot) == 0 {
            return false;
        }
        let node = &mut self.branches[rank(self.branch_map, slot)];
        let before = node.count;
        let child = Arc::make_mut(node);
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
}
