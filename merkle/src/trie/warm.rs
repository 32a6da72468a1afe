//! What a group of changes will need is asked for before the first of them is applied.
//!
//! Pages and nodes below the top of a trie are mostly in no cache, and each change would wait for
//! its own one after the other. So the walk is made for all changes of a group at once, a level of
//! nodes at a time, and what the level needs is fetched together.

use super::node::{Fork, Item, Node, Place};
use super::work::{self, Item as Changed};
use crate::pages::{Handle, Pages};
use crate::prefetch::prefetch_arc;

/// Changes that are warmed up together: so many that a core's own cache holds the pages and nodes
/// of all, the old ones and the new.
pub(super) const GROUP_MAX: usize = 64;

/// A fork, its depth, and the changes below it.
type Way<'t, 'w, 'c, 'k, P> =
    (Fork<'t, <P as Pages>::Handle>, usize, &'w [Changed<'c, 'k, <P as Pages>::Value>]);

/// Asks for what applying `work` below a place at `depth` will need.
pub(super) fn warm<P: Pages>(
    pages: &P,
    place: Place<'_, P::Handle>,
    depth: usize,
    work: &[Changed<'_, '_, P::Value>],
) {
    if work.is_empty() {
        return;
    }
    let mut ends = Vec::with_capacity(work.len());
    let mut level: Vec<Way<'_, '_, '_, '_, P>> = Vec::new();
    match place {
        Place::Empty => {}
        Place::Page(end) => ends.push(&end.handle),
        Place::Fork(fork) => level.push((fork, depth, work)),
    }
    while !level.is_empty() {
        for (fork, ..) in &level {
            fork.node.prefetch();
        }
        for (fork, ..) in &level {
            fork.node.prefetch_below();
        }
        let mut below = Vec::with_capacity(work.len());
        for (fork, depth, work) in level {
            descend::<P>(fork, depth, work, &mut below, &mut ends);
        }
        level = below;
    }
    for end in ends {
        pages.prefetch(end);
    }
}

/// Goes down to the nodes and pages right below a node, as far as there are changes.
fn descend<'t, 'w, 'c, 'k, P: Pages>(
    fork: Fork<'t, P::Handle>,
    depth: usize,
    work: &'w [Changed<'c, 'k, P::Value>],
    below: &mut Vec<Way<'t, 'w, 'c, 'k, P>>,
    ends: &mut Vec<&'t P::Handle>,
) {
    let (left, right) = work.split_at(work::split(work, depth));
    for (bit, work) in [left, right].into_iter().enumerate() {
        if work.is_empty() {
            continue;
        }
        match fork.side(bit) {
            Place::Empty => {}
            Place::Page(end) => ends.push(&end.handle),
            Place::Fork(next) if next.at.is_top() => below.push((next, depth + 1, work)),
            Place::Fork(next) => descend::<P>(next, depth + 1, work, below, ends),
        }
    }
}

impl<H: Handle> Node<H> {
    /// Asks for the node itself.
    fn prefetch(&self) {
        prefetch_arc(self.items(), size_of_val(self.items()));
    }

    /// Asks for the heads of what stands in the node: a copy of it counts them.
    fn prefetch_below(&self) {
        for item in self.items() {
            match item {
                Item::Page(end) => end.handle.prefetch_head(),
                Item::Node(_, node) => prefetch_arc(node.items(), 1),
                Item::Inner(_) | Item::Empty => {}
            }
        }
    }
}
