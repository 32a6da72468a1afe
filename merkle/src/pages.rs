//! Where pages are kept: in memory, or by a buffer pool that drops and reloads them.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::digest::Digest;
use crate::page::{Guess, Page, PageValue};
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
/// A handle stands for one page for as long as it is there, and a page that more than one handle
/// stands for never changes.
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

    /// Asks for what a search in a page of so many leaves, and a change of them, will touch, if it is
    /// in memory; see [`prefetch`](mod@crate::prefetch).
    fn prefetch(&self, handle: &Self::Handle, leaves: u32) {
        let _ = (handle, leaves);
    }

    /// As [`prefetch`](Self::prefetch), for a single lookup.
    fn prefetch_leaf(&self, handle: &Self::Handle, guess: Guess) {
        let _ = (handle, guess);
    }
}

/// Keeps pages for a trie that is changed.
pub trait PagesMut: Pages {
    /// Takes a new page.
    fn store(&self, page: Page<Self::Value>) -> Self::Handle;

    /// Changes a page: in place when nobody else has the handle, or else a copy of it, which the
    /// handle stands for from then on. Its digest is not that of its leaves until it is
    /// [sealed](Self::seal), so it must not leave memory before.
    ///
    /// # Errors
    /// When the page cannot be read; nothing is changed then.
    fn edit(
        &self,
        handle: &mut Self::Handle,
        edit: impl FnOnce(&mut Page<Self::Value>),
    ) -> Result<(), Self::Error>;

    /// Gives a page that was changed its digest.
    fn seal(&self, handle: &mut Self::Handle, digest: &Digest);
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

    fn prefetch(&self, handle: &Page<V>, leaves: u32) {
        handle.prefetch(leaves);
    }
}

impl<V: PageValue> PagesMut for MemPages<V> {
    fn store(&self, page: Page<V>) -> Page<V> {
        page
    }

    fn edit(
        &self,
        handle: &mut Page<V>,
        edit: impl FnOnce(&mut Page<V>),
    ) -> Result<(), Infallible> {
        edit(handle);
        Ok(())
    }

    fn seal(&self, handle: &mut Page<V>, digest: &Digest) {
        handle.seal(digest);
    }
}
