//! What is to stand at a place of a trie: what stands there, or something that is not stored yet.

use super::node::{Place, Sum};

/// What is to stand at a place.
pub(super) enum Draft<'t, H> {
    Empty,
    /// What stands there already.
    Old(Place<'t, H>),
    /// A subtree that was finished by itself.
    Done(usize),
    Page(usize),
    Fork(usize),
}

impl<H> Clone for Draft<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<H> Copy for Draft<'_, H> {}

/// Two drafts below one bit, hashed once both sides are.
pub(super) struct ForkDraft<'t, H> {
    pub(super) depth: usize,
    pub(super) sum: Sum,
    pub(super) sides: [Draft<'t, H>; 2],
}
