//! How far the log is durable, as the writer tells its readers: one number, without a lock.
//!
//! Promises: it never falls, and whoever reads it sees everything that the writer did before it
//! published it: a reader that is told of a frame finds the segment of that frame in the table.

use crate::lsn::Lsn;
use crate::sync::{AtomicU64, Ordering};

/// The durable end of a log. One thread publishes.
pub(crate) struct Durable(AtomicU64);

impl Durable {
    pub(crate) fn new(lsn: Lsn) -> Self {
        Self(AtomicU64::new(lsn.0))
    }

    /// End of the last frame that readers may see.
    pub(crate) fn get(&self) -> Lsn {
        Lsn(self.0.load(Ordering::Acquire))
    }

    /// Tells of frames that have become durable.
    pub(crate) fn publish(&self, lsn: Lsn) {
        self.0.store(lsn.0, Ordering::Release);
    }
}
