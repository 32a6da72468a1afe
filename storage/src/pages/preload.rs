//! Many pages brought into memory at once: in the order in which they lie on disk, many with one
//! read, on as many threads as take part.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cell::Handle;
use super::files::{Image, segment_name};
use super::pool::{PageError, Pool};

/// Bytes that are read with one call, if so much lies together.
const RUN_BYTES: u64 = 512 << 10;

/// Pages that are to be read, in runs. Threads that call [`work`](Self::work) share them.
pub(crate) struct Preload<'p> {
    pool: &'p Pool,
    pages: Vec<(Arc<Image>, &'p Handle)>,
    /// Where each run begins, and the end of the last.
    runs: Vec<usize>,
    next: AtomicUsize,
}

impl<'p> Preload<'p> {
    /// Those of `cells` that are on disk only; none if all would be more than the pool may hold.
    pub(crate) fn new(pool: &'p Pool, cells: impl Iterator<Item = &'p Handle>) -> Self {
        let mut pages: Vec<_> =
            cells.filter_map(|cell| cell.absent().map(|image| (image, cell))).collect();
        if pages.len() + pool.resident() > pool.capacity() {
            pages.clear();
        }
        pages.sort_unstable_by_key(|(image, _)| (image.segment.no, image.offset));
        let mut runs = vec![0];
        let mut first = 0;
        for (at, (image, _)) in pages.iter().enumerate() {
            let (begin, _) = &pages[first];
            let together =
                begin.segment.no == image.segment.no && image.offset - begin.offset < RUN_BYTES;
            if !together {
                first = at;
                runs.push(at);
            }
        }
        runs.push(pages.len());
        Self { pool, pages, runs, next: AtomicUsize::new(0) }
    }

    /// Reads runs until none is left that nobody has begun.
    ///
    /// # Errors
    /// When one cannot be read, or is not what was written.
    pub(crate) fn work(&self) -> Result<(), PageError> {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let (Some(from), Some(to)) = (self.runs.get(at), self.runs.get(at + 1)) else {
                return Ok(());
            };
            self.read(&self.pages[*from..*to])?;
        }
    }

    fn read(&self, run: &[(Arc<Image>, &Handle)]) -> Result<(), PageError> {
        let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { return Ok(()) };
        let segment = &first.segment;
        let short = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        let span = short(last.offset - first.offset + u64::from(last.len));
        let io = |e: std::io::Error| PageError::Io { segment: segment.no, cause: e.to_string() };
        let bytes = segment.read(first.offset, span).map_err(io)?;
        for (image, cell) in run {
            let start = short(image.offset - first.offset);
            let bytes = bytes.get(start..start + short(u64::from(image.len)));
            let bytes = bytes.ok_or_else(|| PageError::Damaged {
                file: segment_name(segment.no),
                why: "images overlap",
            })?;
            self.pool.take_in(cell, segment.no, bytes)?;
        }
        Ok(())
    }
}
