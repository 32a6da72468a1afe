//! What the committer is asked to do, as its callers hand it over.

use std::sync::Arc;

use strongroom_aries::CheckpointEnd;
use strongroom_merkle::{Digest, KeyHash};
use strongroom_wal::Lsn;
use tokio::sync::oneshot;

use crate::directory::Key;
use crate::error::CommitError;
use crate::id::{Class, Committed, KeyspaceId, Version};
use crate::index::{IndexEntry, LiveBytes, State};
use crate::queue::Queue;

pub(crate) type Answer<T> = oneshot::Sender<Result<T, CommitError>>;
pub(crate) type Submit = Arc<Queue<Job>>;

/// Room for a record's length before it.
pub(crate) const RECORD_FRAMING_MAX: usize = 5;

/// What the committer is asked to do.
pub(crate) enum Job {
    /// Commit a transaction.
    Commit { prepared: Prepared, done: Answer<Committed> },
    /// Log the begin of a checkpoint and hand out the state that it has to write.
    BeginCheckpoint { done: Answer<Pinned> },
    /// Log the end of a checkpoint; answers the end of its frame.
    EndCheckpoint { end: Box<CheckpointEnd>, done: Answer<Lsn> },
    /// Move values, given as entry and value, to the end of the log; answers how many were.
    Relocate { moves: Vec<Move>, done: Answer<usize> },
    /// Give back log segments that nothing needs, and answer which are gone.
    Recycle { needed_from: Lsn, live: LiveBytes, done: Answer<Vec<u64>> },
}

/// A value to be moved.
pub(crate) struct Move {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) entry: IndexEntry,
    pub(crate) value: Vec<u8>,
}

/// The state that a checkpoint writes.
pub(crate) struct Pinned {
    /// LSN of the begin record.
    pub(crate) begin: Lsn,
    pub(crate) state: Arc<State>,
    pub(crate) live: LiveBytes,
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
    pub(crate) key: Key,
    pub(crate) hash: KeyHash,
    /// The value with its leaf digest, or `None` for a deletion.
    pub(crate) value: Option<(Vec<u8>, Digest)>,
}

/// A transaction as it is handed to the committer.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) reads: ReadSet,
    pub(crate) drops: Vec<KeyspaceId>,
    pub(crate) creates: Vec<(KeyspaceId, Class)>,
    pub(crate) writes: Vec<Write>,
}
