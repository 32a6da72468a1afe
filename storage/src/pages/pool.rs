//! The buffer pool: reads pages when they are needed and drops them when there are too many.
//!
//! Policy is steal and no-force: a page may go to disk before its transactions end (those of a tree
//! of uncommitted writes do), and a commit writes no page. The write-ahead rule holds for each
//! image: it goes out only when the log is durable up to the page's LSN. What is evicted is found
//! by second chance (clock).

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use strongroom_merkle::{Digest, Guess, Page, Pages, PagesMut, Prefix};
use strongroom_wal::{LogReader, Lsn};

use super::blocks::Blocks;
use super::cell::{Cell, Found, Handle, TreeId, Version};
use super::codec::{decode_page, encode_page};
use super::files::{Image, PageFiles};
use crate::index::Slot;
use crate::sync::lock;

/// Images that are written with one call at most.
pub(crate) const WRITE_RUN: usize = 128;

/// A page of the index could not be had: restart from the log, or from a backup.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PageError {
    /// The device failed.
    #[error("cannot read page segment {segment}: {cause}")]
    Io {
        /// Number of the page segment.
        segment: u64,
        /// What the device said.
        cause: String,
    },
    /// The image is not the one that was written.
    #[error("{file} is damaged: {why}")]
    Damaged {
        /// The page segment.
        file: String,
        /// How.
        why: &'static str,
    },
}

/// See the module's text.
pub(crate) struct Pool {
    pub(crate) files: PageFiles,
    pub(crate) blocks: Blocks,
    /// Nothing is known to be durable before it is there.
    log: OnceLock<LogReader>,
    capacity: usize,
    resident: Arc<AtomicUsize>,
    clock: Mutex<VecDeque<Weak<Cell>>>,
    figures: Figures,
}

/// What the pool did since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Pages read from disk.
    pub(crate) read: AtomicU64,
    /// How often a page could not be read, or was not what was written.
    pub(crate) unreadable: AtomicU64,
    /// Pages dropped from memory.
    pub(crate) evicted: AtomicU64,
    /// Pages written by eviction rather than by a checkpoint.
    pub(crate) stolen: AtomicU64,
    /// Pages of uncommitted writes among all that were written.
    pub(crate) uncommitted: AtomicU64,
}

impl Pool {
    /// A pool of at most `capacity` pages in memory, but for those whose log is not durable yet. It
    /// writes none before it has a [log](Pool::attach).
    pub(crate) fn new(files: PageFiles, capacity: usize) -> Self {
        Self {
            files,
            blocks: Blocks::default(),
            log: OnceLock::new(),
            capacity: capacity.max(1),
            resident: Arc::default(),
            clock: Mutex::default(),
            figures: Figures::default(),
        }
    }

    /// Gives it the log that its pages come from, once.
    pub(crate) fn attach(&self, log: LogReader) {
        let first = self.log.set(log).is_ok();
        assert!(first, "the pages of a store have one log");
    }

    /// Whether the log is durable up to here.
    fn is_durable(&self, lsn: Lsn) -> bool {
        self.log.get().is_some_and(|log| lsn <= log.durable_lsn())
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Pages that may be in memory.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Pages in memory.
    pub(crate) fn resident(&self) -> usize {
        self.resident.load(Ordering::Relaxed)
    }

    /// Whether there is no room for further pages without letting go of others.
    pub(crate) fn is_full(&self) -> bool {
        self.resident() >= self.capacity
    }

    /// The page of a cell.
    pub(crate) fn load(&self, cell: &Handle) -> Result<Page<Slot>, PageError> {
        let image = match cell.look() {
            Found::Body(body) => return Ok(body),
            Found::Image(image) => image,
        };
        let segment = image.segment.no;
        let read = image.read().map_err(|e| PageError::Io { segment, cause: e.to_string() });
        let loaded = read.and_then(|bytes| self.take_in(cell, &image, &bytes));
        self.noted(loaded)
    }

    /// Counts it if a page could not be had.
    pub(super) fn noted<T>(&self, loaded: Result<T, PageError>) -> Result<T, PageError> {
        self.figures.unreadable.fetch_add(u64::from(loaded.is_err()), Ordering::Relaxed);
        loaded
    }

    /// The page of a cell, given the bytes of its image.
    pub(super) fn take_in(
        &self,
        cell: &Handle,
        image: &Image,
        bytes: &[u8],
    ) -> Result<Page<Slot>, PageError> {
        let body = image.same(bytes).and_then(|()| decode_page(bytes, cell.tree, cell.prefix));
        let body = body.map_err(|e| image.damaged(e))?;
        self.figures.read.fetch_add(1, Ordering::Relaxed);
        if cell.fill(&body) {
            self.admit(cell);
        }
        Ok(body)
    }

    /// A cell for a page that is listed in a map.
    pub(crate) fn adopt(
        &self,
        tree: TreeId,
        prefix: Prefix,
        page_lsn: Lsn,
        image: Arc<Image>,
    ) -> Handle {
        Arc::new(Cell::clean(tree, prefix, page_lsn, image, &self.resident))
    }

    /// Gives images to pages that have none, and new ones to pages whose image is in doubt; answers
    /// them in order.
    pub(crate) fn write(&self, cells: &[Handle]) -> io::Result<Vec<Arc<Image>>> {
        let mut all = Vec::with_capacity(cells.len());
        for run in cells.chunks(WRITE_RUN) {
            let mut images = Vec::with_capacity(run.len());
            let mut versions = Vec::with_capacity(run.len());
            for cell in run {
                let Version { page_lsn, edits, .. } = cell.version();
                assert!(
                    self.is_durable(page_lsn),
                    "a page goes to disk after the log that made it"
                );
                let page = self.load(cell).map_err(io::Error::other)?;
                images.push(encode_page(cell.tree, page_lsn, &page));
                versions.push(edits);
            }
            let written = self.files.append(&images)?.into_iter().zip(versions);
            for (cell, (image, edits)) in run.iter().zip(written) {
                all.push(Arc::clone(&image));
                cell.written(image, edits);
            }
            let uncommitted = run.iter().filter(|cell| cell.tree.pending).count();
            self.figures.uncommitted.fetch_add(uncommitted as u64, Ordering::Relaxed);
        }
        Ok(all)
    }

    /// Takes note of a page that came into memory, and makes room for it.
    fn admit(&self, cell: &Handle) {
        let mut clock = lock(&self.clock);
        clock.push_back(Arc::downgrade(cell));
        // Pages that were replaced leave their entries behind.
        if clock.len() > 2 * self.resident() + 1024 {
            clock.retain(|weak| weak.strong_count() > 0);
        }
        drop(clock);
        self.trim();
    }

    /// Drops pages until the pool is within its capacity, or each was looked at twice: to be called
    /// when the log has become durable, which lets more of them go.
    pub(crate) fn trim(&self) {
        if self.resident() <= self.capacity {
            return;
        }
        let mut turns = 2 * lock(&self.clock).len();
        while self.resident() > self.capacity && turns > 0 {
            turns -= 1;
            let Some(weak) = lock(&self.clock).pop_front() else { return };
            let Some(cell) = weak.upgrade() else { continue };
            if cell.take_used() || !self.evict_one(&cell) {
                lock(&self.clock).push_back(weak);
            }
        }
    }

    /// Whether the page left memory.
    fn evict_one(&self, cell: &Handle) -> bool {
        if cell.image().is_none() {
            // What cannot be written now stays: a full disk, a log that is not durable yet, or a
            // page that is being changed.
            let Version { page_lsn, sealed, .. } = cell.version();
            if !sealed
                || !self.is_durable(page_lsn)
                || self.write(std::slice::from_ref(cell)).is_err()
            {
                return false;
            }
            self.figures.stolen.fetch_add(1, Ordering::Relaxed);
        }
        let dropped = cell.drop_body();
        self.figures.evicted.fetch_add(u64::from(dropped), Ordering::Relaxed);
        dropped
    }
}

/// The pool as one tree sees it: the pages that the tree makes are marked as its own, and as
/// holding everything before `lsn`.
pub(crate) struct TreePages<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) tree: TreeId,
    pub(crate) lsn: Lsn,
}

impl Pages for TreePages<'_> {
    type Handle = Handle;
    type Value = Slot;
    type Error = PageError;

    fn load(&self, handle: &Handle) -> Result<Page<Slot>, PageError> {
        self.pool.load(handle)
    }

    fn prefetch(&self, handle: &Handle, _: u32) {
        handle.prefetch_page();
    }

    fn prefetch_leaf(&self, handle: &Handle, guess: Guess) {
        handle.prefetch_leaf(guess);
    }
}

impl PagesMut for TreePages<'_> {
    fn store(&self, page: Page<Slot>) -> Handle {
        let cell = Arc::new(Cell::dirty(self.tree, page, self.lsn, &self.pool.resident));
        self.pool.admit(&cell);
        cell
    }

    fn edit(
        &self,
        handle: &mut Handle,
        edit: impl FnOnce(&mut Page<Slot>),
    ) -> Result<(), PageError> {
        // The caller has the tree to itself: another holder is another tree, or the evictor for a
        // moment, who minds the version of what it writes.
        let own = Arc::strong_count(handle) == 1;
        let edited = if own { handle.edit(self.lsn, edit) } else { Err(edit) };
        if let Err(edit) = edited {
            let page = self.pool.load(handle)?;
            let cell = Cell::dirty(self.tree, page, self.lsn, &self.pool.resident);
            let _ = cell.edit(self.lsn, edit);
            *handle = Arc::new(cell);
            self.pool.admit(handle);
        }
        Ok(())
    }

    fn seal(&self, handle: &mut Handle, digest: &Digest) {
        handle.seal(digest);
    }
}
