//! New pages and nodes on their way: drafted first, hashed together, then packed.
//!
//! Hashing waits until many pages and forks are drafted, so that several share vector registers.

use super::draft::{Draft, ForkDraft};
use super::hasher::{Hasher, Unhashed};
use super::node::{Item, PageEnd, Place, Sum};
use super::pack::Packer;
use crate::digest::Digest;
use crate::page::packed::{Loose, NewPage};
use crate::page::{PAGE_LEAVES_MAX, PageValue};
use crate::pages::PagesMut;

/// Drafts of a trie, of which the last ones are finished first: a stack, so that all the subtrees
/// that are finished by themselves use the same memory.
pub(super) struct Builder<'t, H, V> {
    pages: Vec<NewPage<V>>,
    forks: Vec<ForkDraft<'t, H>>,
    done: Vec<Item<H>>,
    hasher: Hasher,
    digests: Vec<Digest>,
    packer: Packer<H>,
}

/// How many drafts there were when those of a subtree began.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pages: usize,
    forks: usize,
    done: usize,
}

impl<'t, H: Clone, V: PageValue> Builder<'t, H, V> {
    pub(super) fn new() -> Self {
        Self {
            pages: Vec::new(),
            forks: Vec::new(),
            done: Vec::new(),
            hasher: Hasher::default(),
            digests: Vec::new(),
            packer: Packer::new(),
        }
    }

    /// Where the drafts of a subtree begin that is to be finished by itself.
    pub(super) fn mark(&self) -> Mark {
        Mark { pages: self.pages.len(), forks: self.forks.len(), done: self.done.len() }
    }

    /// Drafts a page.
    pub(super) fn page(&mut self, page: NewPage<V>) -> Draft<'t, H> {
        self.pages.push(page);
        Draft::Page(self.pages.len() - 1)
    }

    pub(super) fn fork(&mut self, depth: usize, sides: [Draft<'t, H>; 2]) -> Draft<'t, H> {
        let count = sides.iter().map(|side| self.count(side)).sum();
        let sum = Sum { digest: Digest::ZERO, count: small(count) };
        self.forks.push(ForkDraft { depth, sum, sides });
        Draft::Fork(self.forks.len() - 1)
    }

    /// Drafts the subtree at `depth` of leaves in order.
    pub(super) fn leaves(&mut self, depth: usize, leaves: &[Loose<'_, V>]) -> Draft<'t, H> {
        if leaves.is_empty() {
            return Draft::Empty;
        }
        if leaves.len() <= PAGE_LEAVES_MAX {
            let bits = u8::try_from(depth).unwrap_or(u8::MAX);
            return self.page(NewPage::of(bits, leaves));
        }
        let at = leaves.partition_point(|leaf| leaf.hash.bit(depth) == 0);
        let (left, right) = leaves.split_at(at);
        let sides = [self.leaves(depth + 1, left), self.leaves(depth + 1, right)];
        self.fork(depth, sides)
    }

    pub(super) fn count(&self, draft: &Draft<'t, H>) -> usize {
        match draft {
            Draft::Empty => 0,
            Draft::Old(place) => place.count(),
            Draft::Done(at) => Place::top(&self.done[*at]).count(),
            Draft::Page(at) => self.pages[*at].len(),
            Draft::Fork(at) => usize::try_from(self.forks[*at].sum.count).unwrap_or(usize::MAX),
        }
    }

    /// Hashes and stores all drafts from `mark` on; the finished subtree, whose depth is that of a
    /// node.
    pub(super) fn finish<P>(&mut self, pages: &P, mark: Mark, draft: Draft<'t, H>) -> Item<H>
    where
        P: PagesMut<Handle = H, Value = V>,
    {
        self.hash(pages, mark);
        let item = self.packer.item(&mut self.forks, &mut self.done, draft);
        self.drop_from(mark);
        item
    }

    /// As `finish`, for a subtree that a trie's builder goes on with.
    pub(super) fn finish_below<P>(
        &mut self,
        pages: &P,
        mark: Mark,
        draft: Draft<'t, H>,
    ) -> Draft<'t, H>
    where
        P: PagesMut<Handle = H, Value = V>,
    {
        let item = self.finish(pages, mark, draft);
        self.done.push(item);
        Draft::Done(self.done.len() - 1)
    }

    fn drop_from(&mut self, mark: Mark) {
        self.forks.truncate(mark.forks);
        self.done.truncate(mark.done);
    }

    fn hash<P>(&mut self, pages: &P, mark: Mark)
    where
        P: PagesMut<Handle = H, Value = V>,
    {
        let Self { pages: drafted, forks, done, hasher, digests, .. } = self;
        let new = &mut drafted[mark.pages..];
        hasher.pages(new.len(), |at| new[at].hash_input(), digests);
        for (page, digest) in new.iter_mut().zip(digests) {
            page.seal(digest);
        }
        hasher.forks(forks, mark.forks, |forks, at| {
            forks[at].sides.map(|side| match side {
                Draft::Empty => Digest::ZERO,
                Draft::Old(place) => place.digest(),
                Draft::Done(at) => done[at].digest(),
                Draft::Page(at) => drafted[at].digest(),
                Draft::Fork(at) => forks[at].sum.digest,
            })
        });
        let store = |page: NewPage<V>| {
            let len = u32::try_from(page.len()).unwrap_or(u32::MAX);
            PageEnd { digest: page.digest(), len, handle: pages.store(page.finish()) }
        };
        self.packer.take_pages(mark.pages, self.pages.drain(mark.pages..).map(store));
    }
}

impl<H> Unhashed for ForkDraft<'_, H> {
    fn depth(&self) -> usize {
        self.depth
    }

    fn set(&mut self, digest: Digest) {
        self.sum.digest = digest;
    }
}

/// A number of leaves as a node keeps it.
fn small(count: usize) -> u32 {
    let Ok(count) = u32::try_from(count) else { panic!("a trie has fewer than 2^32 leaves") };
    count
}
