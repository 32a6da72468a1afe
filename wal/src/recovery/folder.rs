//! The files of a log as they lie in their folder, before anything is believed about them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile};
use crate::format::{BLOCK, SegmentFault, SegmentHeader};
use crate::look::{Format, read_existing};
use crate::lsn::{
    BLOCK_BYTES, Geometry, SEGMENT_BYTES_MAX, parse_segment_name, parse_spare_name, segment_name,
};

/// The segment files of a folder.
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) segments: BTreeSet<u64>,
    pub(crate) spares: BTreeSet<u64>,
}

impl Folder {
    /// Lists the folder. Names of numbers that no log can reach are not ours.
    pub(crate) fn list(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let names = disk.list()?;
        let reachable = |no: &u64| *no < u64::MAX / SEGMENT_BYTES_MAX - 2;
        let segments = names.iter().filter_map(|n| parse_segment_name(n)).filter(reachable);
        let segments = segments.collect();
        let spares = names.iter().filter_map(|n| parse_spare_name(n)).collect();
        Ok(Self { disk, segments, spares })
    }

    /// Segment numbers from `first` on.
    pub(crate) fn segments_from(&self, first: u64) -> impl Iterator<Item = u64> + '_ {
        self.segments.range(first..).copied()
    }

    /// Opens a segment for reading.
    pub(crate) fn open_read(&self, segment: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open_read(&segment_name(segment))
    }

    /// Reads a segment's header.
    pub(crate) fn header(&self, segment: u64) -> io::Result<Result<SegmentHeader, SegmentFault>> {
        Self::header_of(&*self.open_read(segment)?, segment)
    }

    /// Reads the header in a segment's file; a file too short for one has none.
    pub(crate) fn header_of(
        file: &dyn DiskFile,
        segment: u64,
    ) -> io::Result<Result<SegmentHeader, SegmentFault>> {
        let mut block = vec![0; BLOCK];
        if read_existing(file, 0, &mut block)? {
            Ok(SegmentHeader::decode(&block, segment))
        } else {
            Ok(Err(SegmentFault::Blank))
        }
    }

    /// Learns the log's id and segment size from the first sound segment header.
    pub(crate) fn format(&self) -> io::Result<Option<Format>> {
        for segment in &self.segments {
            if let Ok(header) = self.header(*segment)?
                && let Some(geometry) = Geometry::new(header.segment_bytes)
            {
                return Ok(Some(Format::new(geometry, header.log_id)));
            }
        }
        Ok(None)
    }

    /// Whether there is no more than a log whose creation was cut short: one first segment without
    /// a header, and nothing but zeros behind it.
    pub(crate) fn is_unfinished(&self) -> io::Result<bool> {
        if !self.segments.iter().eq([&0]) || self.header(0)?.is_ok() {
            return Ok(false);
        }
        let file = self.open_read(0)?;
        let (mut at, end) = (BLOCK_BYTES, file.len()?);
        let mut block = [0; BLOCK];
        while at + BLOCK_BYTES <= end {
            file.read_at(at, &mut block)?;
            if block.iter().any(|b| *b != 0) {
                return Ok(false);
            }
            at += BLOCK_BYTES;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    /// Positions in its segment, or in the one after it, would not fit 64 bits.
    #[test]
    fn a_number_that_no_log_can_reach_is_not_ours() {
        let disk = SimDisk::new(1);
        let beyond = u64::MAX / SEGMENT_BYTES_MAX - 2;
        for segment in [0, 7, beyond - 1, beyond, beyond + 1, u64::MAX] {
            disk.create(&segment_name(segment)).unwrap();
        }
        let folder = Folder::list(Arc::new(disk)).unwrap();
        assert_eq!(folder.segments, BTreeSet::from([0, 7, beyond - 1]));
        let largest = Geometry::new(SEGMENT_BYTES_MAX).unwrap();
        assert!(largest.valid_segment(beyond - 1));
    }

    // What is taken for unfinished is begun anew: nothing that was written may be in it.
    #[test]
    fn one_byte_behind_the_lost_header_makes_it_a_log() {
        let disk = SimDisk::new(1);
        let file = disk.create(&segment_name(0)).unwrap();
        file.write_at(0, &[0; 4 * BLOCK]).unwrap();
        let unfinished = || Folder::list(Arc::new(disk.clone())).unwrap().is_unfinished().unwrap();
        for at in (BLOCK_BYTES..4 * BLOCK_BYTES).step_by(127) {
            disk.flip(&segment_name(0), at, 1);
            assert!(!unfinished(), "{at}");
            disk.flip(&segment_name(0), at, 1);
        }
        assert!(unfinished());
    }
}
