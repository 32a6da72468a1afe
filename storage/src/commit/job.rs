//! What the committer is asked to do, as its callers hand it over.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use strongroom_aries::{MapLocation, TxnId};
use strongroom_merkle::{Digest, KeyHash};
use strongroom_wal::Lsn;
use tokio::sync::oneshot;

use super::desk::Desk;
use crate::error::CommitError;
use crate::id::{Class, Committed, KeyspaceId, Version};
use crate::index::{Indexed, LiveBytes, State};
use crate::logged::Streamed;
use crate::retention::Needs;

pub(crate) type Answer<T> = oneshot::Sender<Result<T, CommitError>>;
pub(crate) type Submit = Arc<Desk>;

/// Room for a record's length before it.
pub(crate) const RECORD_FRAMING_MAX: usize = 5;

/// What the committer is asked to do.
pub(crate) enum Job {
    /// Commit a transaction that fits one frame.
    Commit { prepared: Prepared, done: Answer<Committed> },
    /// Log writes of a transaction before it commits.
    Spill { owner: Owner, made: Made, writes: Vec<Write>, done: Answer<Spilled> },
    /// Commit a transaction of which all writes are logged.
    CommitSpilled { txn: TxnId, prepared: Prepared, done: Answer<Committed> },
    /// Take back what a transaction logged after `to`, or all of it, which ends it.
    RollBack { owner: Owner, to: Option<Lsn>, done: Answer<()> },
    /// Log the begin of a checkpoint and hand out the state that it has to write.
    BeginCheckpoint { done: Answer<Pinned> },
    /// Log the end of a checkpoint; answers the end of its frame.
    EndCheckpoint { begin: Lsn, map: MapLocation, done: Answer<Lsn> },
    /// Move values to the end of the log; answers how many were.
    Relocate { moves: Vec<Move>, done: Answer<usize> },
    /// Give back log segments that nothing needs, and answer which are gone.
    Recycle { needs: Needs, live: LiveBytes, done: Answer<Vec<u64>> },
    /// Let go of memory that is there for much to do, and call this.
    Rest { at_rest: Option<fn()>, done: Answer<()> },
}

/// Names a transaction once it has logged something. It is shared with the committer, so that the
/// transaction can be taken back by whoever does not wait for the answer of what it asked.
pub(crate) type Owner = Arc<OnceLock<TxnId>>;

/// A value to be moved.
pub(crate) struct Move {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Box<[u8]>,
    pub(crate) hash: KeyHash,
    pub(crate) entry: Indexed,
    pub(crate) value: Vec<u8>,
}

/// The state that a checkpoint writes.
pub(crate) struct Pinned {
    pub(crate) state: Arc<State>,
    pub(crate) behind: Behind,
}

/// What the cleaner behind a checkpoint goes by: how it was when the checkpoint began.
pub(crate) struct Behind {
    /// LSN of the begin record.
    pub(crate) begin: Lsn,
    /// Position of the state that was written.
    pub(crate) lsn: Lsn,
    pub(crate) live: LiveBytes,
    /// The log is needed from here to take back the transactions that are active.
    pub(crate) oldest_active: Option<Lsn>,
    /// What change streams that have yet to pass a commit need from before it.
    pub(crate) streamed: Vec<Streamed>,
}

/// What a transaction read.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    pub(crate) entries: Vec<(KeyspaceId, KeyHash, Option<Version>)>,
    /// Keyspaces that were listed, and whether they existed.
    pub(crate) lists: Vec<(KeyspaceId, bool)>,
    /// The state that was read.
    pub(crate) at: Lsn,
}

/// One write, hashed by the caller's thread so that the commit path does not have to.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) key: Box<[u8]>,
    pub(crate) hash: KeyHash,
    /// The value with its leaf digest, or `None` for a deletion.
    pub(crate) value: Option<(Vec<u8>, Digest)>,
}

/// A transaction as it is handed to the committer.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) reads: ReadSet,
    pub(crate) drops: Vec<KeyspaceId>,
    pub(crate) creates: Vec<(KeyspaceId, Class)>,
    pub(crate) writes: Vec<Write>,
    /// The state that was read. To let go of it may mean to free much, which is done while the
    /// device is busy.
    pub(crate) seen: Option<Arc<State>>,
}

/// Keyspaces that a transaction makes, with the numbers that were set aside for them.
pub(crate) type Made = BTreeMap<KeyspaceId, (Class, Option<u32>)>;

/// Where a transaction stands after some of its writes were logged.
#[derive(Clone, Debug)]
pub(crate) struct Spilled {
    pub(crate) txn: TxnId,
    /// Its last record.
    pub(crate) last: Lsn,
    pub(crate) made: Made,
    /// Number of each keyspace that it wrote to.
    pub(crate) handles: BTreeMap<KeyspaceId, u32>,
}

impl Job {
    /// Upper bound of the bytes that it takes in a frame, as far as it is known before.
    pub(crate) fn size(&self) -> usize {
        match self {
            Job::Commit { prepared, .. } | Job::CommitSpilled { prepared, .. } => prepared.size(),
            Job::Spill { writes, .. } => writes.iter().map(Write::size).sum(),
            Job::Relocate { moves, .. } => moves.iter().map(Move::size).sum(),
            Job::RollBack { .. }
            | Job::BeginCheckpoint { .. }
            | Job::EndCheckpoint { .. }
            | Job::Recycle { .. }
            | Job::Rest { .. } => 0,
        }
    }
}

impl Write {
    /// Upper bound of the bytes that it takes in a frame as part of a committed frame.
    pub(crate) fn size(&self) -> usize {
        let value = self.value.as_ref().map_or(0, |(v, _)| v.len());
        self.key.len() + value + 16 + RECORD_FRAMING_MAX
    }
}

impl Prepared {
    /// Upper bound of the bytes that it takes in a frame.
    pub(crate) fn size(&self) -> usize {
        let ddl = (self.creates.len() + self.drops.len()) * (32 + RECORD_FRAMING_MAX);
        ddl + self.writes.iter().map(Write::size).sum::<usize>()
    }
}

impl Move {
    /// Upper bound of the bytes that it takes in a frame.
    pub(crate) fn size(&self) -> usize {
        self.key.len() + self.value.len() + 32 + RECORD_FRAMING_MAX
    }
}
