//! The canonical trie, persistent where it is shared: a spine of nodes over pages.
//!
//! The shape, and with it the root, follows from the set of (key hash, leaf digest) pairs: a
//! subtree of at most [`PAGE_LEAVES_MAX`](crate::PAGE_LEAVES_MAX) leaves is a page, a larger one a
//! fork on the next bit.

mod apply;
mod build;
mod draft;
mod edit;
mod fate;
mod find;
mod hasher;
mod inside;
mod iter;
mod list;
mod map;
mod node;
mod pack;
mod redraw;
mod warm;
mod work;

use std::fmt;

pub use apply::{Join, Sequential};
pub use iter::{Held, Leaves};
pub use list::{MalformedPages, PageRef};
pub(crate) use node::Place;

use crate::digest::{Digest, KeyHash};
use crate::page::Page;
use crate::pages::Pages;
use node::Item;

/// A change of one key in a batch.
#[derive(Clone, Debug)]
pub struct Change<'k, V> {
    /// Hash of the key.
    pub hash: KeyHash,
    /// The key as the leaf is to keep it: nothing where the user has it elsewhere.
    pub key: &'k [u8],
    /// Leaf digest and value to put; `None` removes the key.
    pub put: Option<(Digest, V)>,
    /// What was there before the batch; [`Trie::apply`] fills it in.
    pub before: Option<(Digest, V)>,
}

impl<'k, V> Change<'k, V> {
    /// A change of `key`, which the leaf keeps; its hash is computed.
    pub fn new(key: &'k [u8], put: Option<(Digest, V)>) -> Self {
        Self { hash: KeyHash::of(key), key, put, before: None }
    }
}

/// A set of leaves by key hash, with a root over all of them.
///
/// Holds handles of pages; the pages are with a [`Pages`]. A clone is a snapshot: it costs O(1),
/// and neither sees the other's later changes.
pub struct Trie<H> {
    top: Item<H>,
}

impl<H: Clone> Clone for Trie<H> {
    fn clone(&self) -> Self {
        Self { top: self.top.clone() }
    }
}

impl<H> Default for Trie<H> {
    fn default() -> Self {
        Self { top: Item::Empty }
    }
}

impl<H: Clone> fmt::Debug for Trie<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trie").field("len", &self.len()).field("root", &self.root()).finish()
    }
}

impl<H: Clone> Trie<H> {
    /// A trie without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of leaves.
    pub fn len(&self) -> usize {
        self.place().count()
    }

    /// True when there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Digest over all leaves; all zero when there are none. Kept up to date, so asking for it
    /// costs nothing.
    pub fn root(&self) -> Digest {
        self.top.digest()
    }

    /// The page that holds the key of this hash, or would if it were there and the pages stayed as
    /// they are; `None` when no page covers it.
    pub fn page_of(&self, hash: &KeyHash) -> Option<&H> {
        self.top.page_of(hash).map(|(page, _)| &page.handle)
    }

    /// Digest and value of the key that has this hash.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn get<P: Pages<Handle = H>>(
        &self,
        pages: &P,
        hash: &KeyHash,
    ) -> Result<Option<(Digest, P::Value)>, P::Error> {
        let Some((end, depth)) = self.top.page_of(hash) else { return Ok(None) };
        pages.prefetch_leaf(&end.handle, Page::<P::Value>::guess(hash, end.len, depth));
        Ok(pages.load(&end.handle)?.entry(hash))
    }

    /// The leaf whose key has this hash.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn leaf_of<P: Pages<Handle = H>>(
        &self,
        pages: &P,
        hash: &KeyHash,
    ) -> Result<Option<Held<P::Value>>, P::Error> {
        let Some(handle) = self.page_of(hash) else { return Ok(None) };
        Ok(Held::find(pages.load(handle)?, hash))
    }

    /// The trie as a place.
    pub(crate) fn place(&self) -> Place<'_, H> {
        Place::top(&self.top)
    }
}
