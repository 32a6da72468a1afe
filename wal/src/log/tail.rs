//! Where the next frame goes: behind the last one, or into the next segment.

use std::sync::Arc;

use super::flight::Write;
use super::pool::Made;
use super::{Active, Log};
use crate::disk::is_no_space;
use crate::error::LogError;
use crate::format::{
    BLOCK, FRAME_HEADER_BYTES, FrameBuilder, FrameKind, Room, SegmentHeader, padded,
};
use crate::lsn::BLOCK_BYTES;

impl Log {
    /// Begins a frame that leaves `free` bytes and the block of a marker behind it.
    pub(super) fn begin(
        &mut self,
        payload_hint: usize,
        free: u64,
    ) -> Result<FrameBuilder, LogError> {
        self.check_poison()?;
        let max = self.max_payload();
        if payload_hint > max {
            return Err(LogError::TooLarge { len: payload_hint, max });
        }
        let bytes = padded(u64::try_from(payload_hint).unwrap_or(u64::MAX));
        if bytes > self.room() {
            self.switch_segment(bytes, free)?;
        }
        match self.reserve(bytes, free + BLOCK_BYTES) {
            // The disk is full, but a recycled segment has its space already.
            Err(LogError::NoSpace) if self.pool.has_spare() => self.switch_segment(bytes, free)?,
            reserved => reserved?,
        }
        self.leave_free(bytes, free)?;
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX) - FRAME_HEADER_BYTES;
        let mut frame = self.builder(room, bytes);
        frame.taken = Room { announced: bytes, free };
        Ok(frame)
    }

    /// Starts to fill the next segment once the current one is half full.
    pub(super) fn prepare_ahead(&mut self) {
        let size = self.segment_size();
        if let Some(active) = &self.active
            && self.options.prepare_ahead
            && self.room() < size / 2
        {
            self.pool.prepare(active.segment + 1, size);
        }
    }

    /// Ends the current segment and begins the next, with room for a frame of `bytes` bytes.
    ///
    /// The new file is allocated and named first, so that a full disk changes nothing; then the
    /// writes of the seal and of the new header are started like those of frames. Whatever of them
    /// a crash leaves, the log ends before the first that is missing.
    pub(super) fn switch_segment(&mut self, bytes: u64, free: u64) -> Result<(), LogError> {
        let geometry = self.geometry();
        let segment = match &self.active {
            Some(active) => active.segment + 1,
            None => geometry.segment(self.next),
        };
        let made = self.make_segment(segment, bytes, free)?;
        if self.active.is_some()
            && self.room() >= BLOCK_BYTES
            && self.reserve(BLOCK_BYTES, 0).is_ok()
        {
            self.write_marker(FrameKind::Seal)?;
        } else if self.active.is_some() && self.room() > 0 {
            self.pool.unmake(segment);
            return Err(self.check_poison().err().unwrap_or(LogError::NoSpace));
        }
        self.begin_segment(segment, made)
    }

    /// The file of a segment, with room for its header, `bytes` bytes and what stays behind them.
    fn make_segment(&mut self, segment: u64, bytes: u64, free: u64) -> Result<Made, LogError> {
        let needed = BLOCK_BYTES + bytes + free + BLOCK_BYTES;
        let needed = needed.min(self.geometry().segment_bytes());
        let stepped = self.stepped(needed);
        let made = match self.pool.make(segment, stepped) {
            Err(error) if is_no_space(&error) && stepped != needed => {
                self.pool.make(segment, needed)
            }
            other => other,
        };
        made.map_err(|error| self.no_space_or_poison(error))
    }

    /// Starts the write of a segment's header and goes on behind it.
    fn begin_segment(&mut self, segment: u64, made: Made) -> Result<(), LogError> {
        let geometry = self.geometry();
        self.make_room()?;
        let header = SegmentHeader {
            log_id: self.id(),
            segment,
            segment_bytes: geometry.segment_bytes(),
            generation: self.generation,
            durable_lsn: self.flight.mark(),
            prev_crc: self.chain.crc.unwrap_or(0),
            recycled: made.recycled,
        };
        let mut data = self.flight.buffer(BLOCK);
        data.extend_from_slice(&header.encode());
        let mark = geometry.first_frame(segment);
        let file = Arc::clone(&made.file);
        self.flight.start(Write { file, offset: 0, data, mark, appended: None });
        self.shared.keep(segment, Some(Arc::clone(&made.file)), made.bytes);
        self.next = geometry.first_frame(segment);
        self.active = Some(Active { segment, file: made.file, reserved: made.bytes });
        Ok(())
    }
}
