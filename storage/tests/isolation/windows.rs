//! Real time: which places in the order of the log somebody may have seen, or been at, by when they ran.

use super::history::{History, Outcome};

/// See the module's text.
pub struct Windows {
    /// Of each transaction with a place, the state that it found and the one that it left.
    pub place: Vec<Option<(usize, usize)>>,
    /// What had surely been left by a time: both rise.
    left_by: Vec<(u64, usize)>,
    /// The latest beginning among the first so many of the order.
    begun: Vec<u64>,
}

impl Windows {
    pub fn of(history: &History) -> Self {
        let mut place = vec![None; history.txns.len()];
        for (at, (txn, _)) in history.order.iter().enumerate() {
            place[*txn] = Some((at, at + 1));
        }
        for (i, txn) in history.txns.iter().enumerate() {
            if let (None, Outcome::Committed { lsn, .. }) = (place[i], txn.outcome) {
                let at = history.order.partition_point(|(_, end)| *end <= lsn);
                place[i] = Some((at, at));
            }
        }
        let with_place = place.iter().zip(&history.txns);
        let mut left_by: Vec<(u64, usize)> =
            with_place.filter_map(|(place, txn)| Some((txn.end(), (*place)?.1))).collect();
        left_by.sort_unstable();
        let mut last = 0;
        for (_, place) in &mut left_by {
            last = last.max(*place);
            *place = last;
        }
        let mut latest = 0;
        let begun = history.order.iter().map(|(txn, _)| {
            latest = latest.max(history.txns[*txn].begin);
            latest
        });
        Self { begun: begun.collect(), place, left_by }
    }

    /// The first state that somebody may have seen who began at a time.
    pub fn earliest(&self, begin: u64) -> usize {
        let before = self.left_by.partition_point(|(end, _)| *end < begin);
        before.checked_sub(1).map_or(0, |at| self.left_by[at].1)
    }

    /// The last state that somebody may have seen who had ended at a time.
    pub fn latest(&self, end: u64) -> usize {
        self.begun.partition_point(|begin| *begin <= end)
    }
}
