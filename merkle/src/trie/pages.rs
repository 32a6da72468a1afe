//! Pages: how a trie is cut into pieces of bounded size for the checkpointer.
//!
//! A page is a maximal subtree of at most a given number of leaves. Where a leaf's page is follows
//! from the set of key hashes alone. What changed since a snapshot is found by comparing
//! pointers: a subtree that both share is skipped unread.

use std::sync::Arc;

use crate::digest::{Digest, KeyHash, Leaf};
use crate::prefix::Prefix;
use crate::trie::node::{Node, Slot};
use crate::trie::{Iter, Trie};

/// A page: the subtree under a prefix. Holds on to the nodes, so it outlives the trie it is from.
#[derive(Clone)]
pub struct Page<L> {
    prefix: Prefix,
    content: Content<L>,
}

#[derive(Clone)]
enum Content<L> {
    Leaf(Digest, L),
    Branch(Digest, Arc<Node<L>>),
}

impl<L: Leaf> Page<L> {
    /// What the key hashes of all leaves in the page, and of no others, start with.
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Number of leaves, at least one.
    #[expect(clippy::len_without_is_empty, reason = "a page is never empty")]
    pub fn len(&self) -> usize {
        self.slot().count()
    }

    /// Leaves in ascending key hash order.
    pub fn iter(&self) -> Iter<'_, L> {
        Iter::new(self.slot())
    }

    /// Digest of the subtree: what stands for the page in the trie above it.
    pub fn digest(&self) -> Digest {
        self.slot().digest()
    }

    fn slot(&self) -> Slot<'_, L> {
        match &self.content {
            Content::Leaf(digest, leaf) => Slot::Leaf(digest, leaf),
            Content::Branch(digest, node) => Slot::Branch(digest, node),
        }
    }
}

impl<'a, L: Leaf> IntoIterator for &'a Page<L> {
    type Item = &'a L;
    type IntoIter = Iter<'a, L>;

    fn into_iter(self) -> Iter<'a, L> {
        self.iter()
    }
}

/// How the pages of a trie differ from those of an older one.
pub struct ChangedPages<L> {
    /// Pages that are new or may have other content, in prefix order.
    pub written: Vec<Page<L>>,
    /// Prefixes that were pages and are none any more, in prefix order.
    pub gone: Vec<Prefix>,
}

impl<L: Leaf> Trie<L> {
    /// All pages of at most `max` leaves, in prefix order. An empty trie has none.
    ///
    /// # Panics
    /// When `max` is zero.
    pub fn pages(&self, max: usize) -> Vec<Page<L>> {
        assert!(max > 0, "a page holds a leaf at least");
        let mut out = Vec::new();
        pages_under(self.whole(), Prefix::ROOT, max, &mut |prefix, content| {
            out.push(Page { prefix, content: content.clone_content() });
        });
        out
    }

    /// The page that `hash` belongs to, or would if it were there and the pages stayed as they
    /// are; `None` when no page covers it.
    pub fn page_of(&self, hash: &KeyHash, max: usize) -> Option<Page<L>> {
        assert!(max > 0, "a page holds a leaf at least");
        let mut slot = self.whole();
        let mut prefix = Prefix::ROOT;
        while let Slot::Branch(_, node) = slot
            && node.count() > max
        {
            let nibble = hash.nibble(prefix.len());
            slot = node.slot(nibble);
            prefix = prefix.child(nibble);
        }
        (slot.count() > 0).then(|| Page { prefix, content: slot.clone_content() })
    }

    /// What a checkpointer has to write to get from the pages of `old` to those of this trie, both
    /// cut at `max` leaves.
    ///
    /// Skips what the two share by pointer, so the cost follows the changes between a trie and its
    /// own snapshot. Never misses a page that differs; may report one that does not, when it was
    /// written with equal content.
    ///
    /// # Panics
    /// When `max` is zero.
    pub fn changed_pages(&self, old: &Self, max: usize) -> ChangedPages<L> {
        assert!(max > 0, "a page holds a leaf at least");
        let mut changed = ChangedPages { written: Vec::new(), gone: Vec::new() };
        let (new, old) = (self.whole(), old.whole());
        compare(new, old, Prefix::ROOT, max, &mut changed);
        changed
    }
}

impl<L: Leaf> Slot<'_, L> {
    fn clone_content(&self) -> Content<L> {
        match self {
            Self::Leaf(digest, leaf) => Content::Leaf(**digest, (*leaf).clone()),
            Self::Branch(digest, node) => Content::Branch(**digest, Arc::clone(node)),
            Self::Empty => panic!("an empty slot is no page"),
        }
    }

    /// The node, if the subtree is too large to be one page.
    fn split(&self, max: usize) -> Option<&Node<L>> {
        match self {
            Self::Branch(_, node) if node.count() > max => Some(node),
            _ => None,
        }
    }

    fn shares(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Branch(_, a), Self::Branch(_, b)) => Arc::ptr_eq(a, b),
            (Self::Leaf(_, a), Self::Leaf(_, b)) => a.same(b),
            (Self::Empty, Self::Empty) => true,
            _ => false,
        }
    }
}

fn pages_under<L: Leaf>(
    slot: Slot<'_, L>,
    prefix: Prefix,
    max: usize,
    visit: &mut impl FnMut(Prefix, Slot<'_, L>),
) {
    if let Some(node) = slot.split(max) {
        for nibble in 0..16 {
            pages_under(node.slot(nibble), prefix.child(nibble), max, visit);
        }
    } else if slot.count() > 0 {
        visit(prefix, slot);
    }
}

fn compare<L: Leaf>(
    new: Slot<'_, L>,
    old: Slot<'_, L>,
    prefix: Prefix,
    max: usize,
    out: &mut ChangedPages<L>,
) {
    if new.shares(&old) {
        return;
    }
    if let (Some(new), Some(old)) = (new.split(max), old.split(max)) {
        for nibble in 0..16 {
            compare(new.slot(nibble), old.slot(nibble), prefix.child(nibble), max, out);
        }
        return;
    }
    let still_a_page = new.count() > 0 && new.split(max).is_none();
    pages_under(new, prefix, max, &mut |prefix, slot| {
        out.written.push(Page { prefix, content: slot.clone_content() });
    });
    pages_under(old, prefix, max, &mut |gone, _| {
        if !(still_a_page && gone == prefix) {
            out.gone.push(gone);
        }
    });
}
