//! Nodes that run small are merged with a neighbour, levels that run wide are grouped.

use std::sync::Arc;

use super::{Bounded, CHILDREN_MAX, Inner, Node};
use crate::directory::leaf::{LEAF_MAX, Leaf};

impl Node {
    /// Whether it is worth a look at its neighbours.
    pub(super) fn is_small(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.size() < LEAF_MAX / 4,
            Node::Inner(inner) => inner.children.len() < CHILDREN_MAX / 4,
        }
    }

    /// One node of two neighbours, if there is room.
    fn merge(&self, bound: &[u8], right: &Node) -> Option<Node> {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                if left.size_unshared() + right.size_unshared() > LEAF_MAX * 3 / 4 {
                    return None;
                }
                let (mut bytes, mut ends) = (Vec::new(), Vec::new());
                left.unpack(&mut bytes, &mut ends);
                right.unpack(&mut bytes, &mut ends);
                Leaf::pack_arena(&bytes, &ends, true).pop().map(Node::Leaf)
            }
            (Node::Inner(left), Node::Inner(right)) => {
                if left.children.len() + right.children.len() > CHILDREN_MAX * 3 / 4 {
                    return None;
                }
                let both = left.bounded(b"").chain(right.bounded(bound)).collect();
                Some(Node::Inner(Arc::new(Inner::new(both))))
            }
            _ => None,
        }
    }
}

/// Merges small nodes with a neighbour where there is room.
pub(super) fn merge_small(list: Vec<Bounded>) -> Vec<Bounded> {
    let mut merged: Vec<Bounded> = Vec::with_capacity(list.len());
    for (bound, node) in list {
        if let Some((_, left)) = merged.last_mut()
            && (left.is_small() || node.is_small())
            && let Some(both) = left.merge(&bound, &node)
        {
            *left = both;
            continue;
        }
        merged.push((bound, node));
    }
    merged
}

/// Puts nodes in order under parents of about equal size.
pub(super) fn group(level: Vec<Bounded>) -> Vec<Bounded> {
    let mut parents = level.len().div_ceil(CHILDREN_MAX);
    let mut left = level.len();
    let mut level = level.into_iter();
    let mut groups = Vec::with_capacity(parents);
    while parents > 0 {
        let take = left.div_ceil(parents);
        let children: Vec<Bounded> = level.by_ref().take(take).collect();
        (left, parents) = (left - take, parents - 1);
        let bound = children[0].0.clone();
        groups.push((bound, Node::Inner(Arc::new(Inner::new(children)))));
    }
    groups
}
