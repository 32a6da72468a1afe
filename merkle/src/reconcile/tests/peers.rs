//! Peers that are broken or hostile: what they send ends in a result or in an error, soon.

use proptest::prelude::*;

use super::content::{asks, response};
use super::{answers, side};
use crate::digest::KeyHash;
use crate::pages::MemPages;
use crate::reconcile::bucket::Base;
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

/// An initiator that has bucket 0 of 16 listed, which is claimed to differ, and its leaves in there.
fn listed() -> (Initiator<MemPages<()>>, Vec<KeyHash>) {
    let mut initiator = asked();
    let refine = Tell::Refine { bucket: 0, width: 0, digests: vec![1] };
    initiator.on_response(&answer(2, None, vec![(1, refine)])).unwrap();
    let request = Request::decode(&initiator.next_request().unwrap()).unwrap();
    let [Ask::List { fingerprints, base, .. }] = &request.asks[..] else { panic!("one list") };
    assert_eq!(*base, Base::ALL.child(4, 0));
    let leaves = side((0..400).map(|key| (key, 1))).remove(&[5; 16]).unwrap();
    let leaves = leaves.iter().map(|leaf| leaf.unwrap().key_hash());
    let own: Vec<KeyHash> = leaves.take_while(|hash| hash.0[0] < 0x10).collect();
    assert_eq!(own.len(), fingerprints.len());
    (initiator, own)
}

fn key(byte: u8) -> KeyHash {
    KeyHash([byte; KeyHash::BYTES])
}

fn keys(upto: u8, keys: &[u8]) -> Vec<u8> {
    let named = keys.iter().copied().map(key).collect();
    answer(0, Some(Resume::List(key(upto))), vec![(0, Tell::Keys(named))])
}

#[test]
fn lists_that_do_not_fit_end_it() {
    let own = listed().1.len();
    let exact =
        |byte: u8, own: usize| Tell::Exact { keys: vec![key(byte)], absent: vec![false; own] };
    let last = |tells| answer(1, None, tells);
    let part = |upto, tells| answer(0, Some(Resume::List(key(upto))), tells);
    let rows = vec![
        ("other count", last(vec![(0, exact(0, own + 1))]), ReconcileError::Unasked),
        ("too few", last(vec![(0, exact(0, own - 1))]), ReconcileError::Unasked),
        ("other bucket", last(vec![(0, exact(0x10, own))]), ReconcileError::Unasked),
        ("two lists", last(vec![(0, exact(0, own)), (0, exact(1, own))]), ReconcileError::Unasked),
        ("no bits", last(vec![(0, Tell::Keys(vec![key(0)]))]), ReconcileError::Unasked),
        ("nothing", last(vec![]), ReconcileError::Unasked),
        ("bits too early", part(1, vec![(0, exact(0, own))]), ReconcileError::Unasked),
        ("no keys", part(1, vec![]), ReconcileError::Unasked),
        ("beyond its end", keys(0, &[1]), ReconcileError::Unasked),
        ("ends elsewhere", keys(0x10, &[0]), ReconcileError::NoProgress),
        ("other bucket, in part", keys(1, &[0x10]), ReconcileError::Unasked),
    ];
    for (name, response, error) in rows {
        assert_eq!(listed().0.on_response(&response), Err(error), "{name}");
    }
    let rows = [
        ("stands still", keys(1, &[]), ReconcileError::NoProgress),
        ("goes back", keys(0, &[]), ReconcileError::NoProgress),
        ("a key twice", last(vec![(0, exact(1, own))]), ReconcileError::Unasked),
        ("a key from before", last(vec![(0, exact(0, own))]), ReconcileError::Unasked),
        ("bits of the rest only", last(vec![(0, exact(2, own - 1))]), ReconcileError::Unasked),
    ];
    for (name, response, error) in rows {
        let mut initiator = listed().0;
        initiator.on_response(&keys(1, &[1])).unwrap();
        assert_eq!(initiator.on_response(&response), Err(error), "{name}");
    }
}

// A leaf of another value there is in the keys of one message and absent by the bits of another.
#[test]
fn what_is_fetched_is_not_deleted_whichever_message_it_comes_in() {
    let (mut initiator, own) = listed();
    let [changed, gone, late] = [own[0], own[1], own[own.len() - 1]];
    let part = Tell::Keys(vec![changed]);
    let resume = Some(Resume::List(own[1]));
    initiator.on_response(&answer(0, resume, vec![(0, part)])).unwrap();
    // Also when what was found is taken in between.
    let first = initiator.drain().unwrap().keyspaces.remove(&[5; 16]).unwrap();
    assert_eq!((first.fetch, first.delete), (vec![changed], vec![]));
    let absent = own.iter().map(|key| [changed, gone, late].contains(key)).collect();
    let exact = Tell::Exact { keys: vec![late], absent };
    initiator.on_response(&answer(1, None, vec![(0, exact)])).unwrap();
    let rest = initiator.finish().unwrap().keyspaces.remove(&[5; 16]).unwrap();
    assert_eq!((rest.fetch, rest.delete), (vec![late], vec![gone]));
}

// Of a list that is asked again the keys come again; they are not given twice, and what they said
// counts.
#[test]
fn a_list_that_was_cut_off_is_asked_again() {
    let (mut initiator, own) = listed();
    let changed = own[2];
    let part = |upto: usize| {
        let named = own[..=upto].iter().copied().filter(|key| *key == changed).collect();
        answer(0, Some(Resume::List(own[upto])), vec![(0, Tell::Keys(named))])
    };
    initiator.on_response(&part(4)).unwrap();
    assert_eq!(initiator.drain().unwrap().len(), 1);
    initiator.ask_again();
    assert_eq!(initiator.on_response(&part(5)), Err(ReconcileError::NoRequest));
    assert!(initiator.next_request().is_some());
    initiator.on_response(&part(1)).unwrap();
    initiator.on_response(&part(3)).unwrap();
    let absent = own.iter().map(|key| *key == changed).collect();
    let exact = Tell::Exact { keys: vec![], absent };
    initiator.on_response(&answer(1, None, vec![(0, exact)])).unwrap();
    assert_eq!((initiator.next_request(), initiator.unanswered()), (None, 0));
    assert!(initiator.finish().unwrap().is_empty());
}

// Digests that differ over the same keys say nothing of any key.
#[test]
fn a_keyspace_that_differs_in_no_key_is_no_difference() {
    let (mut initiator, own) = listed();
    let same = Tell::Exact { keys: vec![], absent: vec![false; own.len()] };
    initiator.on_response(&answer(1, None, vec![(0, same)])).unwrap();
    assert!(initiator.finish().unwrap().is_empty());
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
    let exact = Tell::Exact { keys: vec![key(0)], absent: vec![true; fingerprints.len()] };
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
