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

fn within(base: Base, tail: [u8; KeyHash::BYTES]) -> KeyHash {
    let head = base.head() | (u64::from(tail[8]) & 0xff);
    let mut hash = tail;
    hash[..8].copy_from_slice(&head.to_be_bytes());
    KeyHash(hash)
}

pub(super) fn ask() -> impl Strategy<Value = Ask> {
    let keyspace = || prop_oneof![Just([1; 16]), Just([2; 16])];
    prop_oneof![
        (ids(), any::<bool>()).prop_map(|(mut ids, open)| {
            let upto = if open { None } else { ids.last().copied() };
            let after = (ids.len() > 1).then(|| ids.remove(0));
            Ask::Census { after, upto, ids }
        }),
        (
            keyspace(),
            base(),
            0u8..=6,
            any::<prop::sample::Index>(),
            prop::collection::vec(any::<u64>(), 1..64)
        )
            .prop_map(|(keyspace, base, width, first, mut digests)| {
                let width = width.min(MAX_BUCKET_BITS - base.len());
                let first = first.index(1 << width);
                digests.truncate((1 << width) - first);
                let first = u32::try_from(first).unwrap();
                Ask::Probe { keyspace, base, width, first, digests }
            }),
        (
            keyspace(),
            base(),
            any::<Option<[u8; KeyHash::BYTES]>>(),
            prop::collection::vec(0u64..1 << 48, 0..9)
        )
            .prop_map(|(keyspace, base, after, fingerprints)| {
                let after = after.map(|tail| within(base, tail));
                Ask::List { keyspace, base, after, fingerprints }
            }),
    ]
}

fn tell() -> impl Strategy<Value = Tell> {
    let keys = prop::collection::btree_set(any::<[u8; KeyHash::BYTES]>(), 0..5)
        .prop_map(|keys| keys.into_iter().map(KeyHash).collect::<Vec<_>>());
    prop_oneof![
        ids().prop_map(Tell::Missing),
        (any::<u32>(), 0u8..=4, prop::collection::vec(any::<u64>(), 16)).prop_map(
            |(bucket, width, mut digests)| {
                digests.truncate(1 << width);
                Tell::Refine { bucket, width, digests }
            }
        ),
        (keys, prop::collection::vec(any::<bool>(), 0..20))
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
