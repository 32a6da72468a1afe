//! Leaves in hash order.

use crate::digest::{KeyHash, Leaf};
use crate::trie::node::{Node, Slot, slots};

/// Iterator over leaves in ascending key hash order.
///
/// Holds one position a level, so its memory is bounded by the depth of the trie.
pub struct Iter<'a, L> {
    /// A leaf to yield before anything else.
    first: Option<&'a L>,
    /// Nodes on the path, each with the slots that are still to come.
    path: Vec<(&'a Node<L>, u16)>,
    left: usize,
}

impl<'a, L: Leaf> Iter<'a, L> {
    pub(crate) fn new(slot: Slot<'a, L>) -> Self {
        match slot {
            Slot::Empty => Self { first: None, path: Vec::new(), left: 0 },
            Slot::Leaf(_, leaf) => Self { first: Some(leaf), path: Vec::new(), left: 1 },
            Slot::Branch(_, node) => Self::of_node(node),
        }
    }

    pub(crate) fn of_node(node: &'a Node<L>) -> Self {
        Self { first: None, path: vec![(node, node.occupied())], left: node.count() }
    }

    /// The leaves in those slots of `node` that are in `within`.
    pub(crate) fn of_slots(node: &'a Node<L>, within: u16) -> Self {
        let todo = node.occupied() & within;
        Self { first: None, path: vec![(node, todo)], left: node.count_in(todo) }
    }

    /// As `of_slots`, without the leaves up to and including `after`, whose first `depth` nibbles
    /// are the path of `node`. Costs the depth, not what is skipped.
    pub(crate) fn of_slots_after(
        node: &'a Node<L>,
        within: u16,
        mut depth: usize,
        after: &KeyHash,
    ) -> Self {
        let mut iter = Self { first: None, path: Vec::new(), left: 0 };
        let (mut node, mut within) = (node, within);
        loop {
            let own = after.nibble(depth);
            let beyond = !(u16::MAX >> (15 - own));
            let todo = node.occupied() & within & beyond;
            iter.left += node.count_in(todo);
            iter.path.push((node, todo));
            match node.slot(own) {
                Slot::Branch(_, child) if within & (1 << own) != 0 => {
                    (node, within, depth) = (child, u16::MAX, depth + 1);
                }
                Slot::Leaf(_, leaf) if within & (1 << own) != 0 && leaf.key_hash() > *after => {
                    iter.first = Some(leaf);
                    iter.left += 1;
                    return iter;
                }
                _ => return iter,
            }
        }
    }
}

impl<'a, L: Leaf> Iterator for Iter<'a, L> {
    type Item = &'a L;

    fn next(&mut self) -> Option<&'a L> {
        if let Some(leaf) = self.first.take() {
            self.left -= 1;
            return Some(leaf);
        }
        while let Some((node, todo)) = self.path.last_mut() {
            let Some(slot) = slots(*todo).next() else {
                self.path.pop();
                continue;
            };
            *todo &= !(1 << slot);
            let node: &'a Node<L> = node;
            match node.slot(slot) {
                Slot::Leaf(_, leaf) => {
                    self.left -= 1;
                    return Some(leaf);
                }
                Slot::Branch(_, node) => self.path.push((node, node.occupied())),
                Slot::Empty => {}
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<L: Leaf> ExactSizeIterator for Iter<'_, L> {}
