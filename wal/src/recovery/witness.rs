//! Proof that the log once went on: sound headers behind the place where the chain stops.

use std::io;

use super::folder::Folder;
use crate::disk::DiskFile;
use crate::format::{BLOCK, Frame, FrameHeader};
use crate::look::{Format, Look, look, read_existing};
use crate::lsn::{BLOCK_BYTES, Lsn};

/// Blocks read at a time while searching.
const WINDOW_BLOCKS: usize = 64;

/// What the search found.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Highest position that something sound says was durable.
    pub(crate) mark: Lsn,
    /// Highest generation met.
    pub(crate) generation: u64,
    /// Where sound headers stand behind the stop, in order.
    pub(crate) headers: Vec<Lsn>,
}

impl Witness {
    /// Searches from `stop` to the end of the last segment.
    /// A `tolerant` search passes over segments that vanished after they were listed.
    pub(crate) fn search(
        folder: &Folder,
        format: &Format,
        stop: Lsn,
        tolerant: bool,
    ) -> io::Result<Self> {
        let mut witness = Self::default();
        for segment in folder.segments_from(format.geometry.segment(stop)) {
            let file = match folder.open_read(segment) {
                Err(error) if tolerant && error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            if format.geometry.base(segment) >= stop
                && let Ok(header) = Folder::header_of(&*file, segment)?
                && format.owns(&header)
            {
                witness.mark = witness.mark.max(header.durable_lsn);
                witness.generation = witness.generation.max(header.generation);
            }
            let from = stop.max(format.geometry.first_frame(segment));
            witness.search_segment(&*file, format, from, stop)?;
        }
        Ok(witness)
    }

    fn search_segment(
        &mut self,
        file: &dyn DiskFile,
        format: &Format,
        from: Lsn,
        stop: Lsn,
    ) -> io::Result<()> {
        let limit = file.len()?.min(format.geometry.segment_bytes());
        let segment = format.geometry.segment(from);
        let mut offset = format.geometry.offset(from);
        let mut window = vec![0; BLOCK * WINDOW_BLOCKS];
        while offset + BLOCK_BYTES <= limit {
            let blocks = ((limit - offset) / BLOCK_BYTES).min(64);
            let len = usize::try_from(blocks * BLOCK_BYTES).map_err(io::Error::other)?;
            if !read_existing(file, offset, &mut window[..len])? {
                return Ok(());
            }
            let mut next = offset + blocks * BLOCK_BYTES;
            for (at, block) in (offset..).step_by(BLOCK).zip(window[..len].chunks_exact(BLOCK)) {
                let lsn = format.geometry.base(segment).plus(at);
                let Ok(header) = FrameHeader::decode(block, lsn, format.tag, format.geometry)
                else {
                    continue;
                };
                self.note(&header, stop);
                // What stands inside a sound frame is its records, whatever it looks like.
                if let Look::Frame(frame) = look(file, format, lsn, limit)? {
                    next = at + Frame::end(&frame).0 - lsn.0;
                    break;
                }
            }
            offset = next;
        }
        Ok(())
    }

    fn note(&mut self, header: &FrameHeader, stop: Lsn) {
        self.mark = self.mark.max(header.durable_lsn);
        self.generation = self.generation.max(header.generation);
        if header.lsn > stop {
            self.headers.push(header.lsn);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::Arc;

    use super::*;
    use crate::disk::Disk as _;
    use crate::disk::sim::SimDisk;
    use crate::lsn::segment_name;
    use crate::{Log, LogOptions};

    /// A live writer recycles segments that a tool has listed; for who opens the log nobody does.
    #[test]
    fn only_a_tolerant_search_passes_over_a_segment_that_vanished() {
        let disk = SimDisk::new(1);
        let options =
            LogOptions { segment_size: 64 << 10, prepare_ahead: false, ..LogOptions::default() };
        let mut log = Log::create(Arc::new(disk.clone()), options, [1; 16]).unwrap();
        let (record, mut at) = (vec![7; 40_000], Vec::new());
        for _ in 0..3 {
            let mut frame = log.begin_frame(record.len()).unwrap();
            frame.push(&record).unwrap();
            at.push(log.append(frame).unwrap().start);
        }
        let folder = Folder::list(Arc::new(disk.clone())).unwrap();
        let format = folder.format().unwrap().unwrap();
        let search = |tolerant| {
            let found = Witness::search(&folder, &format, at[0], tolerant);
            found.map(|witness| witness.headers.contains(&at[2])).map_err(|error| error.kind())
        };
        assert_eq!((search(true), search(false)), (Ok(true), Ok(true)));
        disk.remove(&segment_name(1)).unwrap();
        assert_eq!((search(true), search(false)), (Ok(true), Err(ErrorKind::NotFound)));
        disk.fail_after(0, ErrorKind::Other, true);
        assert_eq!((search(true), search(false)), (Err(ErrorKind::Other), Err(ErrorKind::Other)));
    }
}
