//! A batch in the order of the trie.

use super::Change;
use super::node::Place;
use crate::digest::{Digest, KeyHash};

/// A change with the front of its hash, to sort by.
pub(crate) struct Item<'c, 'k, V> {
    head: u64,
    change: &'c mut Change<'k, V>,
}

/// Changes under one place of the trie, in hash order; those of one key in the order given.
pub(crate) type Work<'w, 'c, 'k, V> = &'w mut [Item<'c, 'k, V>];

/// All changes of a batch, in hash order.
pub(crate) fn sorted<'c, 'k, V>(changes: &'c mut [Change<'k, V>]) -> Vec<Item<'c, 'k, V>> {
    let mut items: Vec<Item<'c, 'k, V>> =
        changes.iter_mut().map(|change| Item { head: change.hash.head(), change }).collect();
    // Heads of different keys hardly ever agree, so most comparisons end with them. The sort is
    // stable, as the last of several changes to a key counts.
    items.sort_by(|a, b| a.head.cmp(&b.head).then_with(|| a.hash().cmp(b.hash())));
    items
}

impl<'k, V> Item<'_, 'k, V> {
    pub(crate) fn hash(&self) -> &KeyHash {
        &self.change.hash
    }

    pub(crate) fn change(&self) -> &Change<'k, V> {
        self.change
    }

    pub(crate) fn change_mut(&mut self) -> &mut Change<'k, V> {
        self.change
    }

    fn bit(&self, depth: usize) -> usize {
        if depth < 64 {
            usize::from(self.head >> (63 - depth) & 1 == 1)
        } else {
            self.change.hash.bit(depth)
        }
    }
}

/// How many changes go to side 0 of a fork at `depth`.
pub(crate) fn split<V>(work: &[Item<'_, '_, V>], depth: usize) -> usize {
    work.partition_point(|item| item.bit(depth) == 0)
}

/// Whether removals in `work` may leave so few of `count` leaves below a fork that it becomes a page.
pub(crate) fn may_shrink_to_page<V>(count: usize, work: &[Item<'_, '_, V>]) -> bool {
    let spare = count.saturating_sub(crate::page::PAGE_LEAVES_MAX);
    work.len() >= spare && work.iter().filter(|item| item.change.put.is_none()).count() >= spare
}

/// The end of the changes to the key of the first one.
pub(crate) fn run<V>(work: &[Item<'_, '_, V>]) -> usize {
    let same = |item: &&Item<'_, '_, V>| item.head == work[0].head && item.hash() == work[0].hash();
    work.iter().take_while(same).count()
}

/// Notes what was there before these changes, all to one key.
pub(crate) fn note<V: Copy>(run: Work<'_, '_, '_, V>, before: Option<(Digest, V)>) {
    for item in run {
        item.change_mut().before = before;
    }
}

/// Shown for debugging only.
impl<H> std::fmt::Debug for Place<'_, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "place of {} leaves", self.count())
    }
}
