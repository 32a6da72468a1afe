//! Starting the write of a frame, and what it makes of the log's end.

use std::sync::Arc;

use super::Log;
use super::flight::{Appended, Write};
use crate::error::LogError;
use crate::format::{Finished, FrameBuilder, FrameKind, FrameSeal};
use crate::look::Chain;
use crate::lsn::BLOCK_BYTES;

/// Largest table of lengths whose memory is kept for the next frame, in bytes.
const KEPT_TABLE_BYTES_MAX: usize = 1024 * 1024;

impl Log {
    pub(super) fn builder(&mut self, room: usize, bytes: u64) -> FrameBuilder {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        FrameBuilder::new(
            self.next,
            room,
            self.flight.buffer(bytes),
            std::mem::take(&mut self.table),
        )
    }

    /// Writes a frame without records. Its block must be reserved.
    pub(super) fn write_marker(&mut self, kind: FrameKind) -> Result<(), LogError> {
        let builder = self.builder(0, BLOCK_BYTES);
        self.write(builder, kind).map(|_| ())
    }

    /// Starts the write of a frame and moves on.
    pub(super) fn write(
        &mut self,
        frame: FrameBuilder,
        kind: FrameKind,
    ) -> Result<Appended, LogError> {
        self.make_room()?;
        let seal = FrameSeal {
            kind,
            generation: self.generation,
            durable_lsn: self.flight.mark(),
            prev_crc: self.chain.crc.unwrap_or(0),
        };
        let Finished { header, bytes, table } = frame.finish(&seal, self.format().tag);
        if table.capacity() <= KEPT_TABLE_BYTES_MAX {
            self.table = table;
        }
        let Some(active) = &self.active else {
            panic!("a frame is written into a segment that was begun");
        };
        let (geometry, end) = (self.geometry(), header.end());
        let offset = geometry.offset(header.lsn);
        assert!(offset + header.total_bytes() <= active.reserved, "space is reserved first");
        let appended = Appended { start: header.lsn, end };
        self.shared.recent.put(header.lsn, &bytes);
        let write = Write {
            file: Arc::clone(&active.file),
            offset,
            data: bytes,
            mark: if kind == FrameKind::Seal { geometry.end(active.segment) } else { end },
            appended: (kind == FrameKind::Data).then_some(appended),
        };
        self.flight.start(write);
        self.next = end;
        self.chain = Chain::after(&header);
        self.last = Some(kind);
        Ok(appended)
    }

    /// Waits until a write can be started. What has arrived meanwhile makes its durable mark a
    /// fresher one.
    pub(super) fn make_room(&mut self) -> Result<(), LogError> {
        let made = self.flight.make_room();
        self.settle(made)
    }
}
