//! A trie together with its pages.

use crate::digest::{Digest, KeyHash};
use crate::pages::Pages;
use crate::prefix::Prefix;
use crate::proof::Proof;
use crate::trie::{Held, Leaves, Trie};

/// A trie and the pages that it lives in: everything that reads needs, in one value.
pub struct View<P: Pages> {
    /// The trie.
    pub trie: Trie<P::Handle>,
    /// Where its pages are.
    pub pages: P,
}

impl<P: Pages + Clone> Clone for View<P> {
    fn clone(&self) -> Self {
        Self { trie: self.trie.clone(), pages: self.pages.clone() }
    }
}

impl<P: Pages> View<P> {
    /// A view of `trie`, whose pages are in `pages`.
    pub fn new(trie: Trie<P::Handle>, pages: P) -> Self {
        Self { trie, pages }
    }

    /// Number of leaves.
    pub fn len(&self) -> usize {
        self.trie.len()
    }

    /// True when there is no leaf.
    pub fn is_empty(&self) -> bool {
        self.trie.is_empty()
    }

    /// Digest over all leaves.
    pub fn root(&self) -> Digest {
        self.trie.root()
    }

    /// Digest and value of the key that has this hash.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn get(&self, hash: &KeyHash) -> Result<Option<(Digest, P::Value)>, P::Error> {
        self.trie.get(&self.pages, hash)
    }

    /// The leaf whose key has this hash.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn leaf_of(&self, hash: &KeyHash) -> Result<Option<Held<P::Value>>, P::Error> {
        self.trie.leaf_of(&self.pages, hash)
    }

    /// All leaves in ascending key hash order.
    pub fn iter(&self) -> Leaves<'_, P> {
        self.trie.iter(&self.pages)
    }

    /// The leaves whose key hashes start with `prefix`, in ascending key hash order.
    pub fn iter_prefix(&self, prefix: &Prefix) -> Leaves<'_, P> {
        self.trie.iter_prefix(&self.pages, prefix)
    }

    /// See [`Trie::prove`].
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn prove(&self, hash: &KeyHash) -> Result<Proof, P::Error> {
        self.trie.prove(&self.pages, hash)
    }
}

impl<'a, P: Pages> IntoIterator for &'a View<P> {
    type Item = Result<Held<P::Value>, P::Error>;
    type IntoIter = Leaves<'a, P>;

    fn into_iter(self) -> Leaves<'a, P> {
        self.iter()
    }
}

impl<P: Pages> std::fmt::Debug for View<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("trie", &self.trie).finish_non_exhaustive()
    }
}
