//! Where segment files come from and where they go: made, recycled, removed.
//!
//! Promises: a segment that [`Pool::make`] returns is allocated, and its name is durable; when it
//! fails for want of space nothing is left behind.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::lsn::{BLOCK_BYTES, segment_name, spare_name};

pub(crate) struct Pool {
    disk: Arc<dyn Disk>,
    spares: BTreeSet<u64>,
    spares_max: usize,
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
        Ok(Self { disk, spares, spares_max: max })
    }

    /// Whether the next segment can be a recycled one.
    pub(crate) fn has_spare(&self) -> bool {
        !self.spares.is_empty()
    }

    /// Makes the file of `segment` with at least `bytes` bytes allocated.
    pub(crate) fn make(&mut self, segment: u64, bytes: u64) -> io::Result<Made> {
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
        let file = self.disk.create(&segment_name(segment))?;
        Ok(Made { file, bytes: 0, recycled: false })
    }

    /// Takes back a file that [`make`](Self::make) made and that was not begun. A failure only
    /// leaves a file behind that the next opener removes.
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
