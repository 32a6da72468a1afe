//! Stands for what transactions hand in.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};

/// Counts how often it was answered.
pub(crate) struct Job(pub(crate) Arc<AtomicUsize>);

impl Job {
    pub(crate) fn size(&self) -> usize {
        usize::from(self.0.load(Ordering::Relaxed) == 0)
    }

    pub(crate) fn answer(self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}
