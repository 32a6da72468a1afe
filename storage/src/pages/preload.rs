//! Many pages brought into memory at once.

use super::cell::Handle;
use super::pool::{PageError, Pool};
use super::runs::Runs;

/// Pages that are to be read. Threads that call [`work`](Self::work) share them.
pub(crate) struct Preload<'p> {
    pool: &'p Pool,
    runs: Runs<&'p Handle>,
}

impl<'p> Preload<'p> {
    /// Those of `cells` that are on disk only; none if all would be more than the pool may hold.
    pub(crate) fn new(pool: &'p Pool, cells: impl Iterator<Item = &'p Handle>) -> Self {
        let mut pages: Vec<_> =
            cells.filter_map(|cell| cell.absent().map(|image| (image, cell))).collect();
        if pages.len() + pool.resident() > pool.capacity() {
            pages.clear();
        }
        Self { pool, runs: Runs::new(pages) }
    }

    /// Reads pages until none is left that nobody has begun.
    ///
    /// # Errors
    /// When one cannot be read, or is not what was written.
    pub(crate) fn work(&self) -> Result<(), PageError> {
        let read = self.runs.work(|cell, image, bytes| {
            self.pool.take_in(cell, image, bytes)?;
            Ok(())
        });
        self.pool.noted(read)
    }
}
