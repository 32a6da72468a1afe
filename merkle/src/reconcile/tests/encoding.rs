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
    request[0] = 2;
    assert_eq!(Responder::new(side([])).answer(&request), Err(ReconcileError::Version(2)));
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
