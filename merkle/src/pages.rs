//! Where pages are kept: in memory, or by a buffer pool that drops and reloads them.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::page::{Page, PageValue};
use crate::prefetch::prefetch_arc;

/// What a trie keeps in place of a page. It is cloned often.
pub trait Handle: Clone {
    /// Asks for what a clone of it will touch; see [`prefetch`](mod@crate::prefetch).
    fn prefetch_head(&self) {}
}

impl Handle for () {}
impl Handle for u64 {}

impl<T> Handle for Arc<T> {
    fn prefetch_head(&self) {
        prefetch_arc(&**self, size_of::<T>());
    }
}

impl<V> Handle for Page<V> {
    fn prefetch_head(&self) {
        self.prefetch_bytes(1);
    }
}

/// Keeps pages for a [`Trie`](crate::Trie), which holds handles alone.
///
/// A handle stands for one immutable page for as long as a clone of it is there.
pub trait Pages {
    /// What the trie keeps in place of a page.
    type Handle: Handle;
    /// What a leaf keeps beside key and digest.
    type Value: PageValue;
    /// Why a page cannot be had.
    type Error;

    /// The page of a handle, by whatever it takes.
    ///
    /// # Errors
    /// When the page cannot be read.
    fn load(&self, handle: &Self::Handle) -> Result<Page<Self::Value>, Self::Error>;

    /// Asks for a page that will be loaded soon, if it is in memory; see [`prefetch`](mod@crate::prefetch).
    fn prefetch(&self, handle: &Self::Handle) {
        let _ = handle;
    }

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

    fn prefetch(&self, handle: &Page<V>) {
        handle.prefetch();
    }

    fn store(&self, page: Page<V>) -> Page<V> {
        page
    }
}
