//! Messages as bytes, and peers that are broken or hostile.

mod bounds;
mod content;
mod encoding;
mod full;
mod lists;
mod model;
mod peers;

use std::collections::BTreeMap;

use super::limits::Limits;
use super::wire::{Ask, Request, RequestBuilder, Response};
use super::{KeyspaceId, MAX_MESSAGE_BYTES, Responder};
use crate::digest::Digest;
use crate::pages::MemPages;
use crate::trie::{Change, Trie};
use crate::view::View;

type Mem = View<MemPages<()>>;

/// Messages so short that little data fills many.
fn short(message_bytes: usize) -> Limits {
    Limits { message_bytes, ..Limits::FULL }
}

/// All messages of the answer to these questions.
fn answers(responder: &Responder<MemPages<()>>, asks: Vec<Ask>) -> Vec<Response> {
    let request = Request { salt: [0; 16], asks }.encode();
    let messages = responder.answer(&request).unwrap().map(|message| {
        let message = message.unwrap();
        assert!(message.len() <= MAX_MESSAGE_BYTES);
        Response::decode(&message).unwrap()
    });
    // One that does not get on would fill the memory.
    messages.take(1 << 12).collect()
}

fn side(keys: impl IntoIterator<Item = (u64, u8)>) -> BTreeMap<KeyspaceId, Mem> {
    let keys: Vec<_> = keys.into_iter().map(|(key, value)| (key.to_le_bytes(), value)).collect();
    let mut changes: Vec<_> = keys
        .iter()
        .map(|(key, value)| Change::new(key, Some((Digest([*value; 32]), ()))))
        .collect();
    let mut view = View::new(Trie::new(), MemPages::new());
    view.trie.apply(&view.pages, &mut changes).unwrap();
    BTreeMap::from([([5; 16], view)])
}

impl Request {
    fn encode(&self) -> Vec<u8> {
        let mut request = RequestBuilder::new(MAX_MESSAGE_BYTES);
        assert!(self.asks.iter().all(|ask| request.push(ask)), "fits into a message");
        request.finish(&self.salt)
    }
}
