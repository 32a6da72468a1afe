//! The header of a frame: what it is for, where it stands, what it continues.

use super::{FORMAT_VERSION, FRAME_HEADER_BYTES, padded, u32_at, u64_at};
use crate::lsn::{BLOCK_BYTES, Geometry, Lsn};

const FRAME_MAGIC: [u8; 4] = *b"SRfr";

const FLAG_SEAL: u8 = 1;
const FLAG_CLOSE: u8 = 2;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Carries records, or none (an idle marker).
    Data,
    /// The last frame of its segment; the log goes on in the next one. No records.
    Seal,
    /// The log was closed here in good order. No records.
    Close,
}

impl FrameKind {
    fn flags(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Seal => FLAG_SEAL,
            Self::Close => FLAG_CLOSE,
        }
    }

    fn from_flags(flags: u8) -> Option<Self> {
        match flags {
            0 => Some(Self::Data),
            FLAG_SEAL => Some(Self::Seal),
            FLAG_CLOSE => Some(Self::Close),
            _ => None,
        }
    }
}

/// The header of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Where the frame starts.
    pub lsn: Lsn,
    /// What the frame is for.
    pub kind: FrameKind,
    /// Counts the times that the log was opened; never falls along the log.
    pub generation: u64,
    /// Everything before this position was durable when the frame was submitted.
    pub durable_lsn: Lsn,
    /// Room for a consensus term; zero today.
    pub term: u64,
    /// Room for a consensus index; zero today.
    pub index: u64,
    /// Bytes of records.
    pub data_len: u32,
    /// Bytes of the table of record lengths that follows the records.
    pub table_len: u32,
    /// Number of records.
    pub records: u32,
    /// Checksum of the frame before this one; zero in the log's first frame.
    pub prev_crc: u32,
    /// Checksum of the whole frame.
    pub crc: u32,
}

/// Why a block is no frame header for where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// All zeros: never written.
    Blank,
    /// Not a header, or a damaged one.
    Garbage,
    /// A sound header of another place or another log: left over from a recycled segment, or
    /// misdirected.
    Elsewhere,
    /// A sound header of a version that this build does not know.
    Newer(u8),
}

impl FrameHeader {
    /// Bytes that the frame takes on disk, padding included.
    pub fn total_bytes(&self) -> u64 {
        padded(u64::from(self.data_len) + u64::from(self.table_len))
    }

    /// The position after the frame.
    pub fn end(&self) -> Lsn {
        self.lsn.plus(self.total_bytes())
    }

    /// Writes everything but the last checksum into the front of `out` and returns the checksum
    /// of what was written.
    pub(crate) fn encode(&self, log_tag: u32, out: &mut [u8]) -> crc32fast::Hasher {
        out[0..4].copy_from_slice(&FRAME_MAGIC);
        out[4] = FORMAT_VERSION;
        out[5] = self.kind.flags();
        out[6..8].copy_from_slice(&[80, 0]);
        out[8..16].copy_from_slice(&self.lsn.0.to_le_bytes());
        out[16..24].copy_from_slice(&self.generation.to_le_bytes());
        out[24..32].copy_from_slice(&self.durable_lsn.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.term.to_le_bytes());
        out[40..48].copy_from_slice(&self.index.to_le_bytes());
        out[48..52].copy_from_slice(&self.data_len.to_le_bytes());
        out[52..56].copy_from_slice(&self.table_len.to_le_bytes());
        out[56..60].copy_from_slice(&self.records.to_le_bytes());
        out[60..64].copy_from_slice(&self.prev_crc.to_le_bytes());
        out[64..68].copy_from_slice(&log_tag.to_le_bytes());
        out[68..72].fill(0);
        let header_crc = crc32fast::hash(&out[..72]);
        out[72..76].copy_from_slice(&header_crc.to_le_bytes());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&out[..76]);
        hasher
    }

    /// Reads the header of the frame that should start at `lsn`. Checks the header only: the body
    /// may still be damaged.
    ///
    /// # Errors
    /// What stands there instead.
    pub(crate) fn decode(
        block: &[u8],
        lsn: Lsn,
        log_tag: u32,
        geometry: Geometry,
    ) -> Result<Self, HeaderFault> {
        let Some(h) = block.get(..FRAME_HEADER_BYTES) else { return Err(HeaderFault::Garbage) };
        if h[0..4] != FRAME_MAGIC {
            let blank = block.iter().all(|b| *b == 0);
            return Err(if blank { HeaderFault::Blank } else { HeaderFault::Garbage });
        }
        if u32_at(h, 72) != crc32fast::hash(&h[..72]) {
            return Err(HeaderFault::Garbage);
        }
        if u64_at(h, 8) != lsn.0 || u32_at(h, 64) != log_tag {
            return Err(HeaderFault::Elsewhere);
        }
        if h[4] != FORMAT_VERSION {
            return Err(HeaderFault::Newer(h[4]));
        }
        let kind = FrameKind::from_flags(h[5]).ok_or(HeaderFault::Garbage)?;
        let header = Self {
            lsn,
            kind,
            generation: u64_at(h, 16),
            durable_lsn: Lsn(u64_at(h, 24)),
            term: u64_at(h, 32),
            index: u64_at(h, 40),
            data_len: u32_at(h, 48),
            table_len: u32_at(h, 52),
            records: u32_at(h, 56),
            prev_crc: u32_at(h, 60),
            crc: u32_at(h, 76),
        };
        let fixed = h[6..8] == [80, 0] && h[68..72] == [0; 4];
        if fixed && header.is_consistent(geometry) { Ok(header) } else { Err(HeaderFault::Garbage) }
    }

    /// Whether the numbers fit each other and the segment.
    fn is_consistent(&self, geometry: Geometry) -> bool {
        let room = geometry.segment_bytes() - geometry.offset(self.lsn);
        self.total_bytes() <= room
            && geometry.offset(self.lsn) >= BLOCK_BYTES
            && self.durable_lsn <= self.lsn
            // The next opening has to have one.
            && self.generation < u64::MAX
            && self.table_len >= self.records
            && self.data_len >= self.records
            && (self.kind == FrameKind::Data || self.records == 0)
            && (self.records > 0 || (self.data_len == 0 && self.table_len == 0))
    }
}
