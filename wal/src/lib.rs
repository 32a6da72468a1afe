//! The write-ahead log of Strongroom, and the disk seam under the whole storage engine.
//!
//! A log is a sequence of *frames* in *segment* files of one size. A frame is one checksummed batch
//! of records; it starts on a fresh block and is durable when [`Log::append`] returns, or when
//! [`Log::reap`] gives it back after [`Log::submit`]: several may be in flight. There is one
//! writer, [`Log`], and any number of readers, [`LogReader`]. [`Log::open`] finds the end after a
//! crash: an unfinished write is dropped, damage to what was acknowledged is refused. The format is
//! in `docs/wal-format.md`; the decision between torn and rotten is one table in [`recovery`].
//!
//! ```
//! use std::sync::Arc;
//! use strongroom_wal::disk::sim::SimDisk;
//! use strongroom_wal::{Log, LogOptions, Lsn, framed_len};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = Arc::new(SimDisk::new(7));
//! let mut log = Log::create(disk, LogOptions::default(), [1; 16])?;
//! let mut frame = log.begin_frame(framed_len(5))?;
//! let lsn = frame.push(b"hello")?;
//! log.append(frame)?;
//! let read: Vec<_> = log.reader().frames(log.oldest()).collect::<Result<_, _>>()?;
//! assert_eq!(read[0].records().next(), Some((lsn, &b"hello"[..])));
//! # Ok(())
//! # }
//! ```

pub mod disk;
mod durable;
mod error;
mod format;
pub mod inspect;
mod log;
mod look;
mod lsn;
mod options;
mod reader;
mod recent;
pub mod recovery;
mod retention;
mod shared;
mod sync;

pub use error::{LogError, ReadError};
pub use format::{
    FORMAT_VERSION, Frame, FrameBuilder, FrameFull, FrameHeader, FrameKind, Records, SegmentHeader,
    framed_len,
};
pub use log::{Appended, Log, OpenReport, Tail};
pub use lsn::{
    BLOCK_BYTES, Geometry, Lsn, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, parse_segment_name,
};
pub use options::{
    LogOptions, RECENT_BYTES_DEFAULT, RECOVERY_RESERVE_BYTES_DEFAULT, RESERVE_STEP_BYTES_DEFAULT,
    SEGMENT_BYTES_DEFAULT, SPARE_SEGMENTS_DEFAULT,
};
pub use reader::{Frames, LogReader};
pub use recovery::end::{LogIdentity, OpenHint};
pub use retention::{Behind, Held, Hold};
pub use shared::SegmentInfo;
