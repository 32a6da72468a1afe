//! The tree above the blocks.
//!
//! All blocks are equally deep. A batch of edits visits each node that it touches once; a node
//! that a clone still shares is copied, one that nobody shares is changed where it is.

mod balance;

use std::sync::Arc;

use strongroom_merkle::Join;

use super::Edit;
use super::leaf::{Batch, Edited, Leaf, bound_between};
use balance::{group, merge_small};

/// Children of a node above which it is split. A copy of a node counts a reference to every
/// child, so that nodes are small.
pub(super) const CHILDREN_MAX: usize = 16;

/// A block or what stands above blocks.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Leaf),
    Inner(Arc<Inner>),
}

/// Children in order. Child `i + 1` has the keys from bound `i` on.
#[derive(Clone, Debug)]
pub(super) struct Inner {
    bounds: Arc<Bounds>,
    children: Vec<Node>,
}

/// Packed bounds; few of them change when keys come and go.
#[derive(Debug)]
struct Bounds {
    ends: Box<[u32]>,
    bytes: Box<[u8]>,
}

/// A node with the lower bound of its keys.
pub(super) type Bounded = (Box<[u8]>, Node);

/// What edits made of a node.
pub(super) enum Outcome {
    /// One node still; nothing to do above it.
    Kept,
    /// One node still, but small: it may be merged with a neighbour.
    Small,
    /// Nothing is left.
    Gone,
    /// Nodes have to be added to its right.
    Grown(Vec<Bounded>),
}

impl Bounds {
    fn of<'a>(bounds: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut ends, mut bytes) = (Vec::new(), Vec::new());
        for bound in bounds {
            bytes.extend_from_slice(bound);
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Self { ends: ends.into(), bytes: bytes.into() }
    }

    fn get(&self, i: usize) -> &[u8] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[start..self.ends[i] as usize]
    }

    /// How many bounds are not above the key.
    fn up_to(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.get(middle) <= key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl Node {
    /// Puts nodes under as few parents as it takes, until there is one.
    pub(super) fn tower(mut level: Vec<Bounded>) -> Option<Self> {
        while level.len() > 1 {
            level = group(level);
        }
        level.pop().map(|(_, node)| node)
    }

    /// As [`apply`](Self::apply), with two pieces of the work in `join`.
    pub(super) fn apply_with<'a, J: Join>(
        &mut self,
        join: &J,
        edits: &[Edit<'a>],
        batch: &mut Batch<'a>,
    ) -> Outcome {
        match self {
            Node::Inner(inner) => Arc::make_mut(inner).apply_with(join, edits, batch),
            Node::Leaf(_) => self.apply(edits, batch),
        }
    }

    /// Applies edits in order of their keys; counts what came and went.
    pub(super) fn apply<'a>(&mut self, edits: &[Edit<'a>], batch: &mut Batch<'a>) -> Outcome {
        match self {
            Node::Inner(inner) => Arc::make_mut(inner).apply(edits, batch),
            Node::Leaf(leaf) => match leaf.edit(edits, batch) {
                Edited::Same => Outcome::Kept,
                Edited::Gone => Outcome::Gone,
                Edited::Leaf(edited) => {
                    *leaf = edited;
                    if self.is_small() { Outcome::Small } else { Outcome::Kept }
                }
                Edited::Leaves(leaves) => {
                    let right = leaves.windows(2).map(|pair| {
                        (bound_between(&pair[0], &pair[1]), Node::Leaf(pair[1].clone()))
                    });
                    let right = right.collect();
                    leaf.clone_from(&leaves[0]);
                    Outcome::Grown(right)
                }
            },
        }
    }

    /// Appends the blocks below, in order.
    pub(super) fn blocks<'n>(&'n self, out: &mut Vec<&'n Leaf>) {
        match self {
            Node::Leaf(leaf) => out.push(leaf),
            Node::Inner(inner) => inner.children.iter().for_each(|child| child.blocks(out)),
        }
    }

    /// Heap bytes of everything below.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        /// Two counters before the value.
        const COUNTERS: usize = 16;
        match self {
            Node::Leaf(leaf) => COUNTERS + leaf.size().next_multiple_of(8),
            Node::Inner(inner) => {
                let bounds = size_of::<Bounds>() + size_of_val(&*inner.bounds.ends);
                let own = 2 * COUNTERS
                    + size_of::<Inner>()
                    + inner.children.capacity() * size_of::<Node>()
                    + bounds
                    + inner.bounds.bytes.len();
                own + inner.children.iter().map(Node::heap_bytes).sum::<usize>()
            }
        }
    }
}

impl Inner {
    fn new(children: Vec<Bounded>) -> Self {
        Self {
            bounds: Arc::new(Bounds::of(children.iter().skip(1).map(|(bound, _)| &**bound))),
            children: children.into_iter().map(|(_, node)| node).collect(),
        }
    }

    /// The children with their bounds; the first has the one that is given.
    fn bounded(&self, first: &[u8]) -> impl Iterator<Item = Bounded> {
        self.children.iter().enumerate().map(move |(i, node)| {
            let bound = if i == 0 { first } else { self.bounds.get(i - 1) };
            (Box::from(bound), node.clone())
        })
    }

    /// A child, if there is one at this place.
    pub(super) fn child(&self, at: usize) -> Option<&Node> {
        self.children.get(at)
    }

    /// Place of the child that the key belongs to.
    pub(super) fn place(&self, key: &[u8]) -> usize {
        self.bounds.up_to(key)
    }

    fn apply<'a>(&mut self, edits: &[Edit<'a>], batch: &mut Batch<'a>) -> Outcome {
        let outcomes = edit(&self.bounds, 0, &mut self.children, edits, batch);
        self.take_up(outcomes)
    }

    /// As [`apply`](Self::apply), with the edits to either half of the children in `join`.
    pub(super) fn apply_with<'a, J: Join>(
        &mut self,
        join: &J,
        edits: &[Edit<'a>],
        batch: &mut Batch<'a>,
    ) -> Outcome {
        let half = self.children.len() / 2;
        if half == 0 {
            return self.apply(edits, batch);
        }
        let bound = self.bounds.get(half - 1);
        let (left, right) = edits.split_at(edits.partition_point(|(key, _)| *key < bound));
        let bounds = &self.bounds;
        let (left_children, right_children) = self.children.split_at_mut(half);
        let mut beside = Batch::new();
        let (mut outcomes, others) = join.join(
            || edit(bounds, 0, left_children, left, batch),
            || edit(bounds, half, right_children, right, &mut beside),
        );
        batch.take_up(&beside);
        outcomes.extend(others);
        self.take_up(outcomes)
    }

    fn take_up(&mut self, outcomes: Vec<(usize, Outcome)>) -> Outcome {
        if outcomes.is_empty() { Outcome::Kept } else { self.restructure(outcomes) }
    }

    /// Takes up what became of the children.
    fn restructure(&mut self, outcomes: Vec<(usize, Outcome)>) -> Outcome {
        let mut outcomes = outcomes.into_iter().peekable();
        let mut list: Vec<Bounded> = Vec::with_capacity(self.children.len());
        for (i, (bound, node)) in self.bounded(b"").enumerate() {
            match outcomes.next_if(|(at, _)| *at == i).map(|(_, outcome)| outcome) {
                Some(Outcome::Gone) => {}
                Some(Outcome::Grown(more)) => {
                    list.push((bound, node));
                    list.extend(more);
                }
                Some(Outcome::Small | Outcome::Kept) | None => list.push((bound, node)),
            }
        }
        let mut groups = group(merge_small(list)).into_iter();
        let Some((_, Node::Inner(first))) = groups.next() else { return Outcome::Gone };
        *self = Arc::unwrap_or_clone(first);
        let grown: Vec<Bounded> = groups.collect();
        match grown.is_empty() {
            true if self.children.len() < CHILDREN_MAX / 4 => Outcome::Small,
            true => Outcome::Kept,
            false => Outcome::Grown(grown),
        }
    }

    /// The only child, if there is but one.
    pub(super) fn only(&self) -> Option<&Node> {
        if let [only] = self.children.as_slice() { Some(only) } else { None }
    }
}

/// Applies edits to the children from number `first` on; what became of those that need a look.
fn edit<'a>(
    bounds: &Bounds,
    first: usize,
    children: &mut [Node],
    edits: &[Edit<'a>],
    batch: &mut Batch<'a>,
) -> Vec<(usize, Outcome)> {
    let mut outcomes = Vec::new();
    let mut rest = edits;
    while let Some((key, _)) = rest.first() {
        let at = bounds.up_to(key);
        let mine = if at < bounds.ends.len() {
            let bound = bounds.get(at);
            rest.iter().position(|(key, _)| *key >= bound).unwrap_or(rest.len())
        } else {
            rest.len()
        };
        let (mine, others) = rest.split_at(mine);
        match children[at - first].apply(mine, batch) {
            Outcome::Kept => {}
            outcome => outcomes.push((at, outcome)),
        }
        rest = others;
    }
    outcomes
}
