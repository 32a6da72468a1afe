//! Errors, one enum per family of operations.

use strongroom_wal::Lsn;

/// A value could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The device failed. The entry may be readable later, or from a backup or another cluster.
    #[error("cannot read the value at {at}: {cause}")]
    Io {
        /// Position of the value.
        at: Lsn,
        /// What the device said.
        cause: String,
    },
    /// The state that is read is older than what the log is kept for, and what it has there was given
    /// back. Begin again on a newer one; see `Options::snapshot_bytes`.
    #[error(
        "this state is read for too long: the log is no longer kept for it at {at}; begin again"
    )]
    Behind {
        /// Position of the value.
        at: Lsn,
    },
    /// A page of the index could not be read. Restart from the log, or from a backup.
    #[error("{cause}")]
    Page {
        /// Which, and why.
        cause: String,
    },
    /// The bytes are not the ones that were written: rot. They are not served.
    #[error("the value at {at} does not match its digest; restore it from a backup or a secondary")]
    Corrupt {
        /// Position of the value.
        at: Lsn,
    },
}

/// A transaction did not commit. Nothing of it is visible or ever will be, but for `Failed`.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Another transaction changed what this one had read; run it again.
    #[error("another transaction changed what this one read; run it again")]
    Conflict,
    /// It writes to a keyspace that does not exist (any more), or creates one that does.
    #[error("the keyspace does not exist, or exists already")]
    UnknownKeyspace,
    /// More than the log takes in one transaction; split it.
    #[error("the transaction is too large: {0} bytes")]
    TooLarge(usize),
    /// The transaction was rolled back to before this savepoint, or it is another transaction's.
    /// Nothing was changed, and the transaction goes on: the mistake is its caller's.
    #[error("the savepoint is void: it was rolled back past, or is another transaction's")]
    VoidSavepoint,
    /// The index or the log could not be read; nothing of the transaction was committed.
    #[error("cannot commit: {0}")]
    Unreadable(String),
    /// The device is full; the store goes on as soon as there is room.
    #[error("no space left on the device")]
    NoSpace,
    /// A durable write failed earlier or just now. This transaction may or may not be there after a
    /// restart; the store accepts no more writes.
    #[error("the store has failed and accepts no writes until it is restarted: {0}")]
    Failed(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process (or this one) has it open.
    #[error("the store is in use by another server")]
    InUse,
    /// A backup was being restored to the folder; restore again, or empty it.
    #[error("a restore to this folder was interrupted; restore the backup again, or empty it")]
    Restoring,
    /// The device failed.
    #[error("cannot {what}: {cause}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the device said.
        cause: std::io::Error,
    },
    /// The log is damaged below what was acknowledged, or unreadable.
    #[error(transparent)]
    Log(#[from] strongroom_wal::LogError),
    /// The log could not be read while recovering.
    #[error(transparent)]
    LogRead(#[from] strongroom_wal::ReadError),
    /// A file other than the log is damaged.
    #[error("{file} is damaged: {why}")]
    Damaged {
        /// Which.
        file: String,
        /// How.
        why: &'static str,
    },
    /// A record in the log is not understood.
    #[error("log record at {at}: {cause}")]
    Record {
        /// Where.
        at: Lsn,
        /// Why.
        cause: strongroom_aries::RecordError,
    },
    /// Undo found a broken chain.
    #[error(transparent)]
    Undo(#[from] strongroom_aries::UndoError),
    /// Recovery failed, as was told before.
    #[error("{0}")]
    Failed(String),
    /// Recovery did not arrive at a root that the log promises.
    #[error("recovered state at {at} does not have the promised root")]
    RootMismatch {
        /// Position of the promise.
        at: Lsn,
    },
}

impl OpenError {
    /// For `map_err` on disk calls.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| OpenError::Io { what, cause }
    }
}

/// A checkpoint was not completed. The store goes on; its log grows until one is.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The device failed.
    #[error("checkpoint: cannot {what}: {cause}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the device said.
        cause: String,
    },
    /// The checkpoint's records could not be logged.
    #[error("checkpoint: {0}")]
    Commit(#[from] CommitError),
}

impl CheckpointError {
    /// For `map_err` on disk calls.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |cause| CheckpointError::Io { what, cause: cause.to_string() }
    }
}

/// A change stream cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ChangesError {
    /// The reader wants what the log no longer keeps; reconcile.
    #[error("the log is kept from {oldest} only")]
    Behind {
        /// First position that can still be read.
        oldest: Lsn,
    },
    /// The reader knows of more than this log has; it followed another log.
    #[error("the log ends at {position}")]
    Ahead {
        /// End of the log.
        position: Lsn,
    },
    /// The log could not be read.
    #[error("the log cannot be read at {at}: {cause}")]
    Read {
        /// Where.
        at: Lsn,
        /// Why.
        cause: String,
    },
}
