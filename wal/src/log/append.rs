//! Frames into the log and back as durable ones: what a caller does with the writer, to the last.

use super::Log;
use super::flight::Appended;
use crate::error::LogError;
use crate::format::{FrameBuilder, FrameKind, Room, padded};
use crate::lsn::{BLOCK_BYTES, Lsn};

impl Log {
    /// Begins a frame, and a new segment when `payload_hint` bytes (see
    /// [`framed_len`](crate::framed_len)) do not fit into the current one. The position of the frame
    /// is fixed and its space is taken from the disk here. Dropping the builder gives the position
    /// back. More than the hint may be pushed, up to the end of the segment: [`submit`](Self::submit)
    /// takes the space for it. Other frames may be in flight meanwhile.
    ///
    /// # Errors
    /// [`LogError::TooLarge`], [`LogError::NoSpace`] (the log stays usable), [`LogError::Poisoned`].
    pub fn begin_frame(&mut self, payload_hint: usize) -> Result<FrameBuilder, LogError> {
        let reserve = self.options.recovery_reserve.min(self.segment_size() / 8);
        self.begin(payload_hint, reserve.next_multiple_of(BLOCK_BYTES))
    }

    /// Begins a frame for recovery's own use (compensations, the end of a loser): on a full disk it
    /// may take what [`begin_frame`](Self::begin_frame) leaves free.
    ///
    /// # Errors
    /// As [`begin_frame`](Self::begin_frame).
    pub fn begin_recovery_frame(&mut self, payload_hint: usize) -> Result<FrameBuilder, LogError> {
        self.begin(payload_hint, 0)
    }

    /// Writes a frame; it is durable when this returns, and so is every frame before it: those in
    /// flight are reaped too. An empty frame is an idle marker: it tells recovery that everything
    /// before it was durable.
    ///
    /// # Errors
    /// As [`submit`](Self::submit) and [`reap`](Self::reap).
    ///
    /// # Panics
    /// When the frame was not begun at the current position of this log.
    pub fn append(&mut self, frame: FrameBuilder) -> Result<Appended, LogError> {
        let appended = self.submit(frame)?;
        while self.reap()?.is_some() {}
        Ok(appended)
    }

    /// Starts the durable write of a frame and says where it will stand. It may be acknowledged when
    /// [`reap`](Self::reap) gives it back. Waits only while [`depth`](Self::depth) writes are in
    /// flight.
    ///
    /// # Errors
    /// [`LogError::NoSpace`] when more was pushed than announced and the disk is full: nothing was
    /// written and the log stays usable. [`LogError::Poisoned`] when a write failed, be it an
    /// earlier one: every frame not yet given back may or may not be found when the log is opened
    /// again.
    ///
    /// # Panics
    /// When the frame was not begun at the current position of this log.
    pub fn submit(&mut self, frame: FrameBuilder) -> Result<Appended, LogError> {
        self.check_poison()?;
        assert_eq!(frame.start(), self.next, "a frame is submitted where it was begun");
        let bytes = padded(u64::try_from(frame.payload_len()).unwrap_or(u64::MAX));
        let Room { announced, free } = frame.taken;
        if bytes > announced {
            self.reserve(bytes, free + BLOCK_BYTES)?;
            self.leave_free(bytes, free)?;
        }
        let appended = self.write(frame, FrameKind::Data)?;
        self.prepare_ahead();
        Ok(appended)
    }

    /// Waits for the next frame in log order to become durable, and gives it back. `None` when none
    /// is in flight.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] when any write failed: nothing is acknowledged any more.
    pub fn reap(&mut self) -> Result<Option<Appended>, LogError> {
        self.check_poison()?;
        let next = self.flight.arrive();
        self.settle(next)
    }

    /// Ends the log in good order, with a marker that says so (a full disk may leave it out). Waits
    /// for what is in flight. Dropping the log instead is as safe as a killed process.
    ///
    /// # Errors
    /// [`LogError::Poisoned`] when the log is or becomes poisoned.
    pub fn close(mut self) -> Result<(), LogError> {
        while self.reap()?.is_some() {}
        let empty = self.active.is_none() || self.last == Some(FrameKind::Close);
        if empty || self.next == self.first_ever() || self.room() < BLOCK_BYTES {
            return Ok(());
        }
        match self.reserve(BLOCK_BYTES, 0) {
            Ok(()) => {
                self.write_marker(FrameKind::Close)?;
                let drained = self.flight.drain();
                self.settle(drained)
            }
            Err(LogError::NoSpace) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn first_ever(&self) -> Lsn {
        self.geometry().first_frame(0)
    }
}
