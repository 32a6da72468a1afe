//! Messages as bytes, and peers that are broken or hostile.

mod content;
mod encoding;
mod full;
mod peers;

use std::collections::BTreeMap;

use super::KeyspaceId;
use super::wire::{Request, RequestBuilder};
use crate::digest::Digest;
use crate::pages::MemPages;
use crate::trie::{Change, Trie};
use crate::view::View;

type Mem = View<MemPages<()>>;

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
        let mut request = RequestBuilder::new();
        assert!(self.asks.iter().all(|ask| request.push(ask)), "fits into a message");
        request.finish(&self.salt)
    }
}
