//! More than goes into one message, or into one list.

use super::{Mem, answers, short, side};
use crate::digest::{Digest, KeyHash};
use crate::pages::MemPages;
use crate::reconcile::bucket::Base;
use crate::reconcile::wire::{Ask, Request, Response, Resume, Tell};
use crate::reconcile::{Initiator, KeyspaceId, ReconcileError, Responder};
use crate::trie::{Change, Trie};
use crate::view::View;

const ID: KeyspaceId = [5; 16];

fn responder(keys: u64) -> Responder<MemPages<()>> {
    Responder::new(side((0..keys).map(|key| (key, 1))))
}

/// How far each message says that the answer has got.
fn reached(messages: &[Response]) -> Vec<(u32, Option<Resume>)> {
    messages.iter().map(|message| (message.answered, message.resume)).collect()
}

// None is cut less finely than is best because others are to fit beside it.
#[test]
fn buckets_are_cut_by_what_is_in_them() {
    let view = side([]).remove(&ID).unwrap();
    let trie: Mem = {
        let hashes = (0..200_000u32).map(|no| {
            let mut hash = [0; KeyHash::BYTES];
            hash[..4].copy_from_slice(&no.reverse_bits().to_be_bytes());
            KeyHash(hash)
        });
        filled(view, hashes)
    };
    let responder = Responder::new([(ID, trie)].into());
    let probe = Ask::Probe { keyspace: ID, width: 2, first: 0, digests: vec![1; 4] };
    let messages = answers(&responder, vec![probe]);
    assert!(messages.iter().all(|message| !message.tells.is_empty()));
    assert_eq!(messages.last().unwrap().answered, 1);
    let told: Vec<(u32, u8)> = messages
        .iter()
        .flat_map(|message| &message.tells)
        .map(|(_, tell)| match tell {
            Tell::Refine { bucket, width, .. } => (*bucket, *width),
            other => panic!("{other:?}"),
        })
        .collect();
    // 50,000 leaves each: 8 * 50,000 is a number of 19 bits.
    assert_eq!(told, [(0, 9), (1, 9), (2, 9), (3, 9)]);
}

// Each message goes on where the one before it was full, in the middle of a question or between two.
#[test]
fn a_probe_goes_on_at_the_bucket_that_did_not_fit() {
    let full = side((0..400).map(|key| (key, 1)));
    let responder = Responder::with_limits(full, short(256));
    let probe =
        |first, count| Ask::Probe { keyspace: ID, width: 4, first, digests: vec![1; count] };
    let messages = answers(&responder, vec![probe(0, 1), probe(2, 9)]);
    let starts: Vec<u32> = messages
        .iter()
        .filter_map(|message| match message.tells.first() {
            Some((_, Tell::Refine { bucket, .. })) => Some(*bucket),
            _ => None,
        })
        .collect();
    assert!(messages.len() > 2 && starts.is_sorted() && starts.len() == messages.len());
    for (message, next) in messages.iter().zip(&starts[1..]) {
        match message.resume {
            Some(Resume::Probe(bucket)) => assert_eq!(bucket, *next),
            None => assert_eq!((message.answered, *next), (1, 2)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(messages.last().unwrap().answered, 2);
}

#[test]
fn questions_about_no_keyspace_are_answered_up_to_the_last_byte() {
    let lists = (0..70_000u32 - 4_464).map(|at| {
        let base = Base::ALL.child(10, at >> 6).child(6, at & 63);
        Ask::List { keyspace: [6; 16], base, fingerprints: vec![] }
    });
    let messages = answers(&responder(1), lists.collect());
    assert_eq!(reached(&messages), [(65_532, None), (65_536, None)]);
}

// Up to the last byte, and the next message goes on behind the last one that was named.
#[test]
fn a_census_of_many_keyspaces_goes_on_where_the_message_ends() {
    let id = |no: u32| u128::from(no).to_be_bytes();
    let view = View::new(Trie::new(), MemPages::<()>::new());
    let responder = Responder::new((0..70_000).map(|no| (id(no), view.clone())).collect());
    let census = |after, upto| Ask::Census { after, upto, ids: vec![id(2000)] };
    let rows = [
        (vec![census(None, None)], vec![65_531, 4_468]),
        (
            vec![
                Ask::Census { after: None, upto: Some(id(999)), ids: vec![] },
                census(Some(id(999)), None),
            ],
            vec![1000, 64_530, 4_469],
        ),
    ];
    for (asks, named) in rows {
        let asked = u32::try_from(asks.len()).unwrap();
        let messages = answers(&responder, asks);
        let missing: Vec<&Vec<KeyspaceId>> = messages
            .iter()
            .flat_map(|message| &message.tells)
            .map(|(_, tell)| if let Tell::Missing(ids) = tell { ids } else { panic!("{tell:?}") })
            .collect();
        assert_eq!(missing.iter().map(|ids| ids.len()).collect::<Vec<_>>(), named);
        let all: Vec<KeyspaceId> = missing.into_iter().flatten().copied().collect();
        assert!(all.is_sorted() && all.len() == 69_999 && !all.contains(&id(2000)));
        let last = all[all.len() - named[named.len() - 1] - 1];
        let resume = Some(Resume::Census(last));
        assert_eq!(reached(&messages), [(asked - 1, resume), (asked, None)]);
    }
}

// The last key goes in when there is just room for it. Which leaves are absent is said once, at the
// end, in a message of its own when the keys fill all others.
#[test]
fn a_list_goes_on_where_the_message_ends() {
    let rows = [(64, 43_687, 1), (65, 43_687, 2), (64, 43_688, 2), (64, 90_000, 3)];
    for (prints, keys, count) in rows {
        let fingerprints = (0..prints).collect();
        let ask = Ask::List { keyspace: ID, base: Base::ALL, fingerprints };
        let messages = answers(&responder(keys), vec![ask]);
        assert_eq!(messages.len(), count);
        let mut all = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            let more = at + 1 < count;
            let keys = match &message.tells[..] {
                [(0, Tell::Keys(keys))] if more => keys,
                [(0, Tell::Exact { keys, absent })] if !more => {
                    assert!(absent.len() as u64 == prints && absent.iter().all(|absent| *absent));
                    keys
                }
                other => panic!("{other:?}"),
            };
            all.extend(keys);
            let resume = more.then(|| Resume::List(all[all.len() - 1]));
            assert_eq!((message.answered, message.resume), (u32::from(!more), resume));
        }
        assert!(all.is_sorted() && all.len() as u64 == keys);
    }
}

fn filled(mut view: Mem, hashes: impl IntoIterator<Item = KeyHash>) -> Mem {
    let leaf = Some((Digest([1; 32]), ()));
    let mut changes: Vec<_> =
        hashes.into_iter().map(|hash| Change { hash, key: &[], put: leaf, before: None }).collect();
    view.trie.apply(&view.pages, &mut changes).unwrap();
    view
}

/// Keys whose hashes agree but for two bytes, of which `at` is the first.
fn crowded(keys: u16, at: usize) -> Mem {
    let hash = |key: u16| {
        let mut hash = [0; KeyHash::BYTES];
        hash[at..at + 2].copy_from_slice(&key.to_be_bytes());
        KeyHash(hash)
    };
    filled(View::new(Trie::new(), MemPages::new()), (0..keys).map(hash))
}

/// What is listed when the first bucket of the probe is said to differ.
fn listed(mut initiator: Initiator<MemPages<()>>) -> Result<Vec<Vec<Ask>>, ReconcileError> {
    let request = Request::decode(&initiator.next_request().unwrap()).unwrap();
    assert!(matches!(&request.asks[..], [Ask::Census { .. }, Ask::Probe { first: 0, .. }]));
    let refine = Tell::Refine { bucket: 0, width: 0, digests: vec![1] };
    let response = Response { answered: 2, resume: None, tells: vec![(1, refine)] };
    initiator.on_response(&response.encode()).unwrap();
    let mut requests = Vec::new();
    while let Some(request) = initiator.next_request() {
        requests.push(Request::decode(&request).unwrap().asks);
    }
    let trips = initiator.trips();
    match initiator.finish() {
        Err(ReconcileError::Unfinished) => {
            assert_eq!(trips, 2);
            Ok(requests)
        }
        Err(error) => Err(error),
        Ok(found) => panic!("{found:?}"),
    }
}

// It is not asked about again in order to be cut up, which would be a trip more: this side knows how
// many leaves of its own are where.
#[test]
fn a_bucket_that_is_too_large_for_a_list_is_several_lists() {
    let limits = short(4096);
    let initiator = |at| Initiator::with_limits([(ID, crowded(2000, at))].into(), [0; 16], limits);
    // They differ in bits 24 to 39.
    let requests = listed(initiator(3)).unwrap();
    let lists: Vec<(Base, usize)> = requests
        .iter()
        .flatten()
        .map(|ask| match ask {
            Ask::List { base, fingerprints, .. } => (*base, fingerprints.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(requests.len() > 1);
    assert_eq!(lists.iter().map(|(_, count)| count).sum::<usize>(), 2000);
    assert!(lists.iter().all(|(_, count)| *count <= limits.listed_leaves()));
    // Together they are the bucket of five bits that was said to differ.
    let mut next = 0;
    for (base, _) in &lists {
        assert_eq!(base.head(), next);
        next = base.last() + 1;
    }
    assert_eq!(next, 1 << 59);
}

// Deeper than 56 bits there are no buckets: such a list may fill a message, and no more than that.
#[test]
fn leaves_that_share_the_bits_of_buckets_are_one_list_or_too_many() {
    let leaves = short(4096).most_listed_leaves();
    assert_eq!(leaves, 668);
    let initiator = |keys| {
        let here = [(ID, crowded(keys, 8))].into();
        Initiator::with_limits(here, [0; 16], short(4096))
    };
    let requests = listed(initiator(668)).unwrap();
    let longest = requests.iter().flatten().find_map(|ask| match ask {
        Ask::List { base, fingerprints, .. } if base.len() == 56 && base.head() == 0 => {
            Some(fingerprints.len())
        }
        _ => None,
    });
    assert_eq!(longest, Some(668));
    assert_eq!(listed(initiator(669)), Err(ReconcileError::TooCrowded));
}
