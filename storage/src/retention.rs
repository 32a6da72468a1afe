//! What the log is kept for: each who needs the past of it, under a name, with a bound of its own.
//!
//! A restart, the undo of transactions that are under way, and change streams each have a hold of the
//! log (see `strongroom_wal::Hold`): the log gives no segment back that one of them needs, whatever it
//! is asked to. Their holds are moved on behind each checkpoint and are never lost. Readers of older
//! states need values wherever they lie; while one is within its bound nothing is given back at all.
//!
//! Promises: what is needed within its bound is kept; who is beyond it gets a typed answer
//! ([`ReadError::Behind`](crate::ReadError::Behind), [`ChangesError::Behind`](crate::ChangesError::Behind))
//! and never other bytes.

use strongroom_wal::{Hold, LogReader, Lsn};

use crate::options::Options;

/// What a restart reads.
const RESTART: &str = "restart";
/// What it takes to roll back transactions that are under way.
const UNDO: &str = "undo";
/// What change streams may come to ask for.
const STREAMS: &str = "change streams";
/// Older states that are read: snapshots, backups, long transactions.
const SNAPSHOTS: &str = "snapshots";

/// A hold that is moved on by its owner and has no bound in the log's eyes.
const NEVER_LOST: u64 = u64::MAX;

/// Who needs the log from where on, and how much of it that may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogNeed {
    /// Who: `restart`, `undo`, `change streams` or `snapshots`.
    pub name: &'static str,
    /// From where on.
    pub from: Lsn,
    /// Bytes of log from there to its end.
    pub bytes: u64,
    /// What it is bounded by, bytes; `None` for what lasts as long as a transaction does. Between two
    /// checkpoints it may be exceeded by as much as is logged until the next one ends.
    pub bound: Option<u64>,
}

/// Where the log is needed from, as a checkpoint knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Begin record of the checkpoint that a restart goes by.
    pub(crate) restart: Lsn,
    /// First record of the oldest transaction under way.
    pub(crate) undo: Lsn,
    /// First position that a stream within its bound may need, transactions included that began
    /// before it and were committed behind it.
    pub(crate) streams: Lsn,
}

impl Needs {
    /// The first position that any of them needs.
    pub(crate) fn first(&self) -> Lsn {
        self.restart.min(self.undo).min(self.streams)
    }
}

/// The holds of a store.
pub(crate) struct Retention {
    log: LogReader,
    restart: Hold,
    undo: Hold,
    streams: Hold,
    stream_bytes: u64,
    snapshot_bytes: u64,
    checkpoint_every: u64,
}

impl Retention {
    /// Everything that is there is needed until the first checkpoint says otherwise.
    pub(crate) fn new(log: &LogReader, options: &Options) -> Self {
        let hold = |name| log.hold(name, log.oldest(), NEVER_LOST);
        Self {
            log: log.clone(),
            restart: hold(RESTART),
            undo: hold(UNDO),
            streams: hold(STREAMS),
            stream_bytes: options.retention_bytes,
            snapshot_bytes: options.snapshot_bytes,
            checkpoint_every: options.checkpoint_every,
        }
    }

    /// Lets go of what is before `needs`. Positions only go forward: a transaction that is under way
    /// holds the streams' from its first record on, so that its commit takes none of them back.
    pub(crate) fn advance(&self, needs: &Needs) {
        let streams = needs.streams.min(needs.undo);
        for (hold, to) in
            [(&self.restart, needs.restart), (&self.undo, needs.undo), (&self.streams, streams)]
        {
            let moved = hold.advance(to);
            debug_assert!(moved.is_ok(), "it has no bound to fall behind");
        }
    }

    /// Streams within their bound stand here or behind when the store is at `end`.
    pub(crate) fn streams_from(&self, end: Lsn) -> Lsn {
        Lsn(end.0.saturating_sub(self.stream_bytes))
    }

    /// States older than this are kept for nobody when the store is at `end`.
    pub(crate) fn snapshots_from(&self, end: Lsn) -> Lsn {
        Lsn(end.0.saturating_sub(self.snapshot_bytes))
    }

    /// For people: everyone who needs the log. `oldest_read` is the oldest state that is read.
    pub(crate) fn needs(&self, end: Lsn, oldest_read: Lsn) -> Vec<LogNeed> {
        let need = |name, from: Lsn, bound| LogNeed {
            name,
            from,
            bytes: end.0.saturating_sub(from.0),
            bound,
        };
        let held = self.log.holds().into_iter().map(|held| {
            let bound = match held.name {
                RESTART => Some(self.checkpoint_every),
                STREAMS => Some(self.stream_bytes),
                _ => None,
            };
            need(held.name, held.lsn, bound)
        });
        held.chain([need(SNAPSHOTS, oldest_read, Some(self.snapshot_bytes))]).collect()
    }
}
