//! What is still to be asked, and what was asked and is not answered.
//!
//! In both, and in every request, a census comes before lists and lists before probes. Since lists
//! come from probes that were answered, all buckets ascend.

use std::collections::VecDeque;

use super::buckets::{Buckets, Part};
use crate::pages::Pages;
use crate::reconcile::KeyspaceId;
use crate::reconcile::bucket::Base;
use crate::reconcile::limits::Limits;
use crate::reconcile::session::DIGEST_BYTES;
use crate::view::View;

/// Which keyspaces are there after `after`, up to `upto`?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) after: Option<KeyspaceId>,
    pub(super) upto: Option<KeyspaceId>,
}

/// Which of the buckets from `first` to before `end` of the `2^width` of a keyspace differ?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) slot: usize,
    pub(super) width: u8,
    pub(super) first: u32,
    pub(super) end: u32,
}

/// What is still to be asked.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) census: VecDeque<Census>,
    /// Lists that come before those of `buckets`: of parts of one, or asked once already.
    pub(super) lists: VecDeque<Part>,
    pub(super) buckets: Buckets,
    pub(super) probes: VecDeque<Probe>,
}

/// The questions of a request that are not answered in full.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) census: VecDeque<Census>,
    pub(super) lists: VecDeque<Part>,
    pub(super) probes: VecDeque<Probe>,
    /// Number of those that are.
    pub(super) answered: u32,
}

/// A question that is being answered.
#[derive(Clone, Copy)]
pub(super) enum Question {
    Census(Census),
    List(Part),
    Probe(Probe),
}

impl Queue {
    /// All that a reconciliation begins with.
    pub(super) fn new<P: Pages>(tries: &[(KeyspaceId, View<P>)], limits: Limits) -> Self {
        let census = all_censuses(tries, limits.census_ids());
        let probes = first_probes(tries, limits.first_digests_bytes());
        Self { census, probes, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.census.is_empty()
            && self.lists.is_empty()
            && self.buckets.is_empty()
            && self.probes.is_empty()
    }

    /// The next bucket to list.
    pub(super) fn pop_list(&mut self) -> Option<Part> {
        self.lists.pop_front().or_else(|| self.buckets.pop())
    }

    /// Puts back what was sent, before everything else.
    pub(super) fn put_back(&mut self, sent: Sent) {
        prepend(&mut self.census, sent.census);
        prepend(&mut self.lists, sent.lists);
        prepend(&mut self.probes, sent.probes);
    }
}

impl Sent {
    /// Number of questions of the request.
    pub(super) fn asked(&self) -> u32 {
        let left = self.census.len() + self.lists.len() + self.probes.len();
        self.answered.saturating_add(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// Takes the next question out.
    pub(super) fn pop(&mut self) -> Option<Question> {
        self.answered += 1;
        let census = self.census.pop_front().map(Question::Census);
        let list = || self.lists.pop_front().map(Question::List);
        let found = census.or_else(list);
        found.or_else(|| self.probes.pop_front().map(Question::Probe))
    }

    /// Puts what is left of a question back.
    pub(super) fn unpop(&mut self, question: Question) {
        self.answered -= 1;
        match question {
            Question::Census(census) => self.census.push_front(census),
            Question::List(part) => self.lists.push_front(part),
            Question::Probe(probe) => self.probes.push_front(probe),
        }
    }
}

fn prepend<T>(queue: &mut VecDeque<T>, mut front: VecDeque<T>) {
    front.append(queue);
    *queue = front;
}

/// Questions that together cover all ids there can be.
fn all_censuses<P: Pages>(tries: &[(KeyspaceId, View<P>)], most: usize) -> VecDeque<Census> {
    let mut after = None;
    let ends = (most..tries.len()).step_by(most).map(|end| Some(tries[end - 1].0));
    let censuses =
        ends.chain([None]).map(|upto| Census { after: std::mem::replace(&mut after, upto), upto });
    censuses.collect()
}

/// One probe a keyspace, as fine as `most` bytes of digests for all of them allow, one for each not
/// counted.
fn first_probes<P: Pages>(tries: &[(KeyspaceId, View<P>)], most: usize) -> VecDeque<Probe> {
    let mut widths: Vec<u8> =
        tries.iter().map(|(_, trie)| Base::ALL.width_for(trie.len())).collect();
    let bytes = |widths: &[u8]| -> usize {
        widths.iter().map(|width| DIGEST_BYTES * ((1 << width) - 1)).sum()
    };
    while bytes(&widths) > most {
        for width in &mut widths {
            *width = width.saturating_sub(1);
        }
    }
    let probe = |(slot, width)| Probe { slot, width, first: 0, end: 1 << width };
    widths.into_iter().enumerate().map(probe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::pages::MemPages;
    use crate::trie::{Change, Trie};

    fn keyspaces(count: u16, keys: u16) -> Vec<(KeyspaceId, View<MemPages<()>>)> {
        let keys: Vec<[u8; 2]> = (0..keys).map(u16::to_le_bytes).collect();
        let mut changes: Vec<_> =
            keys.iter().map(|key| Change::new(key, Some((Digest([1; 32]), ())))).collect();
        let mut view = View::new(Trie::new(), MemPages::new());
        view.trie.apply(&view.pages, &mut changes).unwrap();
        (0..count).map(|no| (u128::from(no).to_be_bytes(), view.clone())).collect()
    }

    // The first request is as fine as its bytes allow: 64 KiB of digests besides one for each,
    // whatever the number of keyspaces.
    #[test]
    fn the_first_probes_take_what_they_may_and_no_more() {
        let keyspaces = keyspaces(9000, 10_000);
        let probe = |width| move |slot| Probe { slot, width, first: 0, end: 1 << width };
        for (count, width) in [(1, 7), (64, 7), (65, 6), (130, 6), (131, 5), (8192, 1), (8193, 0)] {
            let probes = first_probes(&keyspaces[..count], Limits::FULL.first_digests_bytes());
            let expected: Vec<Probe> = (0..count).map(probe(width)).collect();
            assert_eq!(probes, expected, "{count} keyspaces");
        }
    }

    // A gap would hide keyspaces, an overlap would name them twice.
    #[test]
    fn censuses_cover_all_ids_and_none_twice() {
        let keyspaces = keyspaces(10, 0);
        for (count, most, upto) in [
            (0, 3, vec![]),
            (1, 3, vec![]),
            (3, 3, vec![]),
            (4, 3, vec![2]),
            (10, 3, vec![2, 5, 8]),
        ] {
            let ends: Vec<Option<KeyspaceId>> =
                upto.into_iter().map(|at: usize| Some(keyspaces[at].0)).chain([None]).collect();
            let censuses = all_censuses(&keyspaces[..count], most);
            assert_eq!(censuses.iter().map(|census| census.upto).collect::<Vec<_>>(), ends);
            let starts: Vec<_> = censuses.iter().map(|census| census.after).collect();
            assert_eq!(starts[0], None);
            assert_eq!(&starts[1..], &ends[..ends.len() - 1]);
        }
    }
}
