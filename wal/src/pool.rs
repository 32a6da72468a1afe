//! Where segment files come from and where they go: made, recycled, removed.
//!
//! Promises: a segment that [`Pool::make`] returns is allocated, and its name is durable; when it
//! fails for want of space nothing is left behind. A spare that is prepared ahead is filled with
//! zeros by a thread of its own where the disk allows that, and at once where it does not; dropping
//! the pool waits for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::disk::{Disk, DiskFile};
use crate::lsn::{BLOCK_BYTES, segment_name, spare_name};

pub(crate) struct Pool {
    disk: Arc<dyn Disk>,
    spares: BTreeSet<u64>,
    spares_max: usize,
    /// The spare that is being filled, and the last that was asked for: a full disk is not asked
    /// again at every frame.
    preparing: Option<(u64, JoinHandle<io::Result<()>>)>,
    asked_for: Option<u64>,
}

/// A segment file without a header.
pub(crate) struct Made {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) bytes: u64,
    /// Whether the file holds another segment's bytes.
    pub(crate) recycled: bool,
}

impl Pool {
    /// Takes over the spares that lie in the folder; those over the bound are removed.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        mut spares: BTreeSet<u64>,
        max: usize,
    ) -> io::Result<Self> {
        while spares.len() > max
            && let Some(surplus) = spares.pop_last()
        {
            disk.remove(&spare_name(surplus))?;
        }
        Ok(Self { disk, spares, spares_max: max, preparing: None, asked_for: None })
    }

    /// Whether the next segment can be a recycled one.
    pub(crate) fn has_spare(&mut self) -> bool {
        self.finish_preparing();
        !self.spares.is_empty()
    }

    /// Fills a spare of `bytes` bytes for `segment` unless there is one, beside the caller's work if
    /// the disk allows it. Failure shows when the spare is needed.
    pub(crate) fn prepare(&mut self, segment: u64, bytes: u64) {
        let wanted = self.spares_max > 0 && self.spares.is_empty() && self.preparing.is_none();
        if !wanted || self.asked_for == Some(segment) {
            return;
        }
        self.asked_for = Some(segment);
        if !self.disk.in_background() {
            // Whoever needs it will see what is wrong.
            let _ = self.prepare_now(segment, bytes);
            return;
        }
        let disk = Arc::clone(&self.disk);
        let thread = thread::Builder::new().name("wal-prepare".to_owned());
        let started = thread.spawn(move || fill_spare(&*disk, segment, bytes));
        self.preparing = started.ok().map(|handle| (segment, handle));
    }

    /// Fills a spare of `bytes` bytes, even beyond the bound.
    pub(crate) fn prepare_now(&mut self, segment: u64, bytes: u64) -> io::Result<()> {
        fill_spare(&*self.disk, segment, bytes)?;
        self.spares.insert(segment);
        Ok(())
    }

    /// Waits for the spare that is being filled.
    fn finish_preparing(&mut self) {
        if let Some((segment, handle)) = self.preparing.take()
            && matches!(handle.join(), Ok(Ok(())))
        {
            self.spares.insert(segment);
        }
    }

    /// Makes the file of `segment` with at least `bytes` bytes allocated.
    pub(crate) fn make(&mut self, segment: u64, bytes: u64) -> io::Result<Made> {
        self.finish_preparing();
        let made = match self.spares.first().copied() {
            Some(spare) => self.reuse(spare, segment, bytes)?,
            None => self.create(segment)?,
        };
        let allocated = made.file.reserve(bytes).and_then(|()| self.disk.sync_dir());
        match allocated.and_then(|()| made.file.len()) {
            Ok(len) => Ok(Made { bytes: len / BLOCK_BYTES * BLOCK_BYTES, ..made }),
            Err(error) => {
                self.unmake(segment);
                Err(error)
            }
        }
    }

    /// Space is taken under the spare's own name, so that a full disk leaves the spare a spare.
    fn reuse(&mut self, spare: u64, segment: u64, bytes: u64) -> io::Result<Made> {
        let file = self.disk.open(&spare_name(spare))?;
        file.reserve(bytes)?;
        self.disk.rename(&spare_name(spare), &segment_name(segment))?;
        self.spares.remove(&spare);
        Ok(Made { file, bytes, recycled: true })
    }

    fn create(&self, segment: u64) -> io::Result<Made> {
        let name = segment_name(segment);
        let file = match self.disk.create(&name) {
            // What a full disk did not let us take back; it was never begun.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.remove(&name)?;
                self.disk.create(&name)?
            }
            made => made?,
        };
        Ok(Made { file, bytes: 0, recycled: false })
    }

    /// Takes back a file that [`make`](Self::make) made and that was not begun. A failure only
    /// leaves a file behind that the next one to make the segment, or to open the log, removes.
    pub(crate) fn unmake(&self, segment: u64) {
        let _ = self.disk.remove(&segment_name(segment));
    }

    /// Takes back the file of a segment that nobody needs.
    pub(crate) fn give_back(&mut self, segment: u64) -> io::Result<()> {
        let name = segment_name(segment);
        if self.spares.len() >= self.spares_max {
            return self.disk.remove(&name);
        }
        self.disk.rename(&name, &spare_name(segment))?;
        self.spares.insert(segment);
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.finish_preparing();
    }
}

/// Makes a spare of durable zeros; nothing is left behind when that fails.
fn fill_spare(disk: &dyn Disk, number: u64, bytes: u64) -> io::Result<()> {
    let name = spare_name(number);
    let filled = disk.create(&name)?.reserve(bytes);
    if filled.is_err() {
        let _ = disk.remove(&name);
    }
    filled
}
