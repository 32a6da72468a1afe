//! Hashed drafts put into nodes.

use super::draft::{Draft, ForkDraft};
use super::map::{At, Map};
use super::node::{Item, Node, PageEnd, Place, Sum};

/// Puts hashed drafts into nodes. Each draft is taken once.
pub(super) struct Packer<H> {
    /// Pages that were stored, from the draft with the number `first` on.
    pages: Vec<Option<PageEnd<H>>>,
    first: usize,
    /// Items of nodes on their way, those of the deepest node last.
    items: Vec<Item<H>>,
}

/// The drafts that pages and nodes are packed from.
struct Drafts<'d, 't, H> {
    forks: &'d mut [ForkDraft<'t, H>],
    done: &'d mut [Item<H>],
}

impl<H: Clone> Packer<H> {
    pub(super) fn new() -> Self {
        Self { pages: Vec::new(), first: 0, items: Vec::new() }
    }

    /// Takes the pages of the drafts from number `first` on.
    pub(super) fn take_pages(&mut self, first: usize, pages: impl Iterator<Item = PageEnd<H>>) {
        self.first = first;
        self.pages.clear();
        self.pages.extend(pages.map(Some));
    }

    /// The item for a draft at a depth where nodes begin.
    pub(super) fn item<'t>(
        &mut self,
        forks: &mut [ForkDraft<'t, H>],
        done: &mut [Item<H>],
        draft: Draft<'t, H>,
    ) -> Item<H> {
        self.whole(&mut Drafts { forks, done }, draft)
    }

    /// The item for a draft at a depth where nodes begin, or for one that is no fork.
    fn whole<'t>(&mut self, drafts: &mut Drafts<'_, 't, H>, draft: Draft<'t, H>) -> Item<H> {
        match draft {
            Draft::Empty | Draft::Old(Place::Empty) => Item::Empty,
            Draft::Old(Place::Page(page)) => Item::Page(page.clone()),
            Draft::Old(Place::Fork(fork)) => Item::Node(fork.sum, fork.node.clone()),
            Draft::Done(at) => std::mem::replace(&mut drafts.done[at], Item::Empty),
            Draft::Page(at) => match self.pages[at - self.first].take() {
                Some(page) => Item::Page(page),
                None => panic!("a draft is used once"),
            },
            Draft::Fork(at) => {
                let (sum, sides) = taken(drafts, at);
                let start = self.items.len();
                let mut map = Map::default();
                self.sides(drafts, &mut map, At::TOP, sides);
                Item::Node(sum, Node::new(map, self.items.drain(start..)))
            }
        }
    }

    fn sides<'t>(
        &mut self,
        drafts: &mut Drafts<'_, 't, H>,
        map: &mut Map,
        at: At,
        sides: [Draft<'t, H>; 2],
    ) {
        let [left, right] = sides;
        self.place(drafts, map, at.side(0), left);
        self.place(drafts, map, at.side(1), right);
    }

    /// Puts a draft, and what is below it in the same node, at a place of a node.
    fn place<'t>(
        &mut self,
        drafts: &mut Drafts<'_, 't, H>,
        map: &mut Map,
        at: At,
        draft: Draft<'t, H>,
    ) {
        match draft {
            Draft::Fork(fork) if at.is_inner() => {
                let (sum, sides) = taken(drafts, fork);
                map.put_inner(at);
                self.items.push(Item::Inner(sum));
                self.sides(drafts, map, at, sides);
            }
            Draft::Old(Place::Fork(fork)) if at.is_inner() => {
                assert_eq!(fork.at, at, "what stays keeps its depth");
                let (old, items) = fork.below();
                map.put_inner(at);
                map.put_below(at, old);
                self.items.push(Item::Inner(fork.sum));
                self.items.extend_from_slice(items);
            }
            other => match self.whole(drafts, other) {
                Item::Empty => {}
                item => {
                    map.put(at);
                    self.items.push(item);
                }
            },
        }
    }
}

fn taken<'t, H>(drafts: &mut Drafts<'_, 't, H>, at: usize) -> (Sum, [Draft<'t, H>; 2]) {
    let fork = &mut drafts.forks[at];
    (fork.sum, std::mem::replace(&mut fork.sides, [Draft::Empty, Draft::Empty]))
}
