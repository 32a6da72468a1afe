//! The answer to a list, in any number of messages, from peers that are honest or not.

use super::peers::{answer, asked};
use super::side;
use crate::digest::KeyHash;
use crate::pages::MemPages;
use crate::reconcile::bucket::Base;
use crate::reconcile::wire::{Ask, Request, Resume, Tell};
use crate::reconcile::{Initiator, ReconcileError};

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
