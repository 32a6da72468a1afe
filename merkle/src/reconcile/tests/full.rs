//! More than goes into one message, or into one list.

use super::{Mem, side};
use crate::digest::{Digest, KeyHash};
use crate::pages::MemPages;
use crate::reconcile::bucket::Base;
use crate::reconcile::wire::{Ask, Request, Response, Resume, Tell};
use crate::reconcile::{Initiator, MAX_MESSAGE_BYTES, Responder};
use crate::trie::{Change, Trie};
use crate::view::View;

/// Buckets from `first` on of 256, none of which is as the answering side has it.
fn probe(first: u32, count: usize) -> Ask {
    Ask::Probe { keyspace: [5; 16], base: Base::ALL, width: 8, first, digests: vec![1; count] }
}

fn answer(keys: u64, asks: Vec<Ask>) -> Response {
    let responder = Responder::new(side((0..keys).map(|key| (key, 1))));
    let bytes = responder.answer(&Request { salt: [0; 16], asks }.encode()).unwrap();
    assert!(bytes.len() <= MAX_MESSAGE_BYTES);
    Response::decode(&bytes).unwrap()
}

// Cut by four bits, as those of one question are, the buckets would take four messages. Lists get half
// of a message, so that they do not wait for all that differs elsewhere.
#[test]
fn many_buckets_that_differ_are_cut_less_finely_so_that_all_fit() {
    let list = Ask::List { keyspace: [5; 16], base: Base::ALL, after: None, fingerprints: vec![] };
    for (probes, lists, cut_by) in [(100, 0, 1), (100, 1, 0), (128, 0, 0)] {
        let mut asks = vec![probe(0, 256); probes];
        asks.extend(vec![list.clone(); lists]);
        let response = answer(10_000, asks);
        let widths: Vec<u8> = response
            .tells
            .iter()
            .filter_map(|(_, tell)| match tell {
                Tell::Refine { width, .. } => Some(*width),
                _ => None,
            })
            .collect();
        assert_eq!(response.answered, u32::try_from(probes + lists).unwrap());
        assert_eq!(widths, vec![cut_by; 256 * probes], "{probes} {lists}");
    }
    let alone = answer(10_000, vec![probe(0, 256)]);
    assert!(matches!(alone.tells[0], (0, Tell::Refine { width: 4, .. })));
}

// A question whose first bucket does not fit was not answered at all: who took that for a beginning
// would ask for the same again and again.
#[test]
fn a_probe_that_does_not_fit_goes_on_at_the_bucket_that_did_not() {
    for (alone, resume) in [(0, None), (1, Some(Resume::Probe(8)))] {
        let mut asks = vec![probe(3, 1); alone];
        asks.extend(vec![probe(7, 2); 22_000]);
        let response = answer(400, asks);
        assert_eq!((response.answered, response.resume), (21_844, resume));
    }
}

#[test]
fn questions_about_no_keyspace_are_answered_up_to_the_last_byte() {
    let (keyspace, base) = ([6; 16], Base::ALL);
    let ask = Ask::List { keyspace, base, after: None, fingerprints: vec![] };
    let response = answer(1, vec![ask; 65_536]);
    assert_eq!((response.answered, response.resume), (65_532, None));
}

// Up to the last byte, and what follows is asked for from the last one that was named.
#[test]
fn a_census_of_many_keyspaces_is_cut_where_the_message_ends() {
    let id = |no: u32| u128::from(no).to_be_bytes();
    let view = View::new(Trie::new(), MemPages::<()>::new());
    let responder = Responder::new((0..70_000).map(|no| (id(no), view.clone())).collect());
    let census = |after, upto| Ask::Census { after, upto, ids: vec![] };
    let rows = [
        (vec![census(None, None)], vec![65_531]),
        (vec![census(None, Some(id(999))), census(Some(id(999)), None)], vec![1000, 64_530]),
    ];
    for (asks, named) in rows {
        let bytes = responder.answer(&Request { salt: [0; 16], asks }.encode()).unwrap();
        let response = Response::decode(&bytes).unwrap();
        let counts: Vec<usize> = response
            .tells
            .iter()
            .map(|(_, tell)| if let Tell::Missing(ids) = tell { ids.len() } else { 0 })
            .collect();
        let last = u32::try_from(named.iter().sum::<usize>()).unwrap() - 1;
        assert_eq!((counts, response.resume), (named, Some(Resume::Census(id(last)))));
    }
}

// The last key goes in when there is just room for it, or a list would take a trip more.
#[test]
fn a_list_that_fits_to_the_byte_is_not_cut() {
    let fingerprints: Vec<u64> = (0..64).collect();
    let ask = Ask::List { keyspace: [5; 16], base: Base::ALL, after: None, fingerprints };
    for (keys, answered) in [(43_687, 1), (43_688, 0)] {
        let response = answer(keys, vec![ask.clone()]);
        let [(0, Tell::Exact { keys, absent })] = &response.tells[..] else { panic!("one list") };
        assert_eq!((keys.len(), &absent[..]), (43_687, &[true; 64][..]));
        let resume = (answered == 0).then(|| Resume::List(keys[keys.len() - 1]));
        assert_eq!((response.answered, response.resume), (answered, resume));
    }
}

/// A keyspace of that many keys whose hashes start with 56 zero bits.
fn crowded(keys: u16) -> Mem {
    let hashes: Vec<KeyHash> = (0..keys)
        .map(|key| {
            let mut hash = [0; KeyHash::BYTES];
            hash[8..10].copy_from_slice(&key.to_be_bytes());
            KeyHash(hash)
        })
        .collect();
    let leaf = Some((Digest([1; 32]), ()));
    let mut changes: Vec<_> = hashes
        .iter()
        .map(|hash| Change { hash: *hash, key: &[], put: leaf, before: None })
        .collect();
    let mut view = View::new(Trie::new(), MemPages::new());
    view.trie.apply(&view.pages, &mut changes).unwrap();
    view
}

// A bucket with more keys than are listed at once is cut up again, down to the last bit that tells
// buckets apart.
#[test]
fn a_bucket_that_is_too_large_to_list_is_cut_further_while_there_are_bits() {
    let mut initiator = Initiator::new([([5; 16], crowded(2000))].into());
    let asks = |initiator: &mut Initiator<_>| {
        Request::decode(&initiator.next_request().unwrap()).unwrap().asks
    };
    // The census goes first; of the probe only the first bucket differs.
    let mut question = 1;
    let mut depth = 0;
    loop {
        let asks = asks(&mut initiator);
        let (base, width) = match &asks[question..] {
            [Ask::Probe { base, width, first: 0, digests, .. }] => {
                assert_eq!(digests.len(), 1 << width);
                (*base, *width)
            }
            [Ask::List { base, fingerprints, .. }] => {
                assert_eq!((base.len(), fingerprints.len()), (56, 2000));
                break;
            }
            other => panic!("{other:?}"),
        };
        assert_eq!((base.len(), width), (depth, 5.min(56 - depth)));
        depth += width;
        let refine = Tell::Refine { bucket: 0, width: 0, digests: vec![1] };
        let question_no = u32::try_from(question).unwrap();
        let tells = vec![(question_no, refine)];
        let response = Response { answered: question_no + 1, resume: None, tells };
        initiator.on_response(&response.encode()).unwrap();
        question = 0;
    }
}
