//! Settings of a log, and what they are by default.

use crate::disk::queue::QUEUE_DEPTH_DEFAULT;

/// Default size of a segment, in bytes.
pub const SEGMENT_BYTES_DEFAULT: u64 = 16 * 1024 * 1024;

/// Default step in which a segment is filled with zeros ahead of the tail, in bytes.
pub const RESERVE_STEP_BYTES_DEFAULT: u64 = 1024 * 1024;

/// Default number of recycled segments that wait to be used again.
pub const SPARE_SEGMENTS_DEFAULT: usize = 2;

/// Default number of bytes that only recovery may use.
pub const RECOVERY_RESERVE_BYTES_DEFAULT: u64 = 64 * 1024;

/// Default number of bytes of the log's end that are kept in memory for reading.
pub const RECENT_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

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
    /// Whether the next segment is filled with zeros while the current one is written, once that is
    /// half full and no recycled one waits.
    pub prepare_ahead: bool,
    /// Bytes of log that ordinary frames leave free on a full disk, so that recovery can still undo
    /// and close. At most an eighth of a segment is kept.
    pub recovery_reserve: u64,
    /// Whether sealed segments are read through memory maps, where the disk has any. Faster, but a
    /// medium that fails under a map ends the process instead of a call.
    pub mmap: bool,
    /// Bytes of the log's end that [`LogReader::read_bytes`](crate::LogReader::read_bytes) answers
    /// from memory. They are taken with the first frame; 0 keeps none.
    pub recent_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_size: SEGMENT_BYTES_DEFAULT,
            reserve_step: RESERVE_STEP_BYTES_DEFAULT,
            spare_segments: SPARE_SEGMENTS_DEFAULT,
            depth: QUEUE_DEPTH_DEFAULT,
            io_uring: true,
            prepare_ahead: true,
            recovery_reserve: RECOVERY_RESERVE_BYTES_DEFAULT,
            mmap: true,
            recent_bytes: RECENT_BYTES_DEFAULT,
        }
    }
}
