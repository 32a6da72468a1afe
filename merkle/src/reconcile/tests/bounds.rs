//! Memory and messages, whatever differs and whatever the other side says.

use super::{Mem, answers, short, side};
use crate::digest::KeyHash;
use crate::pages::MemPages;
use crate::reconcile::limits::Limits;
use crate::reconcile::wire::{Ask, Request, Response, Resume, Tell};
use crate::reconcile::{Initiator, KeyspaceId, MAX_MESSAGE_BYTES, ReconcileError, Responder};
use std::collections::BTreeMap;

const ID: KeyspaceId = [5; 16];

fn keys(count: u64) -> BTreeMap<KeyspaceId, Mem> {
    side((0..count).map(|key| (key, 1)))
}

/// Carries all messages one at a time, takes what was found after each, and gives the number of keys.
fn drained(
    initiator: &mut Initiator<MemPages<()>>,
    responder: &Responder<MemPages<()>>,
) -> Result<usize, ReconcileError> {
    let mut found = 0;
    while let Some(request) = initiator.next_request() {
        for message in responder.answer(&request).unwrap() {
            initiator.on_response(&message.unwrap())?;
            found += initiator.drain()?.len();
        }
    }
    Ok(found)
}

// As many as there are differ, and only so many are held as a message brings.
#[test]
fn any_number_of_differences_is_found_while_few_are_held() {
    let limits = Limits { differences: 4096 / KeyHash::BYTES, ..short(4096) };
    let responder = Responder::with_limits(keys(50_000), limits);
    let mut initiator = Initiator::with_limits(keys(0), [0; 16], limits);
    assert_eq!(drained(&mut initiator, &responder), Ok(50_000));
    assert_eq!(initiator.trips(), 2);
    assert!(initiator.finish().unwrap().is_empty());

    // Who does not take them is told.
    let mut initiator = Initiator::with_limits(keys(0), [0; 16], limits);
    let mut outcome = Ok(());
    while let (Ok(()), Some(request)) = (outcome, initiator.next_request()) {
        let mut messages = responder.answer(&request).unwrap();
        outcome = messages.try_for_each(|message| initiator.on_response(&message.unwrap()));
        assert!(initiator.held() <= 2 * 4096 / KeyHash::BYTES);
    }
    assert_eq!(outcome, Err(ReconcileError::TooManyDifferences));
    assert_eq!(initiator.drain(), Err(ReconcileError::TooManyDifferences));
    assert_eq!(initiator.finish(), Err(ReconcileError::TooManyDifferences));
}

// As many as there are here may be gone there, which takes a few bytes to say.
#[test]
fn leaves_that_are_gone_are_read_out_when_they_are_taken() {
    const KEYS: usize = 150_000;
    let responder = Responder::new(keys(0));
    let asked = |limits| {
        let mut initiator = Initiator::with_limits(keys(KEYS as u64), [0; 16], limits);
        let request = initiator.next_request().unwrap();
        for message in responder.answer(&request).unwrap() {
            initiator.on_response(&message.unwrap()).unwrap();
        }
        assert_eq!((initiator.next_request(), initiator.unanswered()), (None, 0));
        assert_eq!((initiator.held(), initiator.trips()), (0, 1));
        initiator
    };
    let mut initiator = asked(Limits::FULL);
    let mut gone = Vec::new();
    for expected in [65_536, 65_536, KEYS - 2 * 65_536, 0] {
        let diff = initiator.drain().unwrap().keyspaces.remove(&ID).unwrap_or_default();
        assert_eq!((diff.fetch.len(), diff.delete.len()), (0, expected));
        gone.extend(diff.delete);
    }
    assert!(gone.is_sorted_by(|one, other| one < other));

    let outcome = |differences| asked(Limits { differences, ..Limits::FULL }).finish();
    assert_eq!(outcome(KEYS).unwrap().len(), KEYS);
    assert_eq!(outcome(KEYS - 1), Err(ReconcileError::TooManyDifferences));
}

/// An answer to questions that were asked, by someone who makes it up.
fn made_up(request: &[u8], mut tell: impl FnMut(&Ask) -> Vec<Tell>) -> Vec<u8> {
    let mut response = Response::default();
    for ask in Request::decode(request).unwrap().asks {
        let tells = tell(&ask).into_iter().map(|tell| (response.answered, tell));
        response.tells.extend(tells);
        response.answered += 1;
    }
    response.encode()
}

// Each of 8,192 buckets is said to differ, finely cut, in as many messages as that takes.
#[test]
fn buckets_that_a_hostile_peer_makes_up_do_not_pile_up() {
    let limits = Limits { queue_bytes: 100_000, ..Limits::FULL };
    let mut initiator = Initiator::with_limits(keys(40_000), [0; 16], limits);
    let asks = Request::decode(&initiator.next_request().unwrap()).unwrap().asks;
    let Ask::Probe { width, .. } = asks[1] else { panic!("a probe") };
    let mut said = 0;
    for bucket in 0..1 << width {
        let refine = Tell::Refine { bucket, width: 15, digests: vec![1; 1 << 15] };
        let resume = Some(Resume::Probe(bucket + 1)).filter(|_| bucket + 1 < 1 << width);
        let answered = if resume.is_some() { 1 } else { 2 };
        let response = Response { answered, resume, tells: vec![(1, refine)] };
        match initiator.on_response(&response.encode()) {
            Ok(()) => said += 1,
            Err(error) => {
                assert_eq!(error, ReconcileError::TooManyDifferences);
                break;
            }
        }
    }
    // 4 KiB each: a bit for each of the 32,768.
    assert_eq!(said, 100_000 / (4096 + 56));
}

// Each message gets on, by one key, for as long as there are hashes.
#[test]
fn answers_end_when_there_are_too_many() {
    let limits = Limits { responses: 100, ..Limits::FULL };
    let mut initiator = Initiator::with_limits(keys(0), [0; 16], limits);
    let request = initiator.next_request().unwrap();
    let differs = |ask: &Ask| match ask {
        Ask::Probe { .. } => vec![Tell::Refine { bucket: 0, width: 0, digests: vec![1] }],
        _ => vec![],
    };
    initiator.on_response(&made_up(&request, differs)).unwrap();
    initiator.next_request().unwrap();
    let mut message = |no: u8| {
        let key = KeyHash([no; KeyHash::BYTES]);
        let tells = vec![(0, Tell::Keys(vec![key]))];
        let response = Response { answered: 0, resume: Some(Resume::List(key)), tells };
        initiator.on_response(&response.encode())
    };
    assert!((0..99).all(|no| message(no).is_ok()));
    assert_eq!(message(99), Err(ReconcileError::TooManyResponses));
}

// The longest answer to a request is not made before it is asked for.
#[test]
fn an_answer_is_made_message_by_message() {
    let responder = Responder::new(keys(200_000));
    let ask = |base| Ask::List { keyspace: ID, base, fingerprints: vec![] };
    let whole = crate::reconcile::bucket::Base::ALL;
    let messages = answers(&responder, vec![ask(whole)]);
    assert_eq!(messages.len(), 5);
    let told: usize = messages
        .iter()
        .flat_map(|message| &message.tells)
        .map(|(_, tell)| match tell {
            Tell::Keys(keys) | Tell::Exact { keys, .. } => keys.len(),
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(told, 200_000);
    assert!(messages[0].encode().len() > MAX_MESSAGE_BYTES - 100);
}
