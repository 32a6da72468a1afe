//! Durable writes in flight on the simulated disk: they complete in any order.

use std::io;

use super::rng::Rng;
use crate::disk::queue::{Completion, Submission, WriteQueue};

/// The queue. The order of completions depends on the seed only.
pub(super) struct SimQueue {
    depth: usize,
    rng: Rng,
    writes: Vec<(Submission, io::Result<()>)>,
}

impl SimQueue {
    pub(super) fn new(depth: usize, rng: Rng) -> Self {
        Self { depth: depth.max(1), rng, writes: Vec::new() }
    }
}

impl WriteQueue for SimQueue {
    fn depth(&self) -> usize {
        self.depth
    }

    fn in_flight(&self) -> usize {
        self.writes.len()
    }

    fn submit(&mut self, write: Submission) {
        assert!(self.writes.len() < self.depth, "too many writes in flight; reap one first");
        let begun = write.file.write_at(write.offset, &write.data);
        self.writes.push((write, begun));
    }

    fn reap(&mut self) -> Option<Completion> {
        if self.writes.is_empty() {
            return None;
        }
        let chosen = self.rng.below(self.writes.len());
        let (Submission { file, offset, data, tag }, begun) = self.writes.swap_remove(chosen);
        let len = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let result = begun.and_then(|()| file.sync_range(offset, len));
        Some(Completion { tag, data, result })
    }

    fn poll(&mut self) -> Option<Completion> {
        if self.rng.below(2) == 0 { None } else { self.reap() }
    }
}
