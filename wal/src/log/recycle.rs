//! Giving the past of a log back, as far as nobody holds it.

use std::sync::Arc;

use super::Log;
use crate::disk::is_no_space;
use crate::error::LogError;
use crate::lsn::Lsn;
use crate::retention::{Held, Hold};

impl Log {
    /// Keeps the log from `lsn` on for `name`, as long as no more than `bound` bytes of durable log
    /// follow. Has no effect on what was recycled already.
    pub fn hold(&self, name: &'static str, lsn: Lsn, bound: u64) -> Hold {
        Arc::clone(&self.shared.holds).hold(name, lsn, bound)
    }

    /// Who holds which part of the log.
    pub fn holds(&self) -> Vec<Held> {
        self.shared.holds.list(self.shared.durable())
    }

    /// The first position that a hold within its bound still needs; `None` when none does. Segments
    /// that end there or before can be given to [`recycle`](Self::recycle).
    pub fn held_from(&self) -> Option<Lsn> {
        self.shared.holds.first(self.shared.durable())
    }

    /// Gives back sealed segments that nobody needs any more: the caller knows what is live. Files
    /// wait as spares up to the bound in the options; the others are removed.
    ///
    /// # Errors
    /// [`LogError::NotSealed`] and [`LogError::Held`] before anything is done; [`LogError::NoSpace`] when the disk is too
    /// full to move a file: that segment and those behind it are kept. [`LogError::Io`] when it could not be
    /// moved for another reason: it is then out of the readers' sight and comes back when the log is opened again.
    pub fn recycle(&mut self, segments: &[u64]) -> Result<(), LogError> {
        // Also when it is full to the end: a log without any segment would be none.
        let current = match &self.active {
            Some(active) => active.segment,
            None => self.geometry().segment(self.next),
        };
        for segment in segments {
            if *segment >= current || !self.shared.keeps(*segment) {
                return Err(LogError::NotSealed { segment: *segment });
            }
            let end = self.geometry().end(*segment);
            if let Some(name) = self.shared.holds.needs(end, self.shared.durable()) {
                return Err(LogError::Held { segment: *segment, name });
            }
        }
        let Some(last) = segments.iter().max() else { return Ok(()) };
        let at_rest = self.flight.mark() >= self.geometry().end(*last);
        if !at_rest {
            // Its last writes are on their way into the file.
            self.check_poison()?;
            let drained = self.flight.drain();
            self.settle(drained)?;
        }
        for segment in segments {
            // Out of sight first: a reader checks after reading that the segment is still kept.
            let Some(bytes) = self.shared.forget(*segment) else { continue };
            match self.pool.give_back(*segment) {
                Err(error) if is_no_space(&error) => {
                    self.shared.keep(*segment, None, bytes);
                    return Err(LogError::NoSpace);
                }
                given_back => given_back?,
            }
        }
        Ok(())
    }
}
