//! Buckets that wait, compactly: a bit for each of those that a refined one is cut into.

use std::collections::VecDeque;

use crate::reconcile::bucket::Base;

/// A bucket of one of the initiator's keyspaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The keyspace's place among them.
    pub(super) slot: usize,
    pub(super) base: Base,
}

/// Some of the `2^width` buckets that one is cut into.
pub(super) struct Children {
    part: Part,
    width: u8,
    /// Where the first bit that is set may be.
    word: usize,
    bits: Box<[u64]>,
}

/// A queue of buckets, in the order in which they were put in.
#[derive(Default)]
pub(super) struct Buckets {
    queue: VecDeque<Children>,
    bytes: usize,
}

impl Children {
    /// None of them.
    pub(super) fn new(part: Part, width: u8) -> Self {
        let words = (1usize << width).div_ceil(64);
        Self { part, width, word: 0, bits: vec![0; words].into() }
    }

    /// Takes number `index` in.
    pub(super) fn insert(&mut self, index: u32) {
        self.bits[index as usize / 64] |= 1 << (index % 64);
    }

    fn pop(&mut self) -> Option<Part> {
        let word = self.word + self.bits[self.word..].iter().position(|word| *word != 0)?;
        let bit = self.bits[word].trailing_zeros();
        self.bits[word] &= self.bits[word] - 1;
        self.word = word;
        let index = u32::try_from(word).ok()? * 64 + bit;
        Some(Part { slot: self.part.slot, base: self.part.base.child(self.width, index) })
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.bits)
    }
}

impl Buckets {
    pub(super) fn push(&mut self, children: Children) {
        if children.bits.iter().any(|word| *word != 0) {
            self.bytes += children.bytes();
            self.queue.push_back(children);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Part> {
        loop {
            let children = self.queue.front_mut()?;
            if let Some(part) = children.pop() {
                return Some(part);
            }
            self.bytes -= children.bytes();
            self.queue.pop_front();
        }
    }

    /// Whether there are none; asked after `pop`, which is what takes away what is used up.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.iter().all(|children| children.bits[children.word..].iter().all(|w| *w == 0))
    }

    /// Memory taken.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out_in_order(sets in prop::collection::vec(
            (0usize..3, 0u8..=9).prop_flat_map(|(slot, width)| {
                (Just(slot), Just(width), prop::collection::btree_set(0u32..1 << width, 0..20))
            }),
            0..6,
        )) {
            let mut buckets = Buckets::default();
            let mut expected = Vec::new();
            for (number, (slot, width, indices)) in (0..).zip(sets) {
                let base = Base::ALL.child(3, number);
                let mut children = Children::new(Part { slot, base }, width);
                for index in indices {
                    children.insert(index);
                    expected.push(Part { slot, base: base.child(width, index) });
                }
                buckets.push(children);
            }
            let drained: Vec<Part> = std::iter::from_fn(|| buckets.pop()).collect();
            prop_assert_eq!(drained, expected);
            prop_assert!(buckets.is_empty());
            prop_assert_eq!(buckets.bytes(), 0);
        }
    }
}
