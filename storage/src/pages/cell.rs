//! A page of the index as the trees hold it: in memory, on disk, or both.
//!
//! A cell that several trees share never changes what it stands for: a change makes a new cell. One
//! that a single tree has is changed in place by whoever has that tree to itself, which takes its
//! image away: so the image that a cell has is right, and dropping the page from memory loses
//! nothing. Whoever writes an image says which version of the page it is of.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use strongroom_aries::PageId;
use strongroom_merkle::prefetch::prefetch;
use strongroom_merkle::{Digest, Guess, KeyHash, Page, Prefix};
use strongroom_wal::Lsn;

use super::files::Image;
use crate::index::Slot;
use crate::sync::lock;

/// A tree of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TreeId {
    /// Number of the keyspace in this store's log.
    pub(crate) keyspace: u32,
    /// What transactions wrote that have not ended, rather than what is committed.
    pub(crate) pending: bool,
}

/// What a tree's nodes point to.
pub(crate) type Handle = Arc<Cell>;

/// A page of an index, in memory, on disk or both. Opaque.
pub struct Cell {
    pub(crate) tree: TreeId,
    pub(crate) prefix: Prefix,
    page_lsn: AtomicU64,
    inner: Mutex<Inner>,
    /// Where the page was last seen in memory, to ask for it ahead without the lock.
    hint: (AtomicUsize, AtomicU32),
    /// Pages in memory, of the whole store.
    resident: Arc<AtomicUsize>,
}

struct Inner {
    body: Option<Page<Slot>>,
    image: Option<Arc<Image>>,
    /// Used since the evictor last came by.
    used: bool,
    /// How often it was changed.
    edits: u64,
    /// Changed, and its digest is not known yet: it stays in memory.
    unsealed: bool,
}

/// Which page it was that a cell stood for.
#[derive(Clone, Copy)]
pub(super) struct Version {
    pub(super) page_lsn: Lsn,
    pub(super) edits: u64,
    /// Whether its digest is that of its leaves.
    pub(super) sealed: bool,
}

/// What a look at a cell finds.
pub(super) enum Found {
    Body(Page<Slot>),
    Image(Arc<Image>),
}

impl Cell {
    /// A page that is in memory only.
    pub(super) fn dirty(
        tree: TreeId,
        page: Page<Slot>,
        page_lsn: Lsn,
        resident: &Arc<AtomicUsize>,
    ) -> Self {
        resident.fetch_add(1, Ordering::Relaxed);
        let prefix = page.prefix();
        let hint = hint(&page);
        let (body, image) = (Some(page), None);
        let inner = Mutex::new(Inner { body, image, used: true, edits: 0, unsealed: false });
        let page_lsn = AtomicU64::new(page_lsn.0);
        Self { tree, prefix, page_lsn, inner, hint, resident: Arc::clone(resident) }
    }

    /// A page that is on disk only.
    pub(super) fn clean(
        tree: TreeId,
        prefix: Prefix,
        page_lsn: Lsn,
        image: Arc<Image>,
        resident: &Arc<AtomicUsize>,
    ) -> Self {
        let (body, image) = (None, Some(image));
        let inner = Mutex::new(Inner { body, image, used: false, edits: 0, unsealed: false });
        let hint = Default::default();
        let page_lsn = AtomicU64::new(page_lsn.0);
        Self { tree, prefix, page_lsn, inner, hint, resident: Arc::clone(resident) }
    }

    /// Asks for the page if it is in memory.
    pub(crate) fn prefetch_page(&self) {
        let (address, len) = &self.hint;
        let len = usize::try_from(len.load(Ordering::Relaxed)).unwrap_or(0);
        prefetch(address.load(Ordering::Relaxed), len);
    }

    /// Asks for what a single lookup in the page will touch.
    pub(crate) fn prefetch_leaf(&self, guess: Guess) {
        prefetch((&raw const *self).addr(), size_of::<Self>());
        guess.prefetch(self.hint.0.load(Ordering::Relaxed));
    }

    /// Its name in log records and images.
    pub(crate) fn id(&self) -> PageId {
        page_id(self.tree, &self.prefix)
    }

    /// The page holds the effect of every record before this position, and of none after it.
    pub(crate) fn page_lsn(&self) -> Lsn {
        Lsn(self.page_lsn.load(Ordering::Relaxed))
    }

    /// Which page it stands for now.
    pub(super) fn version(&self) -> Version {
        let inner = lock(&self.inner);
        Version { page_lsn: self.page_lsn(), edits: inner.edits, sealed: !inner.unsealed }
    }

    /// Changes the page in place, to one that holds everything before `lsn`. Only for who has the
    /// one tree that the cell is in to himself. Gives `edit` back if the page is not in memory.
    pub(super) fn edit<F: FnOnce(&mut Page<Slot>)>(&self, lsn: Lsn, edit: F) -> Result<(), F> {
        let mut inner = lock(&self.inner);
        let Some(body) = &mut inner.body else { return Err(edit) };
        edit(body);
        self.keep_hint(body);
        self.page_lsn.store(lsn.0, Ordering::Relaxed);
        inner.image = None;
        inner.edits += 1;
        (inner.unsealed, inner.used) = (true, true);
        Ok(())
    }

    /// Gives a page that was changed its digest.
    pub(super) fn seal(&self, digest: &Digest) {
        let mut inner = lock(&self.inner);
        inner.unsealed = false;
        let Some(body) = &mut inner.body else { panic!("a page that was changed is in memory") };
        body.seal(digest);
        self.keep_hint(body);
    }

    /// The image, if it was written.
    pub(crate) fn image(&self) -> Option<Arc<Image>> {
        lock(&self.inner).image.clone()
    }

    /// The page if it is in memory, or else where to read it.
    pub(super) fn look(&self) -> Found {
        let mut inner = lock(&self.inner);
        inner.used = true;
        match (&inner.body, &inner.image) {
            (Some(body), _) => Found::Body(body.clone()),
            (None, Some(image)) => Found::Image(Arc::clone(image)),
            (None, None) => panic!("a page is in memory or on disk"),
        }
    }

    /// Where to read the page if it is not in memory.
    pub(super) fn absent(&self) -> Option<Arc<Image>> {
        let inner = lock(&self.inner);
        if inner.body.is_some() { None } else { inner.image.clone() }
    }

    /// The page was read; false when someone else was faster.
    pub(super) fn fill(&self, body: &Page<Slot>) -> bool {
        let mut inner = lock(&self.inner);
        if inner.body.is_some() {
            return false;
        }
        self.keep_hint(body);
        inner.body = Some(body.clone());
        self.resident.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn keep_hint(&self, body: &Page<Slot>) {
        let (address, len) = hint(body);
        self.hint.0.store(address.into_inner(), Ordering::Relaxed);
        self.hint.1.store(len.into_inner(), Ordering::Relaxed);
    }

    /// The page was written, for the first time or to a better place, as it was after so many edits.
    pub(super) fn written(&self, image: Arc<Image>, edits: u64) {
        let mut inner = lock(&self.inner);
        if inner.edits == edits {
            inner.image = Some(image);
        }
    }

    /// Whether it was used since this was last asked.
    pub(super) fn take_used(&self) -> bool {
        std::mem::take(&mut lock(&self.inner).used)
    }

    /// Drops the page from memory if it is on disk.
    pub(super) fn drop_body(&self) -> bool {
        let mut inner = lock(&self.inner);
        let dropped = inner.image.is_some() && inner.body.take().is_some();
        if dropped {
            self.resident.fetch_sub(1, Ordering::Relaxed);
        }
        dropped
    }
}

/// Where a page is in memory.
fn hint(page: &Page<Slot>) -> (AtomicUsize, AtomicU32) {
    let (address, len) = page.place();
    (address.into(), u32::try_from(len).unwrap_or(0).into())
}

impl Drop for Cell {
    fn drop(&mut self) {
        if lock(&self.inner).body.is_some() {
            self.resident.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tree, prefix, .. } = self;
        write!(f, "Cell({tree:?}, {prefix:?}, {})", self.page_lsn())
    }
}

/// The page of a subtree. Pages are never deeper than 64 bits: that would take more keys than a page
/// holds whose hashes share that many.
pub(crate) fn page_id(tree: TreeId, prefix: &Prefix) -> PageId {
    assert!(prefix.len() <= 64, "page deeper than 64 bits");
    let path = (0..prefix.len()).fold(0u64, |path, i| path | (prefix.bit(i) as u64) << (63 - i));
    let depth = u8::try_from(prefix.len()).unwrap_or(64);
    PageId { keyspace: tree.keyspace, pending: tree.pending, path, depth }
}

/// The subtree of a page.
pub(crate) fn prefix_of(page: PageId) -> Prefix {
    let mut hash = KeyHash([0; KeyHash::BYTES]);
    hash.0[..8].copy_from_slice(&page.path.to_be_bytes());
    Prefix::of(&hash, usize::from(page.depth))
}
