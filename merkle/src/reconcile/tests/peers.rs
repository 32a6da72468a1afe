//! Peers that are broken or hostile: what they send ends in a result or in an error, soon.

use proptest::prelude::*;

use super::content::{ask, response};
use super::side;
use crate::digest::KeyHash;
use crate::pages::MemPages;
use crate::reconcile::bucket::Base;
use crate::reconcile::wire::{Ask, Request, Response, Resume, Tell};
use crate::reconcile::{Initiator, MAX_MESSAGE_BYTES, ReconcileError, Responder};

proptest! {
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
            answer(1, Some(Resume::List(KeyHash([0; KeyHash::BYTES]))), vec![]),
            ReconcileError::Unasked,
        ),
        (
            "an id beyond its end",
            answer(0, Some(Resume::Census([3; 16])), vec![(0, Tell::Missing(vec![[4; 16]]))]),
            ReconcileError::Unasked,
        ),
        (
            "an id twice",
            answer(2, None, vec![(0, Tell::Missing(vec![[6; 16]; 2]))]),
            ReconcileError::Malformed,
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
        keys: vec![KeyHash([key; KeyHash::BYTES])],
        absent: vec![false; own],
    };
    let resume = |key: u8| Some(Resume::List(KeyHash([key; KeyHash::BYTES])));
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
    assert_eq!(*after, Some(KeyHash([1; KeyHash::BYTES])));
    let left = vec![false; fingerprints.len()];
    let again = Tell::Exact { keys: vec![KeyHash([1; KeyHash::BYTES])], absent: left };
    assert_eq!(
        initiator.on_response(&answer(1, None, vec![(0, again)])),
        Err(ReconcileError::Unasked)
    );
}

// Digests that differ over the same keys say nothing of any key.
#[test]
fn a_keyspace_that_differs_in_no_key_is_no_difference() {
    let mut initiator = asked();
    let refine = Tell::Refine { bucket: 0, width: 0, digests: vec![1] };
    initiator.on_response(&answer(2, None, vec![(1, refine)])).unwrap();
    let request = Request::decode(&initiator.next_request().unwrap()).unwrap();
    let [Ask::List { fingerprints, .. }] = &request.asks[..] else { panic!("one list") };
    let same = Tell::Exact { keys: vec![], absent: vec![false; fingerprints.len()] };
    initiator.on_response(&answer(1, None, vec![(0, same)])).unwrap();
    assert!(initiator.finish().unwrap().is_empty());
}

// Each list takes a few bytes beside its keys, and a message is full to the last key.
#[test]
fn many_lists_in_one_answer_fill_a_message_and_no_more() {
    let responder = Responder::new(side((0..400).map(|key| (key, 1))));
    let ask = Ask::List { keyspace: [5; 16], base: Base::ALL, after: None, fingerprints: vec![] };
    let request = Request { salt: [0; 16], asks: vec![ask; 200] };
    let bytes = responder.answer(&request.encode()).unwrap();
    let answered = Response::decode(&bytes).unwrap().answered;
    assert!(bytes.len() <= MAX_MESSAGE_BYTES && answered == 109, "{} {answered}", bytes.len());
}

#[test]
fn too_long_messages_are_not_read() {
    let long = vec![1; MAX_MESSAGE_BYTES + 1];
    let error = ReconcileError::TooLong(long.len());
    assert_eq!(Responder::new(side([])).answer(&long), Err(error));
    assert_eq!(asked().on_response(&long), Err(error));
    // The longest one is read, and here found to be of another version.
    let longest = &long[1..];
    assert_eq!(Responder::new(side([])).answer(longest), Err(ReconcileError::Version(1)));
    assert_eq!(asked().on_response(longest), Err(ReconcileError::Version(1)));
}

// Without seeking past `after`, each of these questions would scan all of the keyspace.
#[test]
fn what_comes_before_the_resume_point_is_not_scanned() {
    let mut last = [0xff; KeyHash::BYTES];
    last[23] = 0xfe;
    let responder = Responder::new(side((0..40_000).map(|key| (key, 1))));
    let after = Some(KeyHash(last));
    let ask = Ask::List { keyspace: [5; 16], base: Base::ALL, after, fingerprints: vec![] };
    let request = Request { salt: [0; 16], asks: vec![ask; 20_000] };
    let response = Response::decode(&responder.answer(&request.encode()).unwrap()).unwrap();
    assert_eq!((response.answered, response.resume), (20_000, None));
}
