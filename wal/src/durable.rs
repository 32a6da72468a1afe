//! How far the log is durable, as the writer tells its readers: one number, without a lock.
//!
//! Promises: it never falls, and whoever reads it sees everything that the writer did before it
//! published it: a reader that is told of a frame finds the segment of that frame in the table.

#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(all(loom, test)))]
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lsn::Lsn;

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

#[cfg(all(loom, test))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::thread;

    use super::*;

    /// The table of segments stands for everything that is done before publishing; relaxed, so that
    /// only the cell orders it.
    #[test]
    fn loom_a_reader_that_is_told_finds_what_it_is_told_of() {
        loom::model(|| {
            let cell = Arc::new((Durable::new(Lsn(1)), AtomicBool::new(false)));
            let writer = Arc::clone(&cell);
            let handle = thread::spawn(move || {
                writer.1.store(true, Ordering::Relaxed);
                writer.0.publish(Lsn(2));
                writer.0.publish(Lsn(3));
            });
            let first = cell.0.get();
            if first > Lsn(1) {
                assert!(cell.1.load(Ordering::Relaxed));
            }
            assert!(cell.0.get() >= first);
            handle.join().unwrap();
            assert_eq!(cell.0.get(), Lsn(3));
        });
    }
}
