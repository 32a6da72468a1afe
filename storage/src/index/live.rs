//! Bytes of live records by log segment: what the cleaner goes by.

use std::collections::BTreeMap;

use super::Slot;
use crate::pages::PageError;

/// What a record of an update takes beside its key and value, about.
const RECORD_OVERHEAD: u64 = 8;

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct LiveBytes {
    segment_size: u64,
    by_segment: BTreeMap<u64, u64>,
}

impl LiveBytes {
    pub(crate) fn new(segment_size: u64) -> Self {
        Self { segment_size, by_segment: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, slot: &Slot) {
        *self.by_segment.entry(self.segment(slot)).or_default() += weight(slot);
    }

    /// Fails where less was counted, as it was read from a map whose checksum holds all the same.
    pub(crate) fn sub(&mut self, slot: &Slot) -> Result<(), PageError> {
        let segment = self.segment(slot);
        let counted = self.by_segment.get_mut(&segment);
        let Some((left, live)) =
            counted.and_then(|live| Some((live.checked_sub(weight(slot))?, live)))
        else {
            let file = "page map".to_owned();
            let why = "a live value was not counted in its log segment";
            return Err(PageError::Damaged { file, why });
        };
        *live = left;
        Ok(())
    }

    /// Where the record lies: an empty value may come right behind its segment.
    fn segment(&self, slot: &Slot) -> u64 {
        slot.at.0.saturating_sub(1) / self.segment_size
    }

    /// Whether a segment holds no live record.
    pub(crate) fn is_dead(&self, segment: u64) -> bool {
        self.of_segment(segment) == 0
    }

    /// Live bytes of a segment.
    pub(crate) fn of_segment(&self, segment: u64) -> u64 {
        self.by_segment.get(&segment).copied().unwrap_or(0)
    }

    /// As it was counted before, by segment.
    pub(crate) fn of(segment_size: u64, by_segment: impl IntoIterator<Item = (u64, u64)>) -> Self {
        Self { segment_size, by_segment: by_segment.into_iter().collect() }
    }

    /// Segments with live values, in order, each with its live bytes.
    pub(crate) fn by_segment(&self) -> Vec<(u64, u64)> {
        let live = self.by_segment.iter().filter(|(_, bytes)| **bytes > 0);
        live.map(|(segment, bytes)| (*segment, *bytes)).collect()
    }

    /// All live bytes.
    pub(crate) fn total(&self) -> u64 {
        self.by_segment.values().sum()
    }

    /// Segments that are no more in the log need no count.
    pub(crate) fn forget(&mut self, segments: &[u64]) {
        for segment in segments {
            self.by_segment.remove(segment);
        }
    }
}

fn weight(slot: &Slot) -> u64 {
    u64::from(slot.len) + u64::from(slot.key_len) + RECORD_OVERHEAD
}

#[cfg(test)]
mod tests {
    use strongroom_wal::Lsn;

    use super::*;

    // The counts come from a map: a wrong one is damage like any other.
    #[test]
    fn what_was_not_counted_cannot_be_taken_away() {
        let slot = Slot::written(Lsn(1000), 10, 2);
        let bytes = weight(&slot);
        for (segment, counted, left) in
            [(0, bytes, Some(0)), (0, bytes + 1, Some(1)), (0, bytes - 1, None), (1, bytes, None)]
        {
            let mut live = LiveBytes::of(65536, [(segment, counted)]);
            let taken = live.sub(&slot);
            assert_eq!(taken.ok().map(|()| live.total()), left);
        }
    }
}
