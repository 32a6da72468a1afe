//! Applies batches: data and cursor in one transaction, then the keyring, then the guards.

use std::sync::Arc;

use strongroom_storage::{CommitError, Digest, Lsn};

use super::batch::Batch;
use super::guard::{Diverged, Guards};
use crate::barrier::{Keyring, KeyringError, ViewError};
use crate::cluster::FORMER_KEYS_KEY;
use crate::keyspace::NODE;
use crate::replication::context::ReplicationContext;
use crate::replication::state::{CURSOR_KEY, Cursor};

/// Why a batch was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// The data is not what the primary has; reconcile.
    #[error(transparent)]
    Diverged(#[from] Diverged),
    /// The change does not fit what is here, or into one transaction; reconcile.
    #[error("a change of the primary cannot be applied here: {0}")]
    Misfit(CommitError),
    /// The store did not take it; try again later.
    #[error(transparent)]
    Commit(CommitError),
    /// The cursor could not be sealed.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The replicated keyring does not open with this cluster's root key.
    #[error("the replicated keyring cannot be used: {0}")]
    Keyring(#[from] KeyringError),
    /// The barrier did not take it.
    #[error(transparent)]
    Barrier(#[from] crate::barrier::BarrierError),
}

impl From<CommitError> for ApplyError {
    fn from(e: CommitError) -> Self {
        match e {
            CommitError::UnknownKeyspace | CommitError::TooLarge(_) => Self::Misfit(e),
            other => Self::Commit(other),
        }
    }
}

/// Writes a batch, with the cursor if it moves; durable when it answers. A keyring in the batch is in
/// use before anything that comes after it can be read.
pub(crate) async fn write(
    context: &ReplicationContext,
    batch: Batch,
    cursor: Option<&Cursor>,
) -> Result<(), ApplyError> {
    let keyring = batch.keyring().map(|stored| Keyring::open(stored, &context.root_key));
    let keyring = keyring.transpose()?;
    let mut session = context.session();
    let existing = if batch.touches_keyspaces() { context.store.keyspaces() } else { Vec::new() };
    batch.write(session.txn(), &existing);
    if let Some(cursor) = cursor {
        session.view(NODE).put_json(CURSOR_KEY, cursor)?;
    }
    if let Some(lost) = keyring.as_ref().and_then(|ring| context.barrier.lost_by(ring)) {
        tracing::warn!(
            "the primary's keyring lacks terms that this secondary has: it was restored from before \
             a rotation. What is this cluster's own stays readable"
        );
        let sealed = lost.seal(&context.root_key)?;
        session.txn().put(NODE, FORMER_KEYS_KEY.as_bytes(), sealed);
    }
    session.into_txn().commit().await?;
    if let Some(ring) = keyring {
        context.barrier.replace_keyring(ring)?;
    }
    Ok(())
}

/// As [`write()`], in as many transactions as it takes; the cursor goes with the last one.
pub(crate) async fn write_in_parts(
    context: &ReplicationContext,
    batch: Batch,
    cursor: Option<&Cursor>,
) -> Result<(), ApplyError> {
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        let cursor = cursor.filter(|_| parts.is_empty());
        match write(context, part.clone(), cursor).await {
            Ok(()) => {}
            Err(ApplyError::Misfit(e @ CommitError::TooLarge(_))) => {
                let (first, second) = part.split().ok_or(ApplyError::Misfit(e))?;
                parts.push(second);
                parts.push(first);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Follows a stream.
pub(crate) struct Applier {
    context: Arc<ReplicationContext>,
    /// As it is stored.
    stored: Cursor,
    /// Everything of the primary up to there is here.
    complete_to: Lsn,
    guards: Guards,
}

/// A stored cursor may be this far behind while nothing replicated changes, bytes of the primary's
/// log; beyond it is stored alone, so that a restart finds the log still kept.
const CURSOR_LAG: u64 = 4 << 20;

impl Applier {
    /// Goes on from a cursor.
    pub(crate) fn new(context: &Arc<ReplicationContext>, cursor: Cursor) -> Self {
        Self {
            context: Arc::clone(context),
            stored: cursor,
            complete_to: cursor.lsn,
            guards: Guards::new(cursor.lsn, context.root()),
        }
    }

    /// Everything of the primary up to there is here.
    pub(crate) fn complete_to(&self) -> Lsn {
        self.complete_to
    }

    /// Holds a promise of the primary against the data here.
    pub(crate) fn check(&self, promise: (Lsn, Digest)) -> Result<(), ApplyError> {
        Ok(self.guards.check(promise, self.complete_to)?)
    }

    /// Applies changes that end at `end`.
    pub(crate) async fn apply(&mut self, batch: Batch, end: Lsn) -> Result<(), ApplyError> {
        let cursor = Cursor { lsn: end, root: None, ..self.stored };
        write(&self.context, batch, Some(&cursor)).await?;
        self.stored = cursor;
        self.complete_to = end;
        self.guards.push(end, self.context.root());
        Ok(())
    }

    /// The primary has nothing more up to `end`, and this root there.
    pub(crate) async fn level(&mut self, end: Lsn, root: Digest) -> Result<(), ApplyError> {
        self.complete_to = self.complete_to.max(end);
        self.check((end, root))?;
        if self.complete_to.0 - self.stored.lsn.0 > CURSOR_LAG {
            self.store_cursor().await?;
        }
        Ok(())
    }

    /// Stores how far this secondary is, if that is not stored yet.
    pub(crate) async fn store_cursor(&mut self) -> Result<(), ApplyError> {
        if self.stored.lsn != self.complete_to {
            let cursor = Cursor { lsn: self.complete_to, root: None, ..self.stored };
            write(&self.context, Batch::default(), Some(&cursor)).await?;
            self.stored = cursor;
        }
        Ok(())
    }
}
