//! Messages as bytes: one content has one encoding, of bounded length.

use proptest::prelude::*;

use super::content::{asks, response};
use super::side;
use crate::reconcile::bucket::Base;
use crate::reconcile::wire::{Ask, Request, RequestBuilder, Response};
use crate::reconcile::{MAX_ASKS, MAX_MESSAGE_BYTES, ReconcileError, Responder};

proptest! {
    #[test]
    fn requests_round_trip(salt: [u8; 16], asks in asks(), flip: prop::sample::Index) {
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
            bytes[0] = 3;
            bytes[1] = if bytes[2] % 2 == 0 { b'Q' } else { b'R' };
        }
        if let Ok(answers) = Responder::new(side([(1, 1)])).answer(&bytes) {
            answers.for_each(drop);
        }
        if let Ok(response) = Response::decode(&bytes) {
            prop_assert_eq!(response.encode(), bytes);
        }
    }
}

// Either side may be the older one, and says so.
#[test]
fn other_versions_are_named() {
    for version in [2, 4] {
        let mut request = Request { salt: [0; 16], asks: vec![] }.encode();
        request[0] = version;
        let refused = Responder::new(side([])).answer(&request).err().unwrap();
        assert_eq!(refused, ReconcileError::Version(version));
        let text = format!("message of version {version}, this side speaks 3");
        assert!(refused.to_string().starts_with(&text), "{refused}");
        let mut response = Response::default().encode();
        response[0] = version;
        assert_eq!(Response::decode(&response), Err(ReconcileError::Version(version)));
    }
}

// Or a short request could have the same long answer given many times over.
#[test]
fn questions_ascend_and_do_not_overlap() {
    let id = |byte| [byte; 16];
    let census = |after: Option<u8>, upto: Option<u8>| Ask::Census {
        after: after.map(id),
        upto: upto.map(id),
        ids: vec![],
    };
    let probe = |keyspace, width, first, count| Ask::Probe {
        keyspace: id(keyspace),
        width,
        first,
        digests: vec![1; count],
    };
    let list = |keyspace, width, index| {
        let base = Base::ALL.child(width, index);
        Ask::List { keyspace: id(keyspace), base, fingerprints: vec![] }
    };
    let outcome = |asks: &[Ask]| {
        Request::decode(&Request { salt: [0; 16], asks: asks.to_vec() }.encode()).map(drop)
    };
    for asks in [
        vec![census(None, Some(2)), census(Some(2), Some(3)), census(Some(4), None)],
        vec![list(1, 2, 0), list(1, 3, 2), probe(1, 2, 2, 1), list(1, 15, 32_767)],
        vec![list(1, 0, 0), census(None, None), probe(2, 0, 0, 1), list(3, 14, 0)],
        vec![probe(1, 15, 0, 1), list(1, 15, 1), list(1, 15, 2)],
    ] {
        assert_eq!(outcome(&asks), Ok(()), "{asks:?}");
    }
    for asks in [
        vec![census(None, None), census(Some(2), None)],
        vec![census(None, Some(2)), census(Some(1), None)],
        vec![census(None, Some(2)), census(None, None)],
        vec![list(1, 2, 0), list(1, 2, 0)],
        vec![list(1, 2, 1), list(1, 2, 0)],
        vec![list(1, 0, 0), list(1, 15, 32_767)],
        vec![list(2, 2, 0), list(1, 2, 1)],
        vec![probe(1, 2, 1, 2), probe(1, 2, 2, 1)],
        vec![probe(1, 2, 1, 2), list(1, 5, 23)],
        vec![list(1, 5, 8), probe(1, 2, 1, 1)],
    ] {
        assert_eq!(outcome(&asks), Err(ReconcileError::Malformed), "{asks:?}");
    }
}

// What a census is about is told by its ends alone: its ids lie between them.
#[test]
fn a_census_names_ids_between_its_ends() {
    let id = |byte| [byte; 16];
    let outcome = |after: Option<u8>, upto: Option<u8>, ids: &[u8]| {
        let ids = ids.iter().copied().map(id).collect();
        let ask = Ask::Census { after: after.map(id), upto: upto.map(id), ids };
        Request::decode(&Request { salt: [0; 16], asks: vec![ask] }.encode()).map(drop)
    };
    assert_eq!(outcome(Some(1), Some(3), &[2, 3]), Ok(()));
    assert_eq!(outcome(Some(1), Some(2), &[]), Ok(()));
    for (after, upto, ids) in [
        (Some(2), None, &[2, 3][..]),
        (Some(2), Some(2), &[]),
        (None, Some(2), &[2, 3]),
        (None, None, &[2, 2]),
        (None, None, &[3, 2]),
    ] {
        assert_eq!(outcome(after, upto, ids), Err(ReconcileError::Malformed), "{ids:?}");
    }
}

// Buckets that there cannot be would be shifted out of a number where the question is answered.
#[test]
fn a_probe_is_about_buckets_that_there_are() {
    let decoded = |width: u8, first: u32, count: usize| {
        let digests = vec![0; count];
        let ask = Ask::Probe { keyspace: [1; 16], width, first, digests };
        Request::decode(&Request { salt: [0; 16], asks: vec![ask] }.encode()).map(drop)
    };
    for (width, first, count) in [(0, 0, 1), (4, 0, 16), (15, 32_767, 1)] {
        assert_eq!(decoded(width, first, count), Ok(()), "{width} {first} {count}");
    }
    for (width, first, count) in
        [(16, 0, 1), (4, 0, 17), (4, 15, 2), (4, 16, 1), (4, 3, 0), (4, u32::MAX, 1)]
    {
        let outcome = decoded(width, first, count);
        assert_eq!(outcome, Err(ReconcileError::Malformed), "{width} {first} {count}");
    }
}

#[test]
fn a_census_is_of_no_keyspace() {
    let ask = Ask::Census { after: None, upto: None, ids: vec![] };
    let mut bytes = Request { salt: [0; 16], asks: vec![ask] }.encode();
    let tag = bytes.len() - 4;
    assert!(Request::decode(&bytes).is_ok() && bytes[tag] == 1);
    // As of a question about the keyspace of the one before it.
    bytes[tag] |= 0x80;
    assert_eq!(Request::decode(&bytes), Err(ReconcileError::Malformed));
}

#[test]
fn a_request_takes_what_fits_and_no_more() {
    let list = |at: u32, count: usize| Ask::List {
        keyspace: [3; 16],
        base: Base::ALL.child(15, at % (1 << 15)).child(2, at >> 15),
        fingerprints: vec![7; count],
    };
    let mut request = RequestBuilder::new(MAX_MESSAGE_BYTES);
    let mut pushed = 0;
    let empty = Ask::Census { after: None, upto: None, ids: vec![] };
    while request.push(&empty) {
        pushed += 1;
    }
    assert_eq!(pushed, MAX_ASKS);

    for most in [MAX_MESSAGE_BYTES, 1 << 16] {
        let mut request = RequestBuilder::new(most);
        let mut pushed = Vec::new();
        for at in 0.. {
            let list = list(at, 999);
            if !request.push(&list) {
                break;
            }
            pushed.push(list);
        }
        let room = request.room();
        assert!(room < 6 * 999 + Ask::MAX_FIXED_BYTES);
        let over = list(40_000, room / 6 + 1);
        assert!(!request.push(&over) && request.room() == room, "a few bytes more are too many");
        let bytes = request.finish(&[0; 16]);
        assert!(bytes.len() + room <= most, "what there is room for makes no longer message");
        assert_eq!(Request::decode(&bytes).unwrap().asks, pushed);
    }
}
