//! How far the look through a log is.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};

use strongroom_tools::progress::{Bar, Unit};
use strongroom_wal::inspect::Passed;

use crate::output::Head;

/// A bar for one look from one end of the log to the other.
pub(crate) struct Passing {
    bar: Bar,
    segment_size: u64,
    /// Bytes of files before each segment.
    before: BTreeMap<u64, u64>,
}

impl Passing {
    /// A log that is followed has no end, and lines on the same terminal would be in the bar's way:
    /// then there is none.
    pub(crate) fn new(head: &Head, follows: bool) -> Self {
        let mut total = 0;
        let mut before = BTreeMap::new();
        for segment in &head.segments {
            before.insert(segment.no, total);
            total += segment.bytes_on_disk;
        }
        let bar = if follows || io::stdout().is_terminal() {
            Bar::hidden()
        } else {
            Bar::new("reading", Some(total), Unit::Bytes)
        };
        Self { bar, segment_size: head.segment_size, before }
    }

    pub(crate) fn see(&mut self, passed: &Passed<'_>) {
        if let Some(done) = self.done(passed) {
            self.bar.reach(done);
        }
    }

    /// Bytes of files before the end of what is passed.
    fn done(&self, passed: &Passed<'_>) -> Option<u64> {
        match passed {
            Passed::Segment(header) => self.before.get(&header.segment).copied(),
            Passed::Frame(frame) => {
                let start = frame.start().0;
                let segment = self.before.get(&(start / self.segment_size))?;
                Some(segment + start % self.segment_size + frame.header.total_bytes())
            }
            Passed::Finding(finding) => Some(self.before.get(&finding.segment)? + finding.offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use strongroom_wal::Lsn;
    use strongroom_wal::inspect::{Finding, FindingKind, SegmentFile};

    use super::*;

    #[test]
    fn what_is_done_is_what_lies_before_in_files() {
        let file = |no, bytes_on_disk| SegmentFile { no, bytes_on_disk, header: None };
        let segments = vec![file(3, 65_536), file(4, 8192), file(9, 4096)];
        let head = Head { log_id: [0; 16], segment_size: 65_536, spares: 0, segments };
        let passing = Passing::new(&head, true);
        let done = |segment, offset| {
            let (kind, lsn) = (FindingKind::Torn, Lsn(segment * 65_536 + offset));
            passing.done(&Passed::Finding(Finding { kind, lsn, segment, offset }))
        };
        assert_eq!([done(3, 0), done(3, 4096), done(4, 4096)], [0, 4096, 69_632].map(Some));
        assert_eq!(done(9, 4096), Some(65_536 + 8192 + 4096), "all");
        // One that was made since the files were listed.
        assert_eq!(done(10, 0), None);
    }
}
