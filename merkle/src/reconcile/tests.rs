//! Messages as bytes, and peers that are broken or hostile.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::bucket::Base;
use super::wire::{Ask, Request, RequestBuilder, Response, Resume, Tell};
use super::*;
use crate::digest::Digest;
use crate::pages::MemPages;
use crate::trie::{Change, Trie};
use crate::view::View;

type Mem = View<MemPages<()>>;

fn side(keys: impl IntoIterator<Item = (u64, u8)>) -> BTreeMap<KeyspaceId, Mem> {
    let keys: Vec<_> = keys.into_iter().map(|(key, value)| (key.to_le_bytes(), value)).collect();
    let mut changes: Vec<_> = keys
        .iter()
        .map(|(key, value)| Change::new(key, Some((Digest([*value; 32]), ()))))
        .collect();
    let mut view = View::new(Trie::new(), MemPages::new());
    view.trie.apply(&view.pages, &mut changes).unwrap();
    BTreeMap::from([([5; 16], view)])
}

impl Request {
    fn encode(&self) -> Vec<u8> {
        let mut request = RequestBuilder::new();
        assert!(self.asks.iter().all(|ask| request.push(ask)), "fits into a message");
        request.finish(&self.salt)
    }
}

fn ids() -> impl Strategy<Value = Vec<KeyspaceId>> {
    prop::collection::btree_set(any::<[u8; 16]>(), 0..5).prop_map(|ids| ids.into_iter().collect())
}

fn base() -> impl Strategy<Value = Base> {
    (any::<u64>(), 0u8..=MAX_BUCKET_BITS).prop_map(|(head, len)| {
        Base::new(head & !u64::MAX.checked_shr(len.into()).unwrap(), len).unwrap()
    })
}

fn within(base: Base, tail: [u8; 32]) -> KeyHash {
    let head = base.head() | (u64::from(tail[8]) & 0xff);
    let mut hash = tail;
    hash[..8].copy_from_slice(&head.to_be_bytes());
    KeyHash(hash)
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
        (keyspace(), base(), any::<Option<[u8; 32]>>(), prop::collection::vec(0u64..1 << 48, 0..9))
            .prop_map(|(keyspace, base, after, fingerprints)| {
                let after = after.map(|tail| within(base, tail));
                Ask::List { keyspace, base, after, fingerprints }
            }),
    ]
}

fn tell() -> impl Strategy<Value = Tell> {
    let keys = prop::collection::btree_set(any::<[u8; 32]>(), 0..5)
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
        any::<[u8; 32]>().prop_map(|hash| Some(Resume::List(KeyHash(hash)))),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    (any::<u32>(), resume(), prop::collection::vec((0u32..300, tell()), 0..6)).prop_map(
        |(answered, resume, mut tells)| {
            tells.sort_by_key(|(ask, _)| *ask);
            Response { answered, resume, tells }
        },
    )
}

proptest! {
    #[test]
    fn requests_round_trip(salt: [u8; 16], asks in prop::collection::vec(ask(), 0..8), flip: prop::sample::Index) {
        let request = Request { salt, asks };
        let mut bytes = request.encode();
        prop_assert_eq!(Request::decode(&bytes), Ok(request));
        // One content, one encoding: a changed message is another one or none.
        let at = flip.index(bytes.len());
        bytes[at] ^= 1 << (at % 8);
        if let Ok(other) = Request::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn responses_round_trip(response in response(), flip: prop::sample::Index) {
        let mut bytes = response.encode();
        prop_assert_eq!(Response::decode(&bytes), Ok(response));
        let at = flip.index(bytes.len());
        bytes[at] ^= 1 << (at % 8);
        if let Ok(other) = Response::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), headed: bool) {
        let mut bytes = bytes;
        if headed && bytes.len() > 2 {
            bytes[0] = 1;
            bytes[1] = if bytes[2] % 2 == 0 { b'Q' } else { b'R' };
        }
        let _ = Responder::new(side([(1, 1)])).answer(&bytes);
        if let Ok(response) = Response::decode(&bytes) {
            prop_assert_eq!(response.encode(), bytes);
        }
    }

    // Each response is spoilt at random and goes on as if it were well: it has to end, in a result
    // or in a typed error, within a few trips more than an honest exchange takes.
    #[test]
    fn a_peer_that_garbles_its_answers(seeds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut initiator = Initiator::new(side((0..400).map(|key| (key, 1))));
        let responder = Responder::new(side((200..700).map(|key| (key, 1 + u8::from(key % 9 == 0)))));
        for trip in 0.. {
            prop_assert!(trip < 64, "no end");
            let Some(request) = initiator.next_request() else { break };
            let mut response = responder.answer(&request).unwrap();
            let (at, bits) = seeds[trip % seeds.len()];
            let at = at.index(response.len());
            response[at] ^= bits;
            if initiator.on_response(&response).is_err() {
                break;
            }
        }
        let _ = initiator.finish();
    }

    // Well-formed answers to other questions than were asked.
    #[test]
    fn a_peer_that_makes_its_answers_up(responses in prop::collection::vec(response(), 1..20)) {
        let mut initiator = Initiator::new(side((0..400).map(|key| (key, 1))));
        for mut response in responses {
            if initiator.next_request().is_none() {
                break;
            }
            response.answered %= 4;
            for (ask, _) in &mut response.tells {
                *ask %= 4;
            }
            response.tells.sort_by_key(|(ask, _)| *ask);
            if initiator.on_response(&response.encode()).is_err() {
                break;
            }
        }
        let _ = initiator.finish();
    }

    #[test]
    fn a_request_of_any_questions_is_answered(asks in prop::collection::vec(ask(), 0..8)) {
        let mut side = side((0..300).map(|key| (key, 1)));
        side.insert([1; 16], side[&[5; 16]].clone());
        let bytes = Responder::new(side).answer(&Request { salt: [0; 16], asks: asks.clone() }.encode()).unwrap();
        let response = Response::decode(&bytes).unwrap();
        prop_assert_eq!(usize::try_from(response.answered).unwrap(), asks.len());
    }
}

/// An initiator of 400 keys whose first request is out.
fn asked() -> Initiator<MemPages<()>> {
    let mut initiator = Initiator::new(side((0..400).map(|key| (key, 1))));
    let request = Request::decode(&initiator.next_request().unwrap()).unwrap();
    assert!(matches!(request.asks[..], [Ask::Census { .. }, Ask::Probe { width: 4, .. }]));
    initiator
}

fn answer(answered: u32, resume: Option<Resume>, tells: Vec<(u32, Tell)>) -> Vec<u8> {
    Response { answered, resume, tells }.encode()
}

#[test]
fn answers_that_do_not_get_on_end_it() {
    let refine = |bucket| (1, Tell::Refine { bucket, width: 0, digests: vec![1] });
    let exact = Tell::Exact { keys: vec![], absent: vec![] };
    let deep = Tell::Refine { bucket: 0, width: 15, digests: vec![0; 1 << 15] };
    let rows: Vec<(&str, Vec<u8>, ReconcileError)> = vec![
        ("nothing", answer(0, None, vec![]), ReconcileError::NoProgress),
        ("more than asked", answer(3, None, vec![]), ReconcileError::Unasked),
        ("beyond the last", answer(2, Some(Resume::Probe(1)), vec![]), ReconcileError::Unasked),
        ("wrong kind", answer(2, None, vec![(0, exact.clone())]), ReconcileError::Unasked),
        ("list for a probe", answer(2, None, vec![(1, exact)]), ReconcileError::Unasked),
        ("part of no question", answer(2, None, vec![(2, Tell::Unknown)]), ReconcileError::Unasked),
        ("no such bucket", answer(2, None, vec![refine(16)]), ReconcileError::Unasked),
        ("a bucket twice", answer(2, None, vec![refine(3), refine(3)]), ReconcileError::Unasked),
        ("buckets backwards", answer(2, None, vec![refine(3), refine(2)]), ReconcileError::Unasked),
        ("stands still", answer(1, Some(Resume::Probe(0)), vec![]), ReconcileError::NoProgress),
        ("ends early", answer(1, Some(Resume::Probe(16)), vec![]), ReconcileError::NoProgress),
        (
            "goes too far",
            answer(1, Some(Resume::Probe(3)), vec![refine(3)]),
            ReconcileError::Unasked,
        ),
        (
            "resumes another",
            answer(1, Some(Resume::List(KeyHash([0; 32]))), vec![]),
            ReconcileError::Unasked,
        ),
        (
            "has it here",
            answer(2, None, vec![(0, Tell::Missing(vec![[5; 16]]))]),
            ReconcileError::Unasked,
        ),
    ];
    for (name, response, error) in rows {
        let mut initiator = asked();
        assert_eq!(initiator.on_response(&response), Err(error), "{name}");
        assert_eq!(initiator.next_request(), None, "{name}");
        assert_eq!(initiator.finish().unwrap_err(), error, "{name}");
    }
    assert_eq!(asked().on_response(&answer(2, None, vec![(1, deep)])), Ok(()));
}

#[test]
fn lists_that_do_not_fit_end_it() {
    // Bucket 0 of 16 is claimed to differ: it is listed next.
    let listed = || {
        let mut initiator = asked();
        let refine = Tell::Refine { bucket: 0, width: 0, digests: vec![1] };
        initiator.on_response(&answer(2, None, vec![(1, refine)])).unwrap();
        let request = Request::decode(&initiator.next_request().unwrap()).unwrap();
        let [Ask::List { fingerprints, .. }] = &request.asks[..] else { panic!("one list") };
        (initiator, fingerprints.len())
    };
    let (_, own) = listed();
    let exact = |key: u8, own: usize| Tell::Exact {
        keys: vec![KeyHash([key; 32])],
        absent: vec![false; own],
    };
    let resume = |key: u8| Some(Resume::List(KeyHash([key; 32])));
    let rows = vec![
        ("other count", answer(1, None, vec![(0, exact(0, own + 1))]), ReconcileError::Unasked),
        ("other bucket", answer(1, None, vec![(0, exact(0x10, own))]), ReconcileError::Unasked),
        (
            "two lists",
            answer(1, None, vec![(0, exact(0, own)), (0, exact(1, own))]),
            ReconcileError::Unasked,
        ),
        ("beyond its end", answer(0, resume(0), vec![(0, exact(1, own))]), ReconcileError::Unasked),
        (
            "ends elsewhere",
            answer(0, resume(0x10), vec![(0, exact(0, own))]),
            ReconcileError::NoProgress,
        ),
    ];
    for (name, response, error) in rows {
        assert_eq!(listed().0.on_response(&response), Err(error), "{name}");
    }

    let (mut initiator, _) = listed();
    initiator.on_response(&answer(0, resume(1), vec![(0, exact(1, own))])).unwrap();
    let request = Request::decode(&initiator.next_request().unwrap()).unwrap();
    let [Ask::List { after, fingerprints, .. }] = &request.asks[..] else { panic!("one list") };
    assert_eq!(*after, Some(KeyHash([1; 32])));
    let left = vec![false; fingerprints.len()];
    let again = Tell::Exact { keys: vec![KeyHash([1; 32])], absent: left };
    assert_eq!(
        initiator.on_response(&answer(1, None, vec![(0, again)])),
        Err(ReconcileError::Unasked)
    );
}

#[test]
fn too_long_messages_are_not_read() {
    let long = vec![1; MAX_MESSAGE_BYTES + 1];
    let error = ReconcileError::TooLong(long.len());
    assert_eq!(Responder::new(side([])).answer(&long), Err(error));
    assert_eq!(asked().on_response(&long), Err(error));
}

#[test]
fn later_versions_are_named() {
    let mut request = Request { salt: [0; 16], asks: vec![] }.encode();
    request[0] = 2;
    assert_eq!(Responder::new(side([])).answer(&request), Err(ReconcileError::Version(2)));
}

// Without seeking past `after`, each of these questions would scan all of the keyspace.
#[test]
fn what_comes_before_the_resume_point_is_not_scanned() {
    let mut last = [0xff; 32];
    last[31] = 0xfe;
    let responder = Responder::new(side((0..40_000).map(|key| (key, 1))));
    let after = Some(KeyHash(last));
    let ask = Ask::List { keyspace: [5; 16], base: Base::ALL, after, fingerprints: vec![] };
    let request = Request { salt: [0; 16], asks: vec![ask; 20_000] };
    let response = Response::decode(&responder.answer(&request.encode()).unwrap()).unwrap();
    assert_eq!((response.answered, response.resume), (20_000, None));
}

#[test]
fn a_request_takes_what_fits_and_no_more() {
    let ask = Ask::Census { after: None, upto: None, ids: vec![] };
    let mut request = RequestBuilder::new();
    while request.push(&ask) {}
    let bytes = request.finish(&[0; 16]);
    assert_eq!(Request::decode(&bytes).unwrap().asks, vec![ask; MAX_ASKS]);

    let list =
        Ask::List { keyspace: [3; 16], base: Base::ALL, after: None, fingerprints: vec![7; 999] };
    let mut request = RequestBuilder::new();
    let mut pushed = 0;
    while request.push(&list) {
        pushed += 1;
    }
    assert!(request.room() < 6 * 999 + Ask::MAX_FIXED_BYTES);
    let bytes = request.finish(&[0; 16]);
    assert!(bytes.len() <= MAX_MESSAGE_BYTES);
    assert_eq!(Request::decode(&bytes).unwrap().asks, vec![list; pushed]);
}
