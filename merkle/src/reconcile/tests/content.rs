//! Any messages: strategies that draw them.

use proptest::prelude::*;

use crate::digest::KeyHash;
use crate::reconcile::bucket::Base;
use crate::reconcile::wire::{Ask, Response, Resume, Tell};
use crate::reconcile::{KeyspaceId, MAX_BUCKET_BITS};

fn ids() -> impl Strategy<Value = Vec<KeyspaceId>> {
    prop::collection::btree_set(any::<[u8; 16]>(), 0..5).prop_map(|ids| ids.into_iter().collect())
}

fn base() -> impl Strategy<Value = Base> {
    (any::<u64>(), 0u8..=MAX_BUCKET_BITS).prop_map(|(head, len)| {
        Base::new(head & !u64::MAX.checked_shr(len.into()).unwrap(), len).unwrap()
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let keyspace = || prop_oneof![Just([1; 16]), Just([2; 16])];
    prop_oneof![
        (ids(), any::<bool>()).prop_map(|(mut ids, open)| {
            let upto = if open { None } else { ids.last().copied() };
            let after = (ids.len() > 1).then(|| ids.remove(0));
            Ask::Census { after, upto, ids }
        }),
        (
            keyspace(),
            0u8..=6,
            any::<prop::sample::Index>(),
            prop::collection::vec(any::<u64>(), 1..64)
        )
            .prop_map(|(keyspace, width, first, mut digests)| {
                let first = first.index(1 << width);
                digests.truncate((1 << width) - first);
                let first = u32::try_from(first).unwrap();
                Ask::Probe { keyspace, width, first, digests }
            }),
        (keyspace(), base(), prop::collection::vec(0u64..1 << 48, 0..9))
            .prop_map(|(keyspace, base, fingerprints)| Ask::List { keyspace, base, fingerprints }),
    ]
}

/// Questions of which none is about what another is about.
pub(super) fn asks() -> impl Strategy<Value = Vec<Ask>> {
    prop::collection::vec(ask(), 0..8).prop_map(|asks| {
        let mut kept: Vec<Ask> = Vec::new();
        for ask in asks {
            if kept.iter().all(|other| apart(other, &ask)) {
                kept.push(ask);
            }
        }
        kept.sort_by_key(place);
        kept
    })
}

/// Keyspace, first and last head.
fn place(ask: &Ask) -> (KeyspaceId, u64, u64) {
    match ask {
        Ask::Census { after, .. } => (after.unwrap_or_default(), 0, 0),
        Ask::Probe { keyspace, width, first, digests } => {
            let each = if *width == 0 { 0 } else { 1u64 << (64 - width) };
            let count = u32::try_from(digests.len()).unwrap();
            let last = each.wrapping_mul((first + count).into()).wrapping_sub(1);
            (*keyspace, each * u64::from(*first), last)
        }
        Ask::List { keyspace, base, .. } => {
            let last = base.head() | u64::MAX.checked_shr(base.len().into()).unwrap();
            (*keyspace, base.head(), last)
        }
    }
}

fn apart(one: &Ask, other: &Ask) -> bool {
    match (one, other) {
        (Ask::Census { .. }, Ask::Census { .. }) => false,
        (Ask::Census { .. }, _) | (_, Ask::Census { .. }) => true,
        _ => {
            let ((id, first, last), (other, from, upto)) = (place(one), place(other));
            id != other || last < from || upto < first
        }
    }
}

fn tell() -> impl Strategy<Value = Tell> {
    let keys = || {
        prop::collection::btree_set(any::<[u8; KeyHash::BYTES]>(), 0..5)
            .prop_map(|keys| keys.into_iter().map(KeyHash).collect::<Vec<_>>())
    };
    prop_oneof![
        ids().prop_map(Tell::Missing),
        (any::<u32>(), 0u8..=4, prop::collection::vec(any::<u64>(), 16)).prop_map(
            |(bucket, width, mut digests)| {
                digests.truncate(1 << width);
                Tell::Refine { bucket, width, digests }
            }
        ),
        keys().prop_map(Tell::Keys),
        (keys(), prop::collection::vec(any::<bool>(), 0..20))
            .prop_map(|(keys, absent)| Tell::Exact { keys, absent }),
        Just(Tell::Unknown),
    ]
}

fn resume() -> impl Strategy<Value = Option<Resume>> {
    prop_oneof![
        Just(None),
        any::<[u8; 16]>().prop_map(|id| Some(Resume::Census(id))),
        any::<u32>().prop_map(|bucket| Some(Resume::Probe(bucket))),
        any::<[u8; KeyHash::BYTES]>().prop_map(|hash| Some(Resume::List(KeyHash(hash)))),
    ]
}

pub(super) fn response() -> impl Strategy<Value = Response> {
    (any::<u32>(), resume(), prop::collection::vec((0u32..300, tell()), 0..6)).prop_map(
        |(answered, resume, mut tells)| {
            tells.sort_by_key(|(ask, _)| *ask);
            Response { answered, resume, tells }
        },
    )
}
