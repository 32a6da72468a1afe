//! Leaves in hash order.

use crate::digest::Leaf;
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
            Slot::Leaf(leaf) => Self { first: Some(leaf), path: Vec::new(), left: 1 },
            Slot::Branch(branch) => Self::of_node(&branch.node),
        }
    }

    pub(crate) fn of_node(node: &'a Node<L>) -> Self {
        Self { first: None, path: vec![(node, node.occupied())], left: node.count() }
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
                Slot::Leaf(leaf) => {
                    self.left -= 1;
                    return Some(leaf);
                }
                Slot::Branch(branch) => self.path.push((&branch.node, branch.node.occupied())),
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
