//! Questions to ask, and those that a reconciliation begins with.

use std::collections::{BTreeMap, VecDeque};

use crate::digest::KeyHash;
use crate::pages::Pages;
use crate::reconcile::KeyspaceId;
use crate::reconcile::bucket::Base;
use crate::reconcile::session::DIGEST_BYTES;
use crate::reconcile::wire::Resume;
use crate::view::View;

/// The most bytes of digests in the first request. With many keyspaces each gets fewer.
const FIRST_DIGESTS_BYTES: usize = 64 << 10;
/// The most keyspaces named in one question.
const CENSUS_IDS: usize = 1 << 12;

/// A question to ask.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    Census { after: Option<KeyspaceId>, upto: Option<KeyspaceId> },
    Probe { keyspace: KeyspaceId, base: Base, width: u8, first: u32, end: u32 },
    List { keyspace: KeyspaceId, base: Base, after: Option<KeyHash> },
}

impl Task {
    pub(super) fn keyspace(&self) -> Option<KeyspaceId> {
        match self {
            Self::Census { .. } => None,
            Self::Probe { keyspace, .. } | Self::List { keyspace, .. } => Some(*keyspace),
        }
    }

    /// What of the question is left after an answer up to `resume`; `None` when that answer is not
    /// one to this question or does not get on with it.
    pub(super) fn beyond(self, resume: Resume) -> Option<Self> {
        match (self, resume) {
            (Self::Census { after, upto }, Resume::Census(id)) => {
                let gets_on = after.is_none_or(|after| after < id);
                let more = upto.is_none_or(|upto| id < upto);
                (gets_on && more).then_some(Self::Census { after: Some(id), upto })
            }
            (Self::Probe { keyspace, base, width, first, end }, Resume::Probe(bucket)) => {
                let rest = Self::Probe { keyspace, base, width, first: bucket, end };
                (first < bucket && bucket < end).then_some(rest)
            }
            (Self::List { keyspace, base, after }, Resume::List(key)) => {
                let gets_on = after.is_none_or(|after| after < key) && base.contains(&key);
                gets_on.then_some(Self::List { keyspace, base, after: Some(key) })
            }
            _ => None,
        }
    }
}

/// Questions that together cover all ids there can be.
pub(super) fn census_tasks<P: Pages>(local: &BTreeMap<KeyspaceId, View<P>>) -> VecDeque<Task> {
    let ids: Vec<KeyspaceId> = local.keys().copied().collect();
    let mut after = None;
    let mut tasks = VecDeque::new();
    for chunk in ids.chunks(CENSUS_IDS) {
        let upto = chunk.last().copied().filter(|last| Some(last) != ids.last());
        tasks.push_back(Task::Census { after, upto });
        after = upto;
    }
    if tasks.is_empty() {
        tasks.push_back(Task::Census { after: None, upto: None });
    }
    tasks
}

/// One probe a keyspace, as fine as the bytes for all of them allow.
pub(super) fn first_probes<P: Pages>(local: &BTreeMap<KeyspaceId, View<P>>) -> Vec<Task> {
    let mut widths: Vec<(KeyspaceId, u8)> =
        local.iter().map(|(id, trie)| (*id, Base::ALL.width_for(trie.len()))).collect();
    let bytes = |widths: &[(KeyspaceId, u8)]| -> usize {
        widths.iter().map(|(_, width)| DIGEST_BYTES << width).sum()
    };
    while bytes(&widths) > FIRST_DIGESTS_BYTES && widths.iter().any(|(_, width)| *width > 0) {
        for (_, width) in &mut widths {
            *width = width.saturating_sub(1);
        }
    }
    let probe = |(keyspace, width)| Task::Probe {
        keyspace,
        base: Base::ALL,
        width,
        first: 0,
        end: 1 << width,
    };
    widths.into_iter().map(probe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::pages::MemPages;
    use crate::trie::{Change, Trie};

    // An answer that stops where the question began, or behind its end, would be asked for for ever,
    // or name what another question is about.
    #[test]
    fn a_question_goes_on_strictly_inside_of_what_is_left_of_it() {
        let id = |byte| [byte; 16];
        let census = Task::Census { after: Some(id(2)), upto: Some(id(6)) };
        let probe = Task::Probe { keyspace: id(1), base: Base::ALL, width: 3, first: 2, end: 6 };
        let half = Base::ALL.child(1, 0);
        let list =
            Task::List { keyspace: id(1), base: half, after: Some(KeyHash([2; KeyHash::BYTES])) };
        for (at, goes_on) in [(1, false), (2, false), (3, true), (5, true), (6, false), (7, false)]
        {
            let (number, key) = (u32::from(at), KeyHash([at; KeyHash::BYTES]));
            let rest = census.beyond(Resume::Census(id(at)));
            assert_eq!(rest.is_some(), goes_on, "census {at}");
            let rest = probe.beyond(Resume::Probe(number));
            assert_eq!(rest.is_some(), goes_on, "probe {at}");
            if let Some(Task::Probe { first, end, .. }) = rest {
                assert_eq!((first, end), (number, 6));
            }
            // A list has no end but its bucket's.
            assert_eq!(list.beyond(Resume::List(key)).is_some(), at > 2, "list {at}");
        }
        assert!(
            list.beyond(Resume::List(KeyHash([0x80; KeyHash::BYTES]))).is_none(),
            "another bucket"
        );
        assert!(
            list.beyond(Resume::Probe(3)).is_none()
                && probe.beyond(Resume::Census(id(3))).is_none()
        );
    }

    // The first request is as fine as its bytes allow: 64 KiB of digests, whatever the number of
    // keyspaces.
    #[test]
    fn the_first_probes_take_what_they_may_and_no_more() {
        let keys: Vec<[u8; 2]> = (0..10_000u16).map(u16::to_le_bytes).collect();
        let mut changes: Vec<_> =
            keys.iter().map(|key| Change::new(key, Some((Digest([1; 32]), ())))).collect();
        let mut view = View::new(Trie::new(), MemPages::new());
        view.trie.apply(&view.pages, &mut changes).unwrap();
        let widths = |keyspaces: u16| {
            let id = |no: u16| u128::from(no).to_be_bytes();
            let local: BTreeMap<_, _> = (0..keyspaces).map(|no| (id(no), view.clone())).collect();
            let probes = first_probes(&local).into_iter();
            let width = |task| match task {
                Task::Probe { base: Base::ALL, width, first: 0, end, .. } if end == 1 << width => {
                    width
                }
                other => panic!("{other:?}"),
            };
            probes.map(width).collect::<Vec<_>>()
        };
        // Of 2^7 buckets a keyspace 64 keyspaces take exactly what there is.
        for (keyspaces, width) in [(1, 7), (64, 7), (65, 6), (128, 6), (8192, 0), (9000, 0)] {
            assert_eq!(widths(keyspaces), vec![width; keyspaces.into()], "{keyspaces} keyspaces");
        }
    }
}
