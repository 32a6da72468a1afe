//! Messages as bytes: one content has one encoding, of bounded length.

use proptest::prelude::*;

use super::content::{ask, response};
use super::side;
use crate::reconcile::bucket::Base;
use crate::reconcile::wire::{Ask, Request, RequestBuilder, Response};
use crate::reconcile::{MAX_ASKS, MAX_MESSAGE_BYTES, ReconcileError, Responder};

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
}

#[test]
fn later_versions_are_named() {
    let mut request = Request { salt: [0; 16], asks: vec![] }.encode();
    request[0] = 3;
    assert_eq!(Responder::new(side([])).answer(&request), Err(ReconcileError::Version(3)));
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
    let decoded = |len: u8, width: u8, first: u32, count: usize| {
        let (base, digests) = (Base::new(0, len).unwrap(), vec![0; count]);
        let ask = Ask::Probe { keyspace: [1; 16], base, width, first, digests };
        Request::decode(&Request { salt: [0; 16], asks: vec![ask] }.encode()).map(drop)
    };
    for (len, width, first, count) in [(0, 4, 0, 16), (0, 15, 32_767, 1), (52, 4, 15, 1)] {
        assert_eq!(decoded(len, width, first, count), Ok(()), "{len} {width} {first} {count}");
    }
    for (len, width, first, count) in [
        (0, 16, 0, 1),
        (53, 4, 0, 1),
        (56, 15, 0, 1),
        (0, 4, 0, 17),
        (0, 4, 15, 2),
        (0, 4, 16, 1),
        (0, 4, 3, 0),
        (0, 4, u32::MAX, 1),
    ] {
        let outcome = decoded(len, width, first, count);
        assert_eq!(outcome, Err(ReconcileError::Malformed), "{len} {width} {first} {count}");
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
    let room = request.room();
    assert!(room < 6 * 999 + Ask::MAX_FIXED_BYTES);
    let fingerprints = vec![7; room / 6 + 1];
    let over = Ask::List { keyspace: [3; 16], base: Base::ALL, after: None, fingerprints };
    assert!(!request.push(&over) && request.room() == room, "a few bytes more are too many");
    let bytes = request.finish(&[0; 16]);
    assert!(
        bytes.len() + room <= MAX_MESSAGE_BYTES,
        "what there is room for makes no longer message"
    );
    assert_eq!(Request::decode(&bytes).unwrap().asks, vec![list; pushed]);
}
