//! Settings of a log, and what they are by default.

use crate::disk::queue::QUEUE_DEPTH_DEFAULT;

/// Default size of a segment, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 16 * 1024 * 1024;

/// Default step in which a segment is filled with zeros ahead of the tail, in bytes.
pub const RESERVE_STEP_BYTES_DEFAULT: u64 = 1024 * 1024;

/// Default number of recycled segments that wait to be used again.
pub const SPARE_SEGMENTS_DEFAULT: usize = 2;

/// Settings of a log.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Bytes of a segment. Fixed when the log is created; an existing log keeps its own.
    pub segment_size: u64,
    /// Bytes of zeros written ahead of the tail at a time.
    pub reserve_step: u64,
    /// Recycled segments kept for use again; more are removed.
    pub spare_segments: usize,
    /// Durable writes that may be in flight, where the disk can do more than one.
    pub depth: usize,
    /// Whether the disk's own queue (io_uring, where the kernel allows it) may be used. Without it
    /// one write is in flight at a time.
    pub io_uring: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_size: SEGMENT_BYTES_DEFAULT,
            reserve_step: RESERVE_STEP_BYTES_DEFAULT,
            spare_segments: SPARE_SEGMENTS_DEFAULT,
            depth: QUEUE_DEPTH_DEFAULT,
            io_uring: true,
        }
    }
}
