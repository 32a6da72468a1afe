//! Where segment files come from and where they go: made, recycled, removed.
//!
//! Promises: a segment that [`Pool::make`] returns is allocated, and its name is durable; when it
//! fails for want of space nothing is left behind. A spare that is prepared ahead is filled with
//! zeros by a thread of its own where the disk allows that, and at once where it does not; dropping
//! the pool waits for it. It is known for each spare how much it holds and whether it was ever a
//! segment.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::disk::{Disk, DiskFile};
use crate::format::BLOCK;
use crate::look::read_existing;
use crate::lsn::{BLOCK_BYTES, segment_name, spare_name};

pub(super) struct Pool {
    disk: Arc<dyn Disk>,
    spares: BTreeMap<u64, Spare>,
    spares_max: usize,
    /// The spares that were secured, in the order in which they will be needed.
    planned: Vec<u64>,
    /// Whether the name of every spare is durable.
    settled: bool,
    /// The spare that is being filled, and the last that was asked for: a full disk is not asked
    /// again at every frame.
    preparing: Option<(u64, JoinHandle<io::Result<Spare>>)>,
    asked_for: Option<u64>,
}

/// A file that waits to become a segment.
#[derive(Clone, Copy)]
struct Spare {
    /// Bytes that are allocated.
    bytes: u64,
    /// It has zeros only: it was prepared, and never was a segment.
    fresh: bool,
}

/// A segment file without a header.
pub(super) struct Made {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) bytes: u64,
    /// Whether the file may hold another segment's bytes.
    pub(super) recycled: bool,
}

impl Pool {
    /// Takes over the spares that lie in the folder; those over the bound are removed.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        mut spares: BTreeSet<u64>,
        max: usize,
    ) -> io::Result<Self> {
        while spares.len() > max
            && let Some(surplus) = spares.pop_last()
        {
            disk.remove(&spare_name(surplus))?;
        }
        let look = |no: u64| Ok((no, look_at(&*disk, no)?));
        let spares = spares.into_iter().map(look).collect::<io::Result<_>>()?;
        // A killed process may have named them and not made that durable.
        let settled = false;
        Ok(Self {
            disk,
            spares,
            spares_max: max,
            planned: Vec::new(),
            settled,
            preparing: None,
            asked_for: None,
        })
    }

    /// Whether the next segment can be a recycled one.
    pub(super) fn has_spare(&mut self) -> bool {
        self.finish_preparing();
        !self.spares.is_empty()
    }

    /// Fills a spare of `bytes` bytes for `segment` unless there is one, beside the caller's work if
    /// the disk allows it. Failure shows when the spare is needed.
    pub(super) fn prepare(&mut self, segment: u64, bytes: u64) {
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
    fn prepare_now(&mut self, segment: u64, bytes: u64) -> io::Result<()> {
        let spare = fill_spare(&*self.disk, segment, bytes)?;
        self.spares.insert(segment, spare);
        Ok(())
    }

    /// Sees to it that spares of at least these bytes stand there whatever happens, even beyond the
    /// bound, and are used in this order: the largest grow, and new ones are named from `segment` on.
    pub(super) fn secure(&mut self, segment: u64, bytes: &[u64]) -> io::Result<()> {
        self.finish_preparing();
        let mut by_size: Vec<u64> = self.spares.keys().copied().collect();
        by_size.sort_by_key(|no| Reverse(self.spares[no].bytes));
        let unused = (segment..).filter(|no| !by_size.contains(no));
        // The largest for the most: so they grow least.
        let mut jobs: Vec<(usize, u64)> = bytes.iter().copied().enumerate().collect();
        jobs.sort_by_key(|(_, bytes)| Reverse(*bytes));
        let mut planned = vec![0; bytes.len()];
        for ((turn, bytes), no) in jobs.into_iter().zip(by_size.iter().copied().chain(unused)) {
            if self.spares.contains_key(&no) {
                self.grow(no, bytes)?;
            } else {
                self.prepare_now(no, bytes)?;
            }
            planned[turn] = no;
        }
        self.planned = planned;
        if !self.settled {
            self.disk.sync_dir()?;
            self.settled = true;
        }
        Ok(())
    }

    /// Space is taken under the spare's own name, so that a full disk leaves the spare a spare.
    fn grow(&mut self, no: u64, bytes: u64) -> io::Result<()> {
        if let Some(spare) = self.spares.get_mut(&no)
            && spare.bytes < bytes
        {
            self.disk.open(&spare_name(no))?.reserve(bytes)?;
            spare.bytes = bytes;
        }
        Ok(())
    }

    /// Waits for the spare that is being filled.
    fn finish_preparing(&mut self) {
        if let Some((segment, handle)) = self.preparing.take()
            && let Ok(Ok(spare)) = handle.join()
        {
            self.spares.insert(segment, spare);
        }
    }

    /// Makes the file of `segment` with at least `bytes` bytes allocated, from the spare whose turn
    /// it is, or else from the largest if there is one.
    pub(super) fn make(&mut self, segment: u64, bytes: u64) -> io::Result<Made> {
        self.finish_preparing();
        let largest = self.spares.iter().rev().max_by_key(|(_, spare)| spare.bytes);
        let made = match self.planned.first().or(largest.map(|(no, _)| no)).copied() {
            Some(spare) => self.reuse(spare, segment, bytes)?,
            None => self.create(segment)?,
        };
        let allocated = made.file.reserve(bytes).and_then(|()| self.disk.sync_dir());
        match allocated.and_then(|()| made.file.len()) {
            Ok(len) => {
                self.settled = true;
                Ok(Made { bytes: len / BLOCK_BYTES * BLOCK_BYTES, ..made })
            }
            Err(error) => {
                self.unmake(segment);
                Err(error)
            }
        }
    }

    fn reuse(&mut self, no: u64, segment: u64, bytes: u64) -> io::Result<Made> {
        self.grow(no, bytes)?;
        let file = self.disk.open(&spare_name(no))?;
        self.disk.rename(&spare_name(no), &segment_name(segment))?;
        self.planned.retain(|planned| *planned != no);
        let recycled = self.spares.remove(&no).is_none_or(|spare| !spare.fresh);
        Ok(Made { file, bytes, recycled })
    }

    fn create(&self, segment: u64) -> io::Result<Made> {
        let file = create_anew(&*self.disk, &segment_name(segment))?;
        Ok(Made { file, bytes: 0, recycled: false })
    }

    /// Takes back a file that [`make`](Self::make) made and that was not begun. A failure only
    /// leaves a file behind that the next one to make the segment, or to open the log, removes.
    pub(super) fn unmake(&self, segment: u64) {
        let _ = self.disk.remove(&segment_name(segment));
    }

    /// Takes back the file of a segment that nobody needs.
    pub(super) fn give_back(&mut self, segment: u64) -> io::Result<()> {
        let name = segment_name(segment);
        if self.spares.len() >= self.spares_max {
            return self.disk.remove(&name);
        }
        let bytes = self.disk.open_read(&name)?.len()?;
        self.disk.rename(&name, &spare_name(segment))?;
        self.settled = false;
        self.spares.insert(segment, Spare { bytes, fresh: false });
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.finish_preparing();
    }
}

/// Makes a spare of durable zeros with a durable name; nothing is left behind when that fails.
fn fill_spare(disk: &dyn Disk, number: u64, bytes: u64) -> io::Result<Spare> {
    let name = spare_name(number);
    let filled = create_anew(disk, &name)?.reserve(bytes).and_then(|()| disk.sync_dir());
    if filled.is_err() {
        let _ = disk.remove(&name);
    }
    filled.map(|()| Spare { bytes, fresh: true })
}

/// Makes a file, in the place of one that a full disk did not let us take back: that was never begun.
fn create_anew(disk: &dyn Disk, name: &str) -> io::Result<Arc<dyn DiskFile>> {
    match disk.create(name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(name)?;
            disk.create(name)
        }
        made => made,
    }
}

/// What an earlier process left. One that was a segment has a header.
fn look_at(disk: &dyn Disk, number: u64) -> io::Result<Spare> {
    let file = disk.open_read(&spare_name(number))?;
    let bytes = file.len()?;
    let mut block = [0; BLOCK];
    let fresh = bytes == 0 || read_existing(&*file, 0, &mut block)? && block == [0; BLOCK];
    Ok(Spare { bytes, fresh })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    // The same of a file that was to be a spare: it once poisoned the log whose reserve it was to hold.
    #[test]
    fn a_spare_that_was_left_behind_makes_way() {
        let disk = SimDisk::new(1);
        disk.create(&spare_name(3)).unwrap().write_at(0, &[7; 100]).unwrap();
        let mut pool = Pool::new(Arc::new(disk.clone()), BTreeSet::new(), 2).unwrap();
        pool.secure(3, &[2 * BLOCK_BYTES]).unwrap();
        assert_eq!(disk.contents(&spare_name(3)).unwrap(), [0; 2 * BLOCK]);
        assert!(!pool.make(4, BLOCK_BYTES).unwrap().recycled);
    }

    // A full disk may leave a file behind that was to be a segment: the next one to make the segment
    // must not stumble over it for ever.
    #[test]
    fn a_file_that_was_left_behind_makes_way() {
        let disk = SimDisk::new(1);
        disk.create(&segment_name(3)).unwrap().write_at(0, &[7; 100]).unwrap();
        let mut pool = Pool::new(Arc::new(disk.clone()), BTreeSet::new(), 2).unwrap();
        let made = pool.make(3, 2 * BLOCK_BYTES).unwrap();
        assert_eq!((made.bytes, made.recycled), (2 * BLOCK_BYTES, false));
        assert_eq!(disk.contents(&segment_name(3)).unwrap(), [0; 2 * BLOCK]);
        disk.fail_after(0, io::ErrorKind::PermissionDenied, false);
        let refused = pool.make(4, BLOCK_BYTES).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
