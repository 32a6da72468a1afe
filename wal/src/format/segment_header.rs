//! The header block of a segment: whose it is, and how it goes on from the segment before it.

use super::{BLOCK, FORMAT_VERSION, u32_at, u64_at};
use crate::lsn::{Geometry, Lsn};

const SEGMENT_MAGIC: [u8; 8] = *b"SRwalseg";

const FLAG_RECYCLED: u8 = 1;

/// The header of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log that the segment belongs to.
    pub log_id: [u8; 16],
    /// Number of the segment in its log.
    pub segment: u64,
    /// Bytes of every segment of this log.
    pub segment_bytes: u64,
    /// Generation that made the segment.
    pub generation: u64,
    /// Everything before this position was durable when the header was written.
    pub durable_lsn: Lsn,
    /// Checksum of the last frame before this segment; zero in segment 0.
    pub prev_crc: u32,
    /// Whether the file held another segment before, whose bytes may still stand after the tail.
    pub recycled: bool,
}

/// Why a block is no segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentFault {
    /// All zeros: the segment was never begun.
    Blank,
    /// Not a header, or a damaged one, or that of another segment number.
    Garbage,
    /// A sound header of a version that this build does not know.
    Newer(u8),
}

impl SegmentHeader {
    /// The whole header block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0u8; BLOCK];
        out[0..8].copy_from_slice(&SEGMENT_MAGIC);
        out[8] = FORMAT_VERSION;
        out[9] = if self.recycled { FLAG_RECYCLED } else { 0 };
        out[10..12].copy_from_slice(&[80, 0]);
        out[12..16].copy_from_slice(&self.prev_crc.to_le_bytes());
        out[16..32].copy_from_slice(&self.log_id);
        out[32..40].copy_from_slice(&self.segment.to_le_bytes());
        out[40..48].copy_from_slice(&self.segment_bytes.to_le_bytes());
        out[48..56].copy_from_slice(&self.generation.to_le_bytes());
        out[56..64].copy_from_slice(&self.durable_lsn.0.to_le_bytes());
        let crc = crc32fast::hash(&out[..76]);
        out[76..80].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads the header block of segment number `segment`.
    ///
    /// # Errors
    /// What stands there instead.
    pub(crate) fn decode(block: &[u8], segment: u64) -> Result<Self, SegmentFault> {
        if block.iter().all(|b| *b == 0) {
            return Err(SegmentFault::Blank);
        }
        if block.len() != BLOCK || block[0..8] != SEGMENT_MAGIC {
            return Err(SegmentFault::Garbage);
        }
        if u32_at(block, 76) != crc32fast::hash(&block[..76]) {
            return Err(SegmentFault::Garbage);
        }
        if block[8] != FORMAT_VERSION {
            return Err(SegmentFault::Newer(block[8]));
        }
        let mut log_id = [0; 16];
        log_id.copy_from_slice(&block[16..32]);
        let header = Self {
            log_id,
            segment: u64_at(block, 32),
            segment_bytes: u64_at(block, 40),
            generation: u64_at(block, 48),
            durable_lsn: Lsn(u64_at(block, 56)),
            prev_crc: u32_at(block, 12),
            recycled: block[9] == FLAG_RECYCLED,
        };
        // Encoding again checks flags, reserved bytes and padding in one go.
        if header.segment == segment && header.is_consistent() && header.encode() == block {
            Ok(header)
        } else {
            Err(SegmentFault::Garbage)
        }
    }

    fn is_consistent(&self) -> bool {
        Geometry::new(self.segment_bytes).is_some_and(|geometry| {
            geometry.valid_segment(self.segment)
                && self.durable_lsn <= geometry.base(self.segment)
                && self.generation < u64::MAX
        })
    }
}
