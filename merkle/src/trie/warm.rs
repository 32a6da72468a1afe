//! What a group of changes will need is asked for before the first of them is made.
//!
//! Pages and nodes below the top of a trie are mostly in no cache, and each change would wait for
//! its own one after the other. So the walk is made for all changes of a group at once, a level of
//! nodes at a time, and what the level needs is fetched together.

use super::map::{At, Map};
use super::node::{Item, Node, PageEnd};
use super::work::{self, Item as Changed};
use crate::pages::{Handle, Pages};
use crate::prefetch::prefetch_arc;

/// What is in a node.
type Inside<'t, H> = (Map, &'t [Item<H>]);
/// A node, its depth, and the changes below it.
type Way<'t, 'w, 'c, 'k, P> =
    (&'t Node<<P as Pages>::Handle>, usize, &'w [Changed<'c, 'k, <P as Pages>::Value>]);

/// What is found on the way down.
struct Found<'t, 'w, 'c, 'k, P: Pages> {
    nodes: Vec<Way<'t, 'w, 'c, 'k, P>>,
    ends: Vec<&'t PageEnd<P::Handle>>,
}

/// Asks for what making changes below a place will need.
pub(super) fn warm<P: Pages>(
    pages: &P,
    inside: Inside<'_, P::Handle>,
    at: At,
    depth: usize,
    work: &[Changed<'_, '_, P::Value>],
) {
    let ends = Vec::with_capacity(work.len());
    let mut found = Found::<P> { nodes: Vec::new(), ends };
    found.look(inside, at, depth, work);
    while !found.nodes.is_empty() {
        let level = std::mem::take(&mut found.nodes);
        for (node, ..) in &level {
            node.prefetch();
        }
        for (node, ..) in &level {
            node.prefetch_shared();
        }
        for (node, depth, work) in level {
            found.descend((node.map(), node.items()), At::TOP, depth, work);
        }
    }
    for end in &found.ends {
        end.handle.prefetch_head();
    }
    for end in &found.ends {
        pages.prefetch(&end.handle, end.len);
    }
}

impl<'t, 'w, 'c, 'k, P: Pages> Found<'t, 'w, 'c, 'k, P> {
    /// Goes down from a fork to the nodes and pages right below its node, as far as there are
    /// changes.
    fn descend(
        &mut self,
        inside: Inside<'t, P::Handle>,
        at: At,
        depth: usize,
        work: &'w [Changed<'c, 'k, P::Value>],
    ) {
        let (left, right) = work.split_at(work::split(work, depth));
        for (bit, work) in [left, right].into_iter().enumerate() {
            if !work.is_empty() {
                self.look(inside, at.side(bit), depth + 1, work);
            }
        }
    }

    fn look(
        &mut self,
        inside: Inside<'t, P::Handle>,
        at: At,
        depth: usize,
        work: &'w [Changed<'c, 'k, P::Value>],
    ) {
        let (map, items) = inside;
        if map.is_empty(at) {
            return;
        }
        match &items[map.index(at)] {
            Item::Empty => {}
            Item::Page(end) => self.ends.push(end),
            Item::Node(_, node) => self.nodes.push((node, depth, work)),
            Item::Inner(_) => self.descend(inside, at, depth, work),
        }
    }
}

impl<H: Handle> Node<H> {
    /// Asks for the node itself.
    fn prefetch(&self) {
        prefetch_arc(self.items(), size_of_val(self.items()));
    }

    /// Asks for the heads of what stands in a node that will be copied: the copy counts them.
    fn prefetch_shared(&self) {
        if !self.is_shared() {
            return;
        }
        for item in self.items() {
            match item {
                Item::Page(end) => end.handle.prefetch_head(),
                Item::Node(_, node) => prefetch_arc(node.items(), 1),
                Item::Inner(_) | Item::Empty => {}
            }
        }
    }
}
