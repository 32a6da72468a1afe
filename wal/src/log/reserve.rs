//! Taking space before anything is written: ahead of the tail, and for recovery on a full disk.
//!
//! Promises: behind every frame that was begun for ordinary use the reserve of the options stands
//! allocated, in the same segment or in a spare with a durable name, whatever a crash leaves;
//! [`Log::secure_recovery`] takes exactly what its records will take when they are pushed in order
//! into frames that are each filled to the end.

use super::Log;
use crate::disk::is_no_space;
use crate::error::LogError;
use crate::format::{framed_len, padded};
use crate::lsn::BLOCK_BYTES;

impl Log {
    /// Makes sure that the next `bytes` bytes of the current segment are allocated and zero, and
    /// `marker` bytes behind them as far as the segment goes. Data always leaves a block for the
    /// marker that ends the segment or the log, so that a full disk can still go on into a
    /// recycled segment, and close.
    pub(super) fn reserve(&mut self, bytes: u64, marker: u64) -> Result<(), LogError> {
        let geometry = self.geometry();
        let needed = geometry.offset(self.next) + bytes + marker;
        let needed = needed.min(geometry.segment_bytes());
        let stepped = self.stepped(needed);
        let Some(active) = &mut self.active else { return Ok(()) };
        if needed <= active.reserved {
            return Ok(());
        }
        let mut reserved = stepped;
        let mut result = active.file.reserve(stepped);
        if stepped != needed && result.as_ref().is_err_and(is_no_space) {
            reserved = needed;
            result = active.file.reserve(needed);
        }
        match result {
            Ok(()) => {
                active.reserved = reserved;
                self.shared.keep(active.segment, None, reserved);
                Ok(())
            }
            Err(error) => Err(self.no_space_or_poison(error)),
        }
    }

    /// Bytes of a segment that are taken when `needed` are needed.
    pub(super) fn stepped(&self, needed: u64) -> u64 {
        let step = self.options.reserve_step.max(1);
        needed.next_multiple_of(step).min(self.segment_size())
    }

    /// Takes the room that recovery frames with records of these lengths will need, before anything
    /// else fills the disk. They then find it, also after a crash, as long as no ordinary frame is
    /// begun in between.
    ///
    /// # Errors
    /// [`LogError::NoSpace`] when the disk has less: the log is as it was, but for spares that
    /// grew. [`LogError::TooLarge`], [`LogError::Poisoned`].
    pub fn secure_recovery(
        &mut self,
        records: impl IntoIterator<Item = usize>,
    ) -> Result<(), LogError> {
        self.check_poison()?;
        let frames = self.frames_of(records)?;
        let Some((here, beyond)) = frames.split_first() else { return Ok(()) };
        if *here > 0 || !beyond.is_empty() {
            // Also if no record goes in here: the seal has to.
            self.reserve(*here, BLOCK_BYTES)?;
        }
        let segment_bytes = self.segment_size();
        let spare = |bytes: &u64| (bytes + 2 * BLOCK_BYTES).min(segment_bytes);
        self.secure_spares(&beyond.iter().map(spare).collect::<Vec<_>>())
    }

    /// Bytes of the frame that the records fill in the current segment, none if there is no place
    /// for the first of them, and of those in the segments behind it.
    fn frames_of(&self, records: impl IntoIterator<Item = usize>) -> Result<Vec<u64>, LogError> {
        let max = self.max_payload();
        let mut frames = vec![0];
        let (mut room, mut payload) = (self.room(), 0);
        for record in records {
            let len = framed_len(record);
            if len > max {
                return Err(LogError::TooLarge { len, max });
            }
            if padded_len(payload + len) > room {
                frames.push(0);
                (room, payload) = (self.segment_size() - BLOCK_BYTES, 0);
            }
            payload += len;
            if let Some(frame) = frames.last_mut() {
                *frame = padded_len(payload);
            }
        }
        Ok(frames)
    }

    /// Where the segment ends too soon, what is left free behind `bytes` bytes stands in a spare.
    pub(super) fn leave_free(&mut self, bytes: u64, free: u64) -> Result<(), LogError> {
        let here = self.room() - bytes;
        if here >= free + BLOCK_BYTES || free == 0 {
            return Ok(());
        }
        self.secure_spares(&[free + 2 * BLOCK_BYTES])
    }

    fn secure_spares(&mut self, bytes: &[u64]) -> Result<(), LogError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let next = match &self.active {
            Some(active) => active.segment + 1,
            None => self.geometry().segment(self.next),
        };
        let secured = self.pool.secure(next, bytes);
        secured.map_err(|error| self.no_space_or_poison(error))
    }
}

fn padded_len(payload: usize) -> u64 {
    padded(u64::try_from(payload).unwrap_or(u64::MAX))
}
