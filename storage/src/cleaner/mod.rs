//! The cleaner: makes log segments free by moving the few live values that keep them.
//!
//! It works behind each checkpoint, on sealed segments that neither recovery nor a change stream
//! within its bound needs. A chosen segment is read once; each value in it that the index still
//! points to is logged again at the end of the log, verbatim. Once the next checkpoint's pages point
//! there, the old segment holds nothing live and is given back.
//!
//! - this module: which segments;
//! - [`living`]: where the live values of many segments lie, for an idle store;
//! - [`mod@moves`]: what is live in one, in frames.
//!
//! Cleaning segments of which a share `u` is live costs `u / (1 - u)` bytes written for each byte
//! freed (M. Rosenblum and J. Ousterhout, "The Design and Implementation of a Log-Structured File
//! System", TOCS 10(1), 1992). Under load only half-empty segments are touched, and only once the
//! log is twice what is live: at most one byte for each byte freed. An idle store goes further.

mod living;
mod moves;

use strongroom_wal::{LogReader, Lsn};

pub(crate) use self::living::Living;
pub(crate) use self::moves::moves;
use crate::index::LiveBytes;

/// Live bytes moved behind one checkpoint under load, at most.
const BUDGET_BUSY_BYTES: u64 = 32 << 20;
/// The same while the store is idle.
const BUDGET_IDLE_BYTES: u64 = 256 << 20;
/// Bytes in one frame of moves: commits wait for one, at most.
const FRAME_BUSY_BYTES: usize = 128 << 10;
/// The same while the store is idle: the first commit alone may come to wait for one.
const FRAME_IDLE_BYTES: usize = 1 << 20;

/// How hard to work for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// There is traffic: only what pays.
    Busy,
    /// There is none: as little room as can be, until there are more commits than these.
    Idle { commits: u64 },
}

impl Effort {
    /// Segments are cleaned of which less than this is live, percent.
    fn live_percent(self) -> u64 {
        match self {
            Effort::Busy => 50,
            Effort::Idle { .. } => 92,
        }
    }

    /// Bytes in one frame of moves.
    fn frame_bytes(self) -> usize {
        match self {
            Effort::Busy => FRAME_BUSY_BYTES,
            Effort::Idle { .. } => FRAME_IDLE_BYTES,
        }
    }

    fn budget(self) -> u64 {
        match self {
            Effort::Busy => BUDGET_BUSY_BYTES,
            Effort::Idle { .. } => BUDGET_IDLE_BYTES,
        }
    }
}

/// Segments to clean, the emptiest first, within the budget.
pub(crate) fn choose(
    log: &LogReader,
    live: &LiveBytes,
    needed_from: Lsn,
    effort: Effort,
) -> Vec<u64> {
    let size = log.segment_size();
    let sealed = log.oldest().0 / size..needed_from.0 / size;
    let bytes = log.segments_len() as u64 * size;
    if effort == Effort::Busy && bytes < 2 * live.total() {
        return Vec::new();
    }
    let mut sparse: Vec<(u64, u64)> = sealed
        .map(|segment| (live.of_segment(segment), segment))
        .filter(|(bytes, _)| *bytes > 0 && *bytes * 100 < size * effort.live_percent())
        .collect();
    sparse.sort_unstable();
    let mut budget = effort.budget();
    let within = |(bytes, segment): (u64, u64)| {
        budget = budget.checked_sub(bytes)?;
        Some(segment)
    };
    sparse.into_iter().map_while(within).collect()
}
