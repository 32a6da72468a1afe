//! The bytes of a log, without any file: headers, frames, lengths. Byte tables: `docs/wal-format.md`.
//!
//! Decoders take any bytes, never panic and accept exactly what the encoders make.

mod builder;
mod frame;
mod frame_header;
mod segment_header;
#[cfg(test)]
mod tests;
mod varint;

pub(crate) use builder::{Finished, FrameSeal, Room};
pub use builder::{FrameBuilder, FrameFull, framed_len};
pub use frame::{Frame, Records};
pub(crate) use frame_header::HeaderFault;
pub use frame_header::{FrameHeader, FrameKind};
pub(crate) use segment_header::SegmentFault;
pub use segment_header::SegmentHeader;

use crate::lsn::BLOCK_BYTES;

/// Version that this build writes, and the newest that it reads.
pub const FORMAT_VERSION: u8 = 1;

/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER_BYTES: usize = 80;

/// A block, in memory terms.
pub(crate) const BLOCK: usize = 4096;
const _: () = assert!(BLOCK as u64 == BLOCK_BYTES && FRAME_HEADER_BYTES < BLOCK);

/// Bytes on disk of a frame with `payload` bytes after its header.
pub(crate) fn padded(payload: u64) -> u64 {
    (payload + 80).next_multiple_of(BLOCK_BYTES)
}

/// A 32-bit mark of the log's id, put into every frame header.
pub(crate) fn log_tag(log_id: [u8; 16]) -> u32 {
    crc32fast::hash(&log_id)
}

/// The number at an offset that the caller has checked.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

/// The number at an offset that the caller has checked.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}
