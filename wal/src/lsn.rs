//! Log sequence numbers: byte positions in the log, and how they map to segment files.
//!
//! Promises: positions are totally ordered in log order; every mapping is plain arithmetic on the
//! segment size and never reads anything.

use std::fmt;

/// A byte position in the log: `segment number * segment size + offset in the segment`.
///
/// [`Lsn::ZERO`] never names a record, because every segment opens with a header block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before everything; names no frame and no record.
    pub const ZERO: Self = Self(0);

    /// The position `bytes` further on.
    ///
    /// # Panics
    /// When the sum leaves 64 bits, which no log can reach.
    #[must_use]
    pub fn plus(self, bytes: u64) -> Self {
        Self(self.0.checked_add(bytes).unwrap_or_else(|| panic!("log position out of range")))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lsn({})", self.0)
    }
}

/// Bytes in a block. Frames and segment headers start on a block and fill whole blocks.
pub const BLOCK_BYTES: u64 = 4096;

/// Smallest segment that a log may have, in bytes.
pub const SEGMENT_BYTES_MIN: u64 = 64 * 1024;

/// Largest segment that a log may have, in bytes: lengths inside a frame are 32-bit.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 31;

/// How positions map to segments, for one segment size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    segment_bytes: u64,
}

impl Geometry {
    /// `None` unless the size is a multiple of [`BLOCK_BYTES`] within the two limits.
    #[must_use]
    pub fn new(segment_bytes: u64) -> Option<Self> {
        let sized = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&segment_bytes);
        (sized && segment_bytes.is_multiple_of(BLOCK_BYTES)).then_some(Self { segment_bytes })
    }

    /// Bytes in a segment, its header block included.
    pub fn segment_bytes(self) -> u64 {
        self.segment_bytes
    }

    /// Number of the segment that holds `lsn`.
    pub fn segment(self, lsn: Lsn) -> u64 {
        lsn.0 / self.segment_bytes
    }

    /// Offset of `lsn` in its segment file.
    pub fn offset(self, lsn: Lsn) -> u64 {
        lsn.0 % self.segment_bytes
    }

    /// Position of a segment's header block.
    ///
    /// # Panics
    /// When the segment number is not [`valid_segment`](Self::valid_segment).
    pub fn base(self, segment: u64) -> Lsn {
        let base = segment.checked_mul(self.segment_bytes);
        Lsn(base.unwrap_or_else(|| panic!("segment number out of range")))
    }

    /// Position of a segment's first frame.
    pub fn first_frame(self, segment: u64) -> Lsn {
        self.base(segment).plus(BLOCK_BYTES)
    }

    /// First position after a segment.
    pub fn end(self, segment: u64) -> Lsn {
        self.base(segment).plus(self.segment_bytes)
    }

    /// Whether every position of the segment and of its follower fits in 64 bits.
    pub fn valid_segment(self, segment: u64) -> bool {
        segment.checked_add(2).and_then(|n| n.checked_mul(self.segment_bytes)).is_some()
    }
}

/// File name of a segment.
#[must_use]
pub(crate) fn segment_name(segment: u64) -> String {
    format!("wal-{segment:016x}.log")
}

/// Segment number in a file name, when it is one that `segment_name` makes.
#[must_use]
pub fn parse_segment_name(name: &str) -> Option<u64> {
    parse_hex(name.strip_prefix("wal-")?.strip_suffix(".log")?)
}

/// File name of a sealed segment that nobody needs and that waits to be used again.
pub(crate) fn spare_name(number: u64) -> String {
    format!("spare-{number:016x}.log")
}

/// Number in the name of a spare.
pub(crate) fn parse_spare_name(name: &str) -> Option<u64> {
    parse_hex(name.strip_prefix("spare-")?.strip_suffix(".log")?)
}

fn parse_hex(digits: &str) -> Option<u64> {
    let plain = digits.len() == 16
        && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_map_to_segments_and_back() {
        let g = Geometry::new(65536).unwrap();
        assert_eq!(g.first_frame(0), Lsn(4096));
        assert_eq!(g.segment(Lsn(65535)), 0);
        assert_eq!((g.segment(Lsn(65536)), g.offset(Lsn(65536))), (1, 0));
        assert_eq!(g.end(1), g.base(2));
        assert!(g.valid_segment(1 << 40));
        assert!(!g.valid_segment(u64::MAX));
    }

    #[test]
    fn sizes_outside_the_limits_are_refused() {
        for bad in [0, 4096, 65536 + 1, SEGMENT_BYTES_MAX + 4096] {
            assert_eq!(Geometry::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_parse_back_and_strangers_do_not() {
        assert_eq!(parse_segment_name(&segment_name(0xab)), Some(0xab));
        assert_eq!(parse_spare_name(&spare_name(7)), Some(7));
        for bad in ["wal-1.log", "wal-00000000000000AB.log", "wal-+000000000000001.log", "x"] {
            assert_eq!(parse_segment_name(bad), None, "{bad}");
        }
    }
}
