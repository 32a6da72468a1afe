//! Brings this secondary level by the Merkle index, against a snapshot that the primary pins.
//!
//! First what differs is found out, then the differing entries are fetched and written: all of it in
//! one transaction if it fits into one, so that no reader sees half; if not, the shared configuration
//! comes last.
//! Success is the root, nothing else.

use strongroom_merkle::KeyHash;
use strongroom_merkle::reconcile::{Differences, KeyspaceDiff, ReconcileError};
use strongroom_storage::{Class, Digest, KeyspaceId, Lsn, ReadError, Snapshot};
use tokio::task::{JoinError, spawn_blocking};

use super::Secondary;
use super::apply::{self, ApplyError};
use super::batch::Batch;
use super::connect::{ConnectError, Welcome};
use super::differ;
use super::fetch::{Intake, Wanted};
use super::standing::Phase;
use crate::barrier::ViewError;
use crate::cluster::KEYRING_KEY;
use crate::keyspace::CORE;
use crate::replication::state::{CURSOR_KEY, Cursor};
use crate::replication::wire::{
    Connection, Message, Op, Purpose, SNAPSHOT_PATIENCE, TransportError,
};

/// Entries looked up at once.
const LOOK_UP_MAX: usize = 1024;

/// Why a reconciliation failed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the primary ended the reconciliation: {0}")]
    Refused(String),
    #[error("the primary broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("comparing with the primary: {0}")]
    Differ(#[from] ReconcileError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("an entry cannot be read: {0}")]
    Read(#[from] ReadError),
    #[error("the replication cursor cannot be read: {0}")]
    Cursor(#[from] ViewError),
    #[error("a task failed: {0}")]
    Task(#[from] JoinError),
    #[error("no randomness from the operating system")]
    Random,
    /// Everything was fetched, and yet the roots differ.
    #[error("the root differs from the primary's after a reconciliation up to position {at}")]
    StillDiffers {
        /// The snapshot's.
        at: u64,
    },
}

/// What the primary pinned.
struct Pinned {
    lsn: Lsn,
    root: Digest,
}

/// Reconciles. Answers the cursor to stream from, and the connection that pins the primary's log.
pub(crate) async fn run(secondary: &Secondary) -> Result<(Cursor, Connection), SyncError> {
    let (mut connection, welcome) = secondary.link.connect(Purpose::Reconcile).await?;
    connection.reader.be_patient(SNAPSHOT_PATIENCE);
    let pinned = match connection.reader.next().await? {
        Message::Snapshot { lsn, root } => Pinned { lsn, root },
        Message::Refused { text, .. } => return Err(SyncError::Refused(text)),
        _ => return Err(SyncError::Protocol("no snapshot")),
    };
    secondary.note(|s| s.enter(Phase::Diff));
    let here = secondary.context.store.snapshot();
    let differences = differ::run(&mut connection, &here).await?;
    secondary.note(|s| s.enter(Phase::Sync));
    let cursor = cursor_of(welcome, &pinned);
    let intake = Intake::new(secondary, differ::total(&differences));
    Sync { intake, connection: &mut connection, here }.apply(&differences, &cursor).await?;
    let root = secondary.context.root();
    if root != pinned.root {
        return Err(SyncError::StillDiffers { at: pinned.lsn.0 });
    }
    // A first copy is only marked as one now that it is known to be whole.
    let stored: Option<Cursor> = secondary.context.node_entry(CURSOR_KEY)?;
    if stored != Some(cursor) {
        apply::write(&secondary.context, Batch::default(), Some(&cursor)).await?;
    }
    Ok((cursor, connection))
}

fn cursor_of(welcome: Welcome, pinned: &Pinned) -> Cursor {
    Cursor {
        log_id: welcome.log_id,
        lsn: pinned.lsn,
        epoch: welcome.epoch,
        root: Some(pinned.root),
    }
}

struct Sync<'a> {
    intake: Intake<'a>,
    connection: &'a mut Connection,
    here: Snapshot,
}

impl Sync<'_> {
    async fn apply(&mut self, differences: &Differences, cursor: &Cursor) -> Result<(), SyncError> {
        let Differences { keyspaces, missing_here, extra_here } = differences;
        self.keyring_first(differences).await?;
        for id in missing_here {
            self.intake.batch.push(Op::CreateKeyspace(KeyspaceId(*id)));
        }
        for core in [false, true] {
            let now = |id: &[u8; 16]| (*id == CORE.0) == core;
            let missing = missing_here.iter().filter(|id| now(id)).map(|id| Wanted::all(*id));
            let differing = || keyspaces.iter().filter(|(id, _)| now(id));
            let changed = differing().flat_map(|(id, diff)| Wanted::some(*id, &diff.fetch));
            self.intake.fetch(self.connection, missing.chain(changed)).await?;
            for (id, diff) in differing() {
                self.delete(KeyspaceId(*id), diff).await?;
            }
        }
        for id in extra_here {
            self.intake.batch.push(Op::DropKeyspace(KeyspaceId(*id)));
        }
        self.intake.write_rest(cursor).await
    }

    /// A keyring that differs is written and taken into use before any value that may need it. What is
    /// here stays readable: it only ever gains terms, and keys that it lacks all the same are kept.
    async fn keyring_first(&mut self, differences: &Differences) -> Result<(), SyncError> {
        let hash = KeyHash::of(KEYRING_KEY.as_bytes());
        let differs = differences.keyspaces.get(&CORE.0).is_some_and(|d| d.fetch.contains(&hash));
        if differs {
            self.intake.fetch(self.connection, Wanted::some(CORE.0, &[hash])).await?;
            self.intake.write().await?;
        }
        Ok(())
    }

    /// Deletes by hash; the keys are looked up in the snapshot that was compared.
    async fn delete(&mut self, keyspace: KeyspaceId, diff: &KeyspaceDiff) -> Result<(), SyncError> {
        for some in diff.delete.chunks(LOOK_UP_MAX) {
            let (here, some) = (self.here.clone(), some.to_vec());
            let keys = spawn_blocking(move || {
                let key = |hash| here.get_by_hash(keyspace, hash).map(|e| e.map(|(key, _)| key));
                some.iter().filter_map(|hash| key(hash).transpose()).collect::<Result<Vec<_>, _>>()
            })
            .await??;
            for key in keys {
                self.intake.batch.push(Op::Delete { keyspace, key });
            }
            self.intake.write_if_full().await?;
        }
        Ok(())
    }
}

/// The replicated keyspaces of a snapshot.
pub(crate) fn replicated(snapshot: &Snapshot) -> Vec<KeyspaceId> {
    let keyspaces = snapshot.keyspaces().into_iter();
    keyspaces.filter(|(_, class)| *class == Class::Replicated).map(|(id, _)| id).collect()
}
