//! Where pages are kept: in memory, or by a buffer pool that drops and reloads them.

use std::convert::Infallible;
use std::marker::PhantomData;

use crate::page::{Page, PageValue};

/// Keeps pages for a [`Trie`](crate::Trie), which holds handles alone.
///
/// A handle stands for one immutable page for as long as a clone of it is there.
pub trait Pages {
    /// What the trie keeps in place of a page. Cloned often.
    type Handle: Clone;
    /// What a leaf keeps beside key and digest.
    type Value: PageValue;
    /// Why a page cannot be had.
    type Error;

    /// The page of a handle, by whatever it takes.
    ///
    /// # Errors
    /// When the page cannot be read.
    fn load(&self, handle: &Self::Handle) -> Result<Page<Self::Value>, Self::Error>;

    /// Takes a new page.
    fn store(&self, page: Page<Self::Value>) -> Self::Handle;
}

/// Pages in memory, each its own handle.
#[derive(Clone, Copy, Debug)]
pub struct MemPages<V>(PhantomData<fn() -> V>);

impl<V> MemPages<V> {
    /// Pages in memory.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V> Default for MemPages<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: PageValue> Pages for MemPages<V> {
    type Handle = Page<V>;
    type Value = V;
    type Error = Infallible;

    fn load(&self, handle: &Page<V>) -> Result<Page<V>, Infallible> {
        Ok(handle.clone())
    }

    fn store(&self, page: Page<V>) -> Page<V> {
        page
    }
}
