//! Figures for operators.

use std::sync::atomic::Ordering;
use std::time::Duration;

use strongroom_wal::Lsn;

use crate::budget::Budget;
use crate::recovery::RecoveryReport;
use crate::shared::{Counters, Shared};

/// Figures for operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries in all keyspaces.
    pub keys: u64,
    /// Bytes of their records in the log.
    pub live_bytes: u64,
    /// Frames written since the store was opened.
    pub frames: u64,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions refused because of a conflict.
    pub conflicts: u64,
    /// Bytes written to the log.
    pub log_bytes: u64,
    /// Bytes written to pages.
    pub page_bytes: u64,
    /// Log segments that are kept.
    pub log_segments: u64,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Checkpoints that failed, or behind which the log could not be cleaned; see
    /// [`Store::checkpoint_failure`](crate::Store::checkpoint_failure).
    pub checkpoints_failed: u64,
    /// Where recovery would start.
    pub checkpoint_lsn: Lsn,
    /// Bytes of live values that the cleaner moved.
    pub relocated_bytes: u64,
    /// Log segments given back.
    pub recycled_segments: u64,
    /// Compensation records written by rollbacks.
    pub compensations: u64,
    /// Pages of the index in memory.
    pub pages_resident: u64,
    /// Pages read from disk.
    pub pages_read: u64,
    /// How often one could not be read, or was not what was written. Unless it is none, restore the
    /// store from a backup or another cluster.
    pub pages_unreadable: u64,
    /// Pages dropped from memory.
    pub pages_evicted: u64,
    /// Pages written because they were dropped, rather than by a checkpoint.
    pub pages_stolen: u64,
    /// Pages written that hold what is not committed.
    pub pages_uncommitted: u64,
    /// How long checkpointer and cleaner were at work.
    pub background_worked: Duration,
    /// How long the cleaner rested in between, to stay within its budget.
    pub background_rested: Duration,
    /// What the last restart did.
    pub recovery: RecoveryReport,
}

impl Stats {
    pub(crate) fn of(shared: &Shared, budget: &Budget, recovery: RecoveryReport) -> Self {
        let (background_worked, background_rested) = budget.spent();
        let counters = &shared.counters;
        let figures = shared.pool.figures();
        let state = shared.state();
        Self {
            keys: state.keyspaces.values().map(|k| k.trie.len() as u64).sum(),
            live_bytes: Counters::get(&counters.live_bytes),
            frames: Counters::get(&counters.frames),
            commits: Counters::get(&counters.commits),
            conflicts: Counters::get(&counters.conflicts),
            log_bytes: Counters::get(&counters.log_bytes),
            page_bytes: shared.pool.files.written(),
            log_segments: shared.log.segments_len() as u64,
            checkpoints: Counters::get(&counters.checkpoints),
            checkpoints_failed: Counters::get(&counters.checkpoints_failed),
            checkpoint_lsn: Lsn(Counters::get(&counters.checkpoint_lsn)),
            relocated_bytes: Counters::get(&counters.relocated_bytes),
            recycled_segments: Counters::get(&counters.recycled_segments),
            compensations: Counters::get(&counters.compensations),
            pages_resident: shared.pool.resident() as u64,
            pages_read: figures.read.load(Ordering::Relaxed),
            pages_unreadable: figures.unreadable.load(Ordering::Relaxed),
            pages_evicted: figures.evicted.load(Ordering::Relaxed),
            pages_stolen: figures.stolen.load(Ordering::Relaxed),
            pages_uncommitted: figures.uncommitted.load(Ordering::Relaxed),
            background_worked,
            background_rested,
            recovery,
        }
    }
}
