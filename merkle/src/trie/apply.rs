//! A batch of changes, applied to a subtree in one pass.
//!
//! Changes are put in hash order first, so each node on a shared path is visited, and copied if it
//! is shared with a snapshot, once a batch.

use crate::digest::{KeyHash, Leaf};
use crate::trie::node::{Node, Slot};
use crate::trie::settle;

/// From this many changes under one node on, the node's subtree is hashed as soon as it is
/// changed: enough to fill vector registers, few enough to be in the processor's cache still.
const SETTLE_FROM_CHANGES: usize = 24;

/// Where a change is in the batch, with the front of its hash to sort and descend by.
struct Item {
    head: u64,
    at: usize,
}

/// Changes by key hash: a leaf to put or `None` to remove.
pub(crate) struct Batch<L> {
    changes: Vec<(KeyHash, Option<L>)>,
}

impl<L: Leaf> Batch<L> {
    /// Applies `changes` to the node of a whole trie. Leaves digests stale.
    pub(crate) fn apply(root: &mut Node<L>, changes: Vec<(KeyHash, Option<L>)>) {
        let order = order(&changes);
        let mut batch = Self { changes };
        batch.apply_node(root, 0, &order);
    }

    fn hash(&self, item: &Item) -> &KeyHash {
        &self.changes[item.at].0
    }

    fn nibble(&self, item: &Item, depth: usize) -> usize {
        if depth < 16 {
            let shifted = item.head >> (60 - 4 * depth);
            usize::from(u8::try_from(shifted & 15).unwrap_or(u8::MAX))
        } else {
            self.hash(item).nibble(depth)
        }
    }

    /// `items`: all changes under `node`, in hash order.
    fn apply_node(&mut self, node: &mut Node<L>, depth: usize, items: &[Item]) {
        let mut rest = items;
        while let Some(first) = rest.first() {
            let slot = self.nibble(first, depth);
            let len = rest.iter().take_while(|item| self.nibble(item, depth) == slot).count();
            let (group, tail) = rest.split_at(len);
            rest = tail;
            self.apply_slot(node, slot, depth, group);
        }
        if items.len() >= SETTLE_FROM_CHANGES {
            settle::settle(node);
        }
    }

    fn apply_slot(&mut self, node: &mut Node<L>, slot: usize, depth: usize, group: &[Item]) {
        if node.edit_branch(slot, |child| self.apply_node(child, depth + 1, group)) {
            return;
        }
        let standing = match node.slot(slot) {
            Slot::Leaf(_, leaf) => Some(leaf.key_hash()),
            Slot::Empty | Slot::Branch(..) => None,
        };
        if let [only] = group
            && standing.is_none_or(|hash| hash == *self.hash(only))
        {
            let leaf = self.changes[only.at].1.take();
            match (standing, leaf) {
                (Some(_), Some(leaf)) => node.replace_leaf(slot, leaf),
                (Some(_), None) => drop(node.remove_leaf(slot)),
                (None, Some(leaf)) => node.insert_leaf(slot, leaf),
                (None, None) => {}
            }
            return;
        }
        // Several hashes meet in this slot: they need a node of their own.
        let mut child = Node::empty();
        if let Some(hash) = standing {
            child.insert_leaf(hash.nibble(depth + 1), node.remove_leaf(slot));
        }
        self.apply_node(&mut child, depth + 1, group);
        node.place(slot, child);
    }
}

/// Hash order of the changes; of several for the same hash only the last one stays.
fn order<L>(changes: &[(KeyHash, Option<L>)]) -> Vec<Item> {
    let mut items: Vec<Item> =
        changes.iter().enumerate().map(|(at, (hash, _))| Item { head: hash.head(), at }).collect();
    let hash = |item: &Item| &changes[item.at].0;
    // Heads of different keys hardly ever agree, so most comparisons end with them.
    items.sort_unstable_by(|a, b| {
        a.head.cmp(&b.head).then_with(|| hash(a).cmp(hash(b))).then_with(|| a.at.cmp(&b.at))
    });
    items.dedup_by(|later, kept| {
        let same = later.head == kept.head && hash(later) == hash(kept);
        if same {
            kept.at = later.at;
        }
        same
    });
    items
}
