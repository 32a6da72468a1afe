//! Brings the digests of a changed subtree up to date.
//!
//! Level by level from the deepest, so that what does not depend on each other is hashed together,
//! several to a vector register.

use crate::digest::{Digest, Leaf};
use crate::hash::{self, ENTRY_BYTES, NODE_BYTES};
use crate::trie::node::{Node, Slot, slots};

/// Digests made together.
const GROUP: usize = 16;

/// Makes every stale digest in the subtree of `node` current.
pub(crate) fn settle<L: Leaf>(node: &mut Node<L>) {
    let mut work = Work::new();
    for level in (0..stale_levels(node)).rev() {
        let mut nodes = Vec::new();
        collect(node, level, &mut nodes);
        work.rehash(&mut nodes);
    }
}

/// Number of levels with stale digests, that of `node` included.
fn stale_levels<L>(node: &mut Node<L>) -> usize {
    if node.stale() == 0 {
        return 0;
    }
    1 + node.stale_children().map(stale_levels).max().unwrap_or(0)
}

/// The nodes with stale digests `level` levels below `node`.
fn collect<'a, L>(node: &'a mut Node<L>, level: usize, out: &mut Vec<&'a mut Node<L>>) {
    if level > 0 {
        node.stale_children().for_each(|child| collect(child, level - 1, out));
    } else if node.stale() != 0 {
        out.push(node);
    }
}

/// Inputs that wait to be hashed together, and where their digests go: which node, which slot.
struct Work {
    entries: [[u8; ENTRY_BYTES]; GROUP],
    entry_places: Vec<(usize, usize)>,
    nodes: [[u8; NODE_BYTES]; GROUP],
    node_places: Vec<(usize, usize)>,
}

impl Work {
    fn new() -> Self {
        Self {
            entries: [[0; ENTRY_BYTES]; GROUP],
            entry_places: Vec::with_capacity(GROUP),
            nodes: [[0; NODE_BYTES]; GROUP],
            node_places: Vec::with_capacity(GROUP),
        }
    }

    /// Makes the stale digests in `nodes` current. What is below them is.
    fn rehash<L: Leaf>(&mut self, nodes: &mut [&mut Node<L>]) {
        for at in 0..nodes.len() {
            for slot in slots(nodes[at].stale()) {
                match nodes[at].slot(slot) {
                    Slot::Leaf(_, leaf) => {
                        self.entries[self.entry_places.len()] =
                            hash::entry_input(&leaf.key_hash(), &leaf.digest());
                        self.entry_places.push((at, slot));
                    }
                    Slot::Branch(_, node) => {
                        let input = &mut self.nodes[self.node_places.len()];
                        *input = [0; NODE_BYTES];
                        node.fill(input, u16::MAX);
                        self.node_places.push((at, slot));
                    }
                    Slot::Empty => panic!("an empty slot is never stale"),
                }
                self.flush(nodes, GROUP);
            }
        }
        self.flush(nodes, 1);
    }

    /// Hashes what waits, if it is `least` or more.
    fn flush<L>(&mut self, nodes: &mut [&mut Node<L>], least: usize) {
        let mut digests = [Digest::ZERO; GROUP];
        if self.entry_places.len() >= least {
            let digests = &mut digests[..self.entry_places.len()];
            hash::entries(&self.entries[..digests.len()], digests);
            for ((at, slot), digest) in self.entry_places.drain(..).zip(digests) {
                nodes[at].set_digest(slot, *digest);
            }
        }
        if self.node_places.len() >= least {
            let digests = &mut digests[..self.node_places.len()];
            hash::nodes(&self.nodes[..digests.len()], digests);
            for ((at, slot), digest) in self.node_places.drain(..).zip(digests) {
                nodes[at].set_digest(slot, *digest);
            }
        }
    }
}
