//! Brings the digests of a changed subtree up to date.
//!
//! Level by level from the deepest, so that nodes that do not depend on each other are hashed
//! together, several to a vector register.

use std::sync::Arc;

use crate::digest::{Digest, Leaf};
use crate::hash::{self, NODE_BYTES};
use crate::trie::node::{Branch, Node};

/// Nodes hashed together.
const GROUP: usize = 16;

/// Makes every stale digest under `node` current. The node's own is its parent's business.
pub(crate) fn settle<L: Leaf>(node: &mut Node<L>) {
    for level in (1..=stale_levels(node)).rev() {
        let mut stale = Vec::new();
        collect(node, level, &mut stale);
        rehash(&mut stale);
    }
}

/// How far below `node` stale branches go: 1 when only its own are.
fn stale_levels<L>(node: &mut Node<L>) -> usize {
    let stale = node.stale();
    if stale == 0 {
        return 0;
    }
    let below = stale_branches(node, stale).map(|child| child.map_or(0, stale_levels)).max();
    1 + below.unwrap_or(0)
}

/// The nodes behind the branches in `stale`. Each was just changed, so it has no other owner.
fn stale_branches<L>(node: &mut Node<L>, stale: u16) -> impl Iterator<Item = Option<&mut Node<L>>> {
    node.branches_mut()
        .filter(move |(slot, _)| stale & (1 << slot) != 0)
        .map(|(_, branch)| Arc::get_mut(&mut branch.node))
}

/// Stale branches `level` levels below `node`, which are then no longer marked.
fn collect<'a, L>(node: &'a mut Node<L>, level: usize, out: &mut Vec<&'a mut Branch<L>>) {
    let stale = node.stale();
    if level == 1 {
        node.clear_stale();
        out.extend(
            node.branches_mut()
                .filter(|(slot, _)| stale & (1 << slot) != 0)
                .map(|(_, branch)| branch),
        );
    } else if stale != 0 {
        for child in stale_branches(node, stale) {
            let Some(child) = child else { panic!("a stale node has one owner") };
            collect(child, level - 1, out);
        }
    }
}

/// Makes the digests of `branches` from their nodes, whose own branches are current.
pub(crate) fn rehash<L: Leaf>(branches: &mut [&mut Branch<L>]) {
    let mut inputs = [[0; NODE_BYTES]; GROUP];
    let mut digests = [Digest::ZERO; GROUP];
    let mut entries = Vec::new();
    let mut places = Vec::new();
    let mut entry_digests = Vec::new();
    for group in branches.chunks_mut(GROUP) {
        let inputs = &mut inputs[..group.len()];
        let digests = &mut digests[..group.len()];
        entries.clear();
        places.clear();
        for (lane, branch) in group.iter().enumerate() {
            inputs[lane] = [0; NODE_BYTES];
            branch.node.fill(&mut inputs[lane], |slot, leaf| {
                entries.push(hash::entry_input(&leaf.key_hash(), &leaf.digest()));
                places.push((lane, slot));
            });
        }
        entry_digests.resize(entries.len(), Digest::ZERO);
        hash::entries(&entries, &mut entry_digests);
        for ((lane, slot), digest) in places.iter().zip(&entry_digests) {
            inputs[*lane][slot * 32..][..32].copy_from_slice(&digest.0);
        }
        hash::nodes(inputs, digests);
        for (branch, digest) in group.iter_mut().zip(digests) {
            branch.digest = *digest;
        }
    }
}
