//! Roots that this secondary had at recent positions of the primary's log, to be held against what
//! the primary promises.

use std::collections::VecDeque;

use strongroom_storage::{Digest, Lsn};

/// Positions remembered.
const REMEMBERED: usize = 4096;

/// The roots of two clusters differ where they must be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the root at position {at} of the primary's log differs from the primary's")]
pub(crate) struct Diverged {
    /// Where.
    pub(crate) at: u64,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Guards {
    /// Ascending; each root holds from its position until the next one.
    roots: VecDeque<(Lsn, Digest)>,
}

impl Guards {
    /// Begins at a position with the root there.
    pub(crate) fn new(lsn: Lsn, root: Digest) -> Self {
        Self { roots: VecDeque::from([(lsn, root)]) }
    }

    /// The root after everything up to `lsn` was applied.
    pub(crate) fn push(&mut self, lsn: Lsn, root: Digest) {
        assert!(self.roots.back().is_none_or(|(last, _)| *last <= lsn), "positions ascend");
        if self.roots.len() >= REMEMBERED {
            self.roots.pop_front();
        }
        self.roots.push_back((lsn, root));
    }

    /// Holds a promise of the primary against the root of this secondary at that position.
    ///
    /// `complete_to`: everything up to there was applied. A promise beyond it, or before what is
    /// remembered, says nothing yet.
    pub(crate) fn check(&self, promise: (Lsn, Digest), complete_to: Lsn) -> Result<(), Diverged> {
        let (at, root) = promise;
        if at > complete_to {
            return Ok(());
        }
        let after = self.roots.partition_point(|(lsn, _)| *lsn <= at);
        match after.checked_sub(1).and_then(|i| self.roots.get(i)) {
            Some((_, ours)) if *ours != root => Err(Diverged { at: at.0 }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_holds_from_its_position_until_the_next() {
        let root = |n: u8| Digest([n; 32]);
        let mut guards = Guards::new(Lsn(10), root(1));
        guards.push(Lsn(20), root(2));
        for (at, ours) in [(10, 1), (15, 1), (19, 1), (20, 2), (25, 2)] {
            assert_eq!(guards.check((Lsn(at), root(ours)), Lsn(25)), Ok(()));
            assert_eq!(guards.check((Lsn(at), root(9)), Lsn(25)), Err(Diverged { at }));
        }
        // Before what is remembered, and beyond what was applied: nothing to say.
        assert_eq!(guards.check((Lsn(9), root(9)), Lsn(25)), Ok(()));
        assert_eq!(guards.check((Lsn(26), root(9)), Lsn(25)), Ok(()));
    }
}
