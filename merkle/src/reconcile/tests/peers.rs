//! Peers that are broken or hostile: what they send ends in a result or in an error, soon.

use proptest::prelude::*;

use super::content::{asks, response};
use super::{answers, side};
use crate::digest::KeyHash;
use crate::pages::MemPages;
use crate::reconcile::wire::{Ask, Request, Response, Resume, Tell};
use crate::reconcile::{Initiator, MAX_MESSAGE_BYTES, ReconcileError, Responder};

proptest! {
    // Each message is spoilt at random and goes on as if it were well: it has to end, in a result
    // or in a typed error.
    #[test]
    fn a_peer_that_garbles_its_answers(seeds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let mut initiator = Initiator::new(side((0..400).map(|key| (key, 1))));
        let responder = Responder::new(side((200..700).map(|key| (key, 1 + u8::from(key % 9 == 0)))));
        let mut seeds = seeds.iter().cycle();
        let mut requests = 0;
        while let Some(request) = initiator.next_request() {
            requests += 1;
            prop_assert!(requests < 64, "no end");
            for response in responder.answer(&request).unwrap() {
                let mut response = response.unwrap();
                let (at, bits) = seeds.next().unwrap();
                let at = at.index(response.len());
                response[at] ^= bits;
                if initiator.on_response(&response).is_err() {
                    break;
                }
            }
        }
        let _ = initiator.finish();
    }

    // Well-formed answers to other questions than were asked.
    #[test]
    fn a_peer_that_makes_its_answers_up(responses in prop::collection::vec(response(), 1..20)) {
        let mut initiator = Initiator::new(side((0..400).map(|key| (key, 1))));
        for mut response in responses {
            let asked = initiator.next_request().is_some();
            if !asked && initiator.unanswered() == 0 {
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
    fn a_request_of_any_questions_is_answered(asks in asks()) {
        let mut side = side((0..300).map(|key| (key, 1)));
        side.insert([1; 16], side[&[5; 16]].clone());
        let messages = answers(&Responder::new(side), asks.clone());
        let [message] = &messages[..] else { panic!("{} messages", messages.len()) };
        prop_assert_eq!(usize::try_from(message.answered).unwrap(), asks.len());
    }
}

/// An initiator of 400 keys whose first request is out.
pub(super) fn asked() -> Initiator<MemPages<()>> {
    let mut initiator = Initiator::new(side((0..400).map(|key| (key, 1))));
    let request = Request::decode(&initiator.next_request().unwrap()).unwrap();
    assert!(matches!(request.asks[..], [Ask::Census { .. }, Ask::Probe { width: 4, .. }]));
    initiator
}

pub(super) fn answer(answered: u32, resume: Option<Resume>, tells: Vec<(u32, Tell)>) -> Vec<u8> {
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

// What one message has said the next one does not say again.
#[test]
fn answers_that_go_back_end_it() {
    let refine = |bucket| vec![(1, Tell::Refine { bucket, width: 0, digests: vec![1] })];
    let rows = [
        (
            "to an answered question",
            answer(0, Some(Resume::Census([1; 16])), vec![]),
            ReconcileError::Unasked,
        ),
        ("nowhere", answer(1, None, vec![]), ReconcileError::NoProgress),
        ("to where it was", answer(1, Some(Resume::Probe(4)), vec![]), ReconcileError::NoProgress),
        ("before that", answer(1, Some(Resume::Probe(2)), vec![]), ReconcileError::NoProgress),
        ("with a bucket from before", answer(2, None, refine(3)), ReconcileError::Unasked),
        (
            "with an answer from before",
            answer(2, None, vec![(0, Tell::Missing(vec![[6; 16]]))]),
            ReconcileError::Unasked,
        ),
    ];
    for (name, response, error) in rows {
        let mut initiator = asked();
        initiator.on_response(&answer(1, Some(Resume::Probe(4)), refine(3))).unwrap();
        assert_eq!(initiator.unanswered(), 1);
        assert_eq!(initiator.on_response(&response), Err(error), "{name}");
    }
    let mut initiator = asked();
    initiator.on_response(&answer(1, Some(Resume::Probe(4)), refine(3))).unwrap();
    initiator.on_response(&answer(2, None, refine(4))).unwrap();
    assert_eq!(initiator.unanswered(), 0);
    assert_eq!(initiator.on_response(&answer(2, None, vec![])), Err(ReconcileError::NoRequest));
}

// A keyspace that is dropped there meanwhile is dropped here: what was found in it does not count.
#[test]
fn nothing_counts_in_a_keyspace_that_is_not_there() {
    let mut initiator = asked();
    let refine = |bucket, theirs| (1, Tell::Refine { bucket, width: 0, digests: vec![theirs] });
    initiator
        .on_response(&answer(2, None, vec![refine(0, 1), refine(1, 0), refine(2, 1)]))
        .unwrap();
    let asks = Request::decode(&initiator.next_request().unwrap()).unwrap().asks;
    let [Ask::List { fingerprints, .. }, Ask::List { .. }] = &asks[..] else { panic!("{asks:?}") };
    let exact = Tell::Exact {
        keys: vec![KeyHash([0; KeyHash::BYTES])],
        absent: vec![true; fingerprints.len()],
    };
    initiator.on_response(&answer(2, None, vec![(0, exact), (1, Tell::Unknown)])).unwrap();
    let found = initiator.finish().unwrap();
    assert_eq!((found.extra_here, found.keyspaces.len()), (vec![[5; 16]], 0));
}

// Whoever names other keyspaces than were asked for would have them created here.
#[test]
fn a_census_names_keyspaces_of_its_own_range() {
    let id = |byte| [byte; 16];
    for (named, within) in [(1, false), (2, false), (3, true), (6, true), (7, false)] {
        let mut initiator = Initiator::<MemPages<()>>::new([].into());
        initiator.next_request().unwrap();
        initiator.on_response(&answer(0, Some(Resume::Census(id(2))), vec![])).unwrap();
        let missing = vec![(0, Tell::Missing(vec![id(named)]))];
        let response = answer(0, Some(Resume::Census(id(6))), missing);
        let outcome = initiator.on_response(&response);
        assert_eq!(outcome.is_ok(), within, "{named}");
        assert_eq!(initiator.held(), usize::from(within), "{named}");
    }
}

#[test]
fn too_long_messages_are_not_read() {
    let long = vec![1; MAX_MESSAGE_BYTES + 1];
    let error = ReconcileError::TooLong(long.len());
    let refused = |request| Responder::new(side([])).answer(request).err();
    assert_eq!(refused(&long), Some(error));
    assert_eq!(asked().on_response(&long), Err(error));
    // The longest one is read, and here found to be of another version.
    let longest = &long[1..];
    assert_eq!(refused(longest), Some(ReconcileError::Version(1)));
    assert_eq!(asked().on_response(longest), Err(ReconcileError::Version(1)));
}
