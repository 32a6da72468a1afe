//! How a store is run: every bound, with its unit.

use std::time::Duration;

use strongroom_wal::LogOptions;

/// How a store is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Size of a log segment, bytes. Fixed when the store is made.
    pub segment_size: u64,
    /// How much of the log is kept for change streams, bytes.
    pub retention_bytes: u64,
    /// How much of the log is kept for readers of older states (snapshots, backups, long transactions),
    /// bytes behind the state that is read. Nothing is given back while one is within that; one that
    /// is beyond it may get [`ReadError::Behind`](crate::ReadError::Behind).
    pub snapshot_bytes: u64,
    /// A checkpoint begins after so many bytes of log, or after three quarters of what the pages of
    /// the index take, if that is more: it bounds both the log that a restart reads and what pages
    /// add to what is written.
    pub checkpoint_every: u64,
    /// Pages of the index that are kept in memory, about 2 KiB each.
    pub pool_pages: usize,
    /// Whether these pages are read behind the opening, if there is room for all, rather than each
    /// when it is first needed.
    pub warm_pages: bool,
    /// A store that had nothing to do for so long makes room on the disk. `None`: never.
    pub compact_after: Option<Duration>,
    /// Whether the log may be written by io_uring, where the kernel allows it. Otherwise, and where it
    /// is refused, plain system calls do: which, is measured when the store is opened, see
    /// [`Store::durable_report`](crate::Store::durable_report).
    pub io_uring: bool,
    /// Called by each of the store's two threads when it has made what room there is, once until
    /// something is committed again: the process may tell its allocator to give back what is free.
    pub at_rest: Option<fn()>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_size: LogOptions::default().segment_size,
            retention_bytes: 256 << 20,
            snapshot_bytes: 16 << 30,
            checkpoint_every: 64 << 20,
            pool_pages: 4 << 20,
            warm_pages: true,
            compact_after: Some(Duration::from_secs(2)),
            io_uring: true,
            at_rest: None,
        }
    }
}
