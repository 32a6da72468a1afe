//! Beginning a log where there is none.

use std::sync::Arc;

use super::Log;
use super::pool::Pool;
use crate::disk::Disk;
use crate::error::LogError;
use crate::look::Format;
use crate::lsn::{BLOCK_BYTES, Geometry, Lsn, segment_name};
use crate::options::LogOptions;
use crate::recovery::folder::Folder;
use crate::shared::Shared;

impl Log {
    /// Makes a new log. Folders of other files are fine.
    ///
    /// # Errors
    /// [`LogError::Exists`], [`LogError::SegmentSize`], [`LogError::NoSpace`], or the write that
    /// failed.
    pub fn create(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        log_id: [u8; 16],
    ) -> Result<Self, LogError> {
        let segment_bytes = options.segment_size;
        let geometry =
            Geometry::new(segment_bytes).ok_or(LogError::SegmentSize { segment_bytes })?;
        let folder = Folder::list(disk)?;
        remove_unfinished(&folder)?;
        let format = Format::new(geometry, log_id);
        let disk = Arc::clone(&folder.disk);
        let shared = Arc::new(Shared::new(disk, format, geometry.first_frame(0), &options));
        let pool = Pool::new(folder.disk, folder.spares, options.spare_segments)?;
        let mut log = Self::assemble(shared, options, pool, 1, Lsn::ZERO);
        log.begin_first_segment()?;
        Ok(log)
    }

    /// Begins the log's first segment.
    pub(super) fn begin_first_segment(&mut self) -> Result<(), LogError> {
        self.switch_segment(BLOCK_BYTES, 0)?;
        let drained = self.flight.drain();
        self.settle(drained)
    }
}

/// Removes what a killed `create` left: a first segment that was never begun.
fn remove_unfinished(folder: &Folder) -> Result<(), LogError> {
    if folder.segments.is_empty() {
        return Ok(());
    }
    if !folder.is_unfinished()? {
        return Err(LogError::Exists);
    }
    Ok(folder.disk.remove(&segment_name(0))?)
}
