//! The inside of a node that is being changed.

use super::fate::Fate;
use super::map::{At, Map};
use super::node::Item;

/// What is below a node's fork: the items, where they are, and what becomes of pages among them.
pub(super) struct Inside<'i, H> {
    pub(super) map: Map,
    pub(super) items: &'i mut [Item<H>],
    pub(super) fates: &'i [Fate],
}

impl<'i, H> Inside<'i, H> {
    /// The same for a shorter time.
    pub(super) fn again(&mut self) -> Inside<'_, H> {
        Inside { map: self.map, items: self.items, fates: self.fates }
    }

    /// The two sides of the node's own fork, apart.
    pub(super) fn halves(self) -> [Inside<'i, H>; 2] {
        let right = At::TOP.side(1);
        let cut = self.map.index(right);
        let (left_items, right_items) = self.items.split_at_mut(cut);
        let (left_fates, right_fates) = self.fates.split_at(cut);
        let map = self.map;
        [
            Inside { map, items: left_items, fates: left_fates },
            Inside { map: map.only(right), items: right_items, fates: right_fates },
        ]
    }

    /// The item at a place that is not empty.
    pub(super) fn item(&mut self, at: At) -> &mut Item<H> {
        &mut self.items[self.map.index(at)]
    }
}
