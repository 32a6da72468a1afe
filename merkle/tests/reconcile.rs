//! Reconciliation between two sides: right for any divergence, in two trips and few bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_for_each)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Edit, Mem, apply, mem, number_batches};
use proptest::prelude::*;
use strongroom_merkle::reconcile::{
    Differences, Initiator, KeyspaceDiff, KeyspaceId, MAX_MESSAGE_BYTES, ReconcileError, Responder,
};
use strongroom_merkle::{Digest, KeyHash};

type Side = BTreeMap<KeyspaceId, Mem>;

#[derive(Debug, Default)]
struct Traffic {
    trips: u32,
    bytes: usize,
}

/// Turn by turn: all that can be asked without an answer that is still out, then all answers.
fn reconcile(here: &Side, there: &Side) -> (Differences, Traffic) {
    let mut initiator = Initiator::with_salt(here.clone(), [7; 16]);
    let responder = Responder::new(there.clone());
    let mut traffic = Traffic::default();
    loop {
        let requests: Vec<_> = std::iter::from_fn(|| initiator.next_request()).collect();
        assert_eq!(initiator.unanswered(), requests.len());
        if requests.is_empty() {
            break;
        }
        traffic.trips += 1;
        for request in requests {
            assert!(request.len() <= MAX_MESSAGE_BYTES);
            traffic.bytes += request.len();
            for response in responder.answer(&request).unwrap() {
                let response = response.unwrap();
                assert!(response.len() <= MAX_MESSAGE_BYTES);
                traffic.bytes += response.len();
                initiator.on_response(&response).unwrap();
            }
        }
    }
    assert_eq!(initiator.trips(), traffic.trips);
    assert!(traffic.trips <= 2, "{traffic:?}");
    (initiator.finish().unwrap(), traffic)
}

/// What differs, by looking at everything.
fn expected(here: &Side, there: &Side) -> Differences {
    let ids = |side: &Side| side.keys().copied().collect::<BTreeSet<_>>();
    let (ours, theirs) = (ids(here), ids(there));
    let mut keyspaces = BTreeMap::new();
    for id in ours.intersection(&theirs) {
        let (here, there) = (&here[id], &there[id]);
        let (ours, theirs) = (content(here), content(there));
        let fetch = theirs.iter().filter(|(hash, digest)| ours.get(hash) != Some(digest));
        let delete = ours.keys().filter(|hash| !theirs.contains_key(hash));
        let diff = KeyspaceDiff {
            fetch: fetch.map(|(hash, _)| *hash).collect(),
            delete: delete.copied().collect(),
        };
        if diff != KeyspaceDiff::default() {
            keyspaces.insert(*id, diff);
        }
    }
    Differences {
        keyspaces,
        missing_here: theirs.difference(&ours).copied().collect(),
        extra_here: ours.difference(&theirs).copied().collect(),
    }
}

fn content(view: &Mem) -> BTreeMap<KeyHash, Digest> {
    view.iter().map(|held| held.unwrap()).map(|held| (held.key_hash(), held.digest())).collect()
}

/// `count` keys of value 0.
fn many(count: u64) -> Mem {
    let mut view = mem();
    apply(&mut view, &(0..count).map(|key| Edit::of(key, Some(0))).collect::<Vec<_>>());
    view
}

/// Changes every `step`th of `count` keys: most to another value, some removed, some new.
fn scatter(view: &mut Mem, count: u64, step: u64) {
    let edit = |key: u64| match key / step % 4 {
        0 => Edit::of(key, None),
        1 => Edit::of(count + key, Some(0)),
        _ => Edit::of(key, Some(1)),
    };
    apply(view, &(0..count).filter(|key| key % step == 0).map(edit).collect::<Vec<_>>());
}

fn one(trie: Mem) -> Side {
    BTreeMap::from([([1; 16], trie)])
}

fn checked(here: &Side, there: &Side) -> Traffic {
    let (found, traffic) = reconcile(here, there);
    assert!(found == expected(here, there), "wrong differences");
    traffic
}

#[test]
fn equal_sides_take_one_trip() {
    let side = one(many(10_000));
    let traffic = checked(&side, &side);
    assert_eq!(traffic.trips, 1);
    assert!(traffic.bytes < 1_500, "{traffic:?}");
}

#[test]
fn scattered_differences_take_bytes_by_their_number() {
    let there = many(100_000);
    for (differences, most_bytes) in
        [(1, 4 << 10), (10, 8 << 10), (100, 32 << 10), (1_000, 180 << 10), (10_000, 1 << 20)]
    {
        let mut here = there.clone();
        scatter(&mut here, 100_000, 100_000 / differences);
        for (here, there) in [(&here, &there), (&there, &here)] {
            let traffic = checked(&one(here.clone()), &one(there.clone()));
            assert!(traffic.bytes <= most_bytes, "{differences}: {traffic:?}");
        }
    }
}

#[test]
fn clustered_differences_take_fewer() {
    let there = many(100_000);
    let mut here = there.clone();
    let keys = there.iter().skip(40_000).take(500).map(|held| held.unwrap().leaf().key.to_vec());
    let gone = |key: Vec<u8>| Edit { hash: KeyHash::of(&key), key, put: None };
    apply(&mut here, &keys.map(gone).collect::<Vec<_>>());
    for (here, there) in [(&here, &there), (&there, &here)] {
        let traffic = checked(&one(here.clone()), &one(there.clone()));
        assert!(traffic.bytes <= 40 << 10, "{traffic:?}");
    }
}

#[test]
fn everything_differs() {
    let (here, there) = (many(60_000), many(60_000));
    let mut changed = there.clone();
    scatter(&mut changed, 60_000, 1);
    checked(&one(here), &one(changed));
}

// 60,000 hashes of 24 bytes are more than a message holds.
#[test]
fn an_empty_side_takes_the_bytes_of_its_keys() {
    let (full, empty) = (one(many(60_000)), one(mem()));
    let traffic = checked(&empty, &full);
    assert!(traffic.bytes < 60_000 * 24 + 300, "{traffic:?}");
    // The other way round there is nothing to list.
    assert_eq!(checked(&full, &empty).trips, 1);
    checked(&empty, &empty);
}

#[test]
fn one_side_has_tenfold() {
    let (few, many) = (one(many(6_000)), one(many(60_000)));
    let traffic = checked(&few, &many);
    assert!(traffic.bytes < 54_000 * 27, "{traffic:?}");
    let traffic = checked(&many, &few);
    assert!(traffic.bytes < 60_000 * 7, "{traffic:?}");
}

#[test]
fn keyspaces_come_and_go() {
    let id = |number: u8| [number; 16];
    let mut here: Side = (0..40).map(|number| (id(number), many(u64::from(number)))).collect();
    let mut there = here.clone();
    for number in (0..40).step_by(3) {
        here.remove(&id(number));
    }
    for number in (0..40).step_by(5) {
        there.remove(&id(number));
    }
    for number in (1..40).step_by(7) {
        there.insert(id(number), many(u64::from(number) + 3));
    }
    for (here, there) in
        [(&here, &there), (&there, &here), (&Side::new(), &here), (&here, &Side::new())]
    {
        checked(here, there);
    }
    assert!(reconcile(&Side::new(), &Side::new()).0.is_empty());
}

// So many keyspaces do not fit into what one question covers, and their probes share the first request.
#[test]
fn thousands_of_keyspaces() {
    let id = |number: u16| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        id
    };
    let trie = many(40);
    let here: Side = (0..9_000).filter(|n| n % 3 != 0).map(|n| (id(n), trie.clone())).collect();
    let mut there: Side =
        (0..9_000).filter(|n| n % 4 != 0).map(|n| (id(n), trie.clone())).collect();
    there.insert(id(1), many(41));
    there.insert(id(8_999), many(39));
    checked(&here, &there);
    checked(&there, &here);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_two_sides(common in number_batches(), here in number_batches(), there in number_batches()) {
        let mut start = mem();
        common.into_iter().for_each(|batch| drop(apply(&mut start, &batch)));
        let diverge = |batches: Vec<Vec<Edit>>| {
            let mut view = start.clone();
            batches.into_iter().for_each(|batch| drop(apply(&mut view, &batch)));
            one(view)
        };
        let (here, there) = (diverge(here), diverge(there));
        prop_assert_eq!(reconcile(&here, &there).0, expected(&here, &there));
    }

    #[test]
    fn any_number_of_differences(keys in 0u64..3_000, ours in 1u64..400, theirs in 1u64..400) {
        let start = many(keys);
        let (mut here, mut there) = (start.clone(), start);
        scatter(&mut here, keys, ours);
        scatter(&mut there, keys, theirs);
        let (here, there) = (one(here), one(there));
        prop_assert_eq!(reconcile(&here, &there).0, expected(&here, &there));
    }
}

#[test]
fn an_unfinished_reconciliation_has_no_outcome() {
    let initiator = Initiator::new(one(many(10)));
    assert_eq!(initiator.finish().unwrap_err(), ReconcileError::Unfinished);
    let mut initiator = Initiator::new(one(many(10)));
    assert_eq!(initiator.on_response(&[]), Err(ReconcileError::NoRequest));
    // A stray response does no harm.
    assert!(initiator.next_request().is_some());
    assert_eq!(initiator.on_response(&[]), Err(ReconcileError::Malformed));
    assert_eq!(initiator.next_request(), None);
    assert_eq!(initiator.on_response(&[]), Err(ReconcileError::Malformed));
    assert_eq!(initiator.finish().unwrap_err(), ReconcileError::Malformed);
}

// The differences, applied, must lead to the responder's root: what the caller relies on.
#[test]
fn applied_differences_make_the_roots_equal() {
    let there = many(5_000);
    let mut here = there.clone();
    scatter(&mut here, 5_000, 3);
    let (found, _) = reconcile(&one(here.clone()), &one(there.clone()));
    assert!(!found.is_empty());
    let diff = &found.keyspaces[&[1; 16]];
    let edit = |side: &Mem, hash: &KeyHash, fetch: bool| {
        let held = side.leaf_of(hash).unwrap().unwrap();
        let put = fetch.then(|| (held.digest(), held.value()));
        Edit { hash: *hash, key: held.leaf().key.to_vec(), put }
    };
    let mut edits: Vec<Edit> = diff.fetch.iter().map(|hash| edit(&there, hash, true)).collect();
    edits.extend(diff.delete.iter().map(|hash| edit(&here, hash, false)));
    apply(&mut here, &edits);
    assert_eq!(here.root(), there.root());
}
