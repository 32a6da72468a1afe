//! Brings this secondary level by the Merkle index, against a snapshot that the primary pins.
//!
//! First what differs is found out, then the differing entries are fetched and written: all of it in
//! one transaction if it fits into one, so that no reader sees half; if not, the shared configuration
//! comes last.
//! Success is the root, nothing else.

use std::collections::BTreeMap;

use strongroom_merkle::KeyHash;
use strongroom_merkle::reconcile::{Differences, ReconcileError};
use strongroom_storage::{Class, Digest, KeyspaceId, Lsn, ReadError, Snapshot};
use tokio::task::{JoinError, spawn_blocking};

use super::Secondary;
use super::apply::{self, ApplyError};
use super::batch::Batch;
use super::connect::{ConnectError, Welcome};
use super::differ;
use super::standing::Phase;
use crate::barrier::ViewError;
use crate::cluster::KEYRING_KEY;
use crate::keyspace::CORE;
use crate::replication::state::{CURSOR_KEY, Cursor};
use crate::replication::wire::{
    Connection, Fetched, Message, Op, Purpose, SNAPSHOT_PATIENCE, TransportError,
};

/// Differences up to this are written in one transaction, bytes; a transaction must fit a frame of
/// the log.
const TOGETHER_MAX: usize = 32 << 20;
/// While nobody reads yet, transactions are of this size, bytes.
const CHUNK: usize = 4 << 20;
/// Entries asked for at once.
const FETCH_MAX: usize = 1024;

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
    let mut sync = Sync {
        secondary,
        connection: &mut connection,
        here,
        reading: secondary.ready(),
        batch: Batch::default(),
        done: 0,
        total: differ::total(&differences),
    };
    sync.apply(&differences, &cursor).await?;
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
    secondary: &'a Secondary,
    connection: &'a mut Connection,
    here: Snapshot,
    /// Somebody may be reading: show nothing half.
    reading: bool,
    batch: Batch,
    done: u64,
    total: u64,
}

impl Sync<'_> {
    async fn apply(&mut self, differences: &Differences, cursor: &Cursor) -> Result<(), SyncError> {
        self.keyring_first(differences).await?;
        for id in &differences.missing_here {
            self.batch.push(Op::CreateKeyspace(KeyspaceId(*id)));
        }
        for id in differences.missing_here.iter().filter(|id| **id != CORE.0) {
            self.fetch_all(KeyspaceId(*id)).await?;
        }
        let (core, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            differences.keyspaces.iter().partition(|(id, _)| **id == CORE.0);
        for (id, diff) in others.into_iter().chain(core) {
            let keyspace = KeyspaceId(*id);
            self.fetch(keyspace, &diff.fetch).await?;
            self.delete(keyspace, &diff.delete).await?;
        }
        if differences.missing_here.contains(&CORE.0) {
            self.fetch_all(CORE).await?;
        }
        for id in &differences.extra_here {
            self.batch.push(Op::DropKeyspace(KeyspaceId(*id)));
        }
        // Without a reader the cursor waits for the root to be checked.
        let cursor = self.reading.then_some(cursor);
        let batch = std::mem::take(&mut self.batch);
        if batch.ops() > 0 || cursor.is_some() {
            apply::write_in_parts(&self.secondary.context, batch, cursor).await?;
        }
        Ok(())
    }

    /// A keyring that differs is written and taken into use before any value that may need it. What is
    /// here stays readable: it only ever gains terms, and keys that it lacks all the same are kept.
    async fn keyring_first(&mut self, differences: &Differences) -> Result<(), SyncError> {
        let hash = KeyHash::of(KEYRING_KEY.as_bytes());
        let differs = differences.keyspaces.get(&CORE.0).is_some_and(|d| d.fetch.contains(&hash));
        if differs {
            self.fetch(CORE, &[hash]).await?;
            let batch = std::mem::take(&mut self.batch);
            apply::write_in_parts(&self.secondary.context, batch, None).await?;
        }
        Ok(())
    }

    async fn fetch(&mut self, keyspace: KeyspaceId, hashes: &[KeyHash]) -> Result<(), SyncError> {
        for some in hashes.chunks(FETCH_MAX) {
            let hashes = some.to_vec();
            self.connection.writer.send(&Message::Fetch { keyspace, hashes }).await?;
            let fetched = self.values(keyspace).await?;
            if fetched != some.len() {
                return Err(SyncError::Protocol("not the entries that were asked for"));
            }
        }
        Ok(())
    }

    async fn fetch_all(&mut self, keyspace: KeyspaceId) -> Result<(), SyncError> {
        self.connection.writer.send(&Message::FetchAll { keyspace }).await?;
        self.values(keyspace).await?;
        Ok(())
    }

    /// Takes values in until the last; answers how many.
    async fn values(&mut self, keyspace: KeyspaceId) -> Result<usize, SyncError> {
        let mut n = 0;
        loop {
            let (entries, last) = match self.connection.reader.next().await? {
                Message::Values { entries, last } => (entries, last),
                Message::Refused { text, .. } => return Err(SyncError::Refused(text)),
                _ => return Err(SyncError::Protocol("no values")),
            };
            n += entries.len();
            self.done += entries.len() as u64;
            for Fetched { hash, entry } in entries {
                let (key, value) = entry.ok_or(SyncError::Protocol("an entry is missing"))?;
                if KeyHash::of(&key) != hash {
                    return Err(SyncError::Protocol("an entry under a wrong hash"));
                }
                self.batch.push(Op::Put { keyspace, key, value });
            }
            let progress = (self.done, self.total.max(self.done));
            self.secondary.note(|s| s.sync = Some(progress));
            self.write_if_full().await?;
            if last {
                return Ok(n);
            }
        }
    }

    async fn write_if_full(&mut self) -> Result<(), SyncError> {
        let limit = if self.reading { TOGETHER_MAX } else { CHUNK };
        if self.batch.weight() >= limit {
            if self.reading {
                tracing::warn!(
                    "replication: more than {TOGETHER_MAX} bytes differ; written in several steps"
                );
            }
            let batch = std::mem::take(&mut self.batch);
            apply::write_in_parts(&self.secondary.context, batch, None).await?;
        }
        Ok(())
    }

    /// Deletes by hash; the keys are looked up in the snapshot that was compared.
    async fn delete(&mut self, keyspace: KeyspaceId, hashes: &[KeyHash]) -> Result<(), SyncError> {
        for some in hashes.chunks(FETCH_MAX) {
            let (here, some) = (self.here.clone(), some.to_vec());
            let keys = spawn_blocking(move || {
                let key = |hash| here.get_by_hash(keyspace, hash).map(|e| e.map(|(key, _)| key));
                some.iter().filter_map(|hash| key(hash).transpose()).collect::<Result<Vec<_>, _>>()
            })
            .await??;
            for key in keys {
                self.batch.push(Op::Delete { keyspace, key });
            }
            self.write_if_full().await?;
        }
        Ok(())
    }
}

/// The replicated keyspaces of a snapshot.
pub(crate) fn replicated(snapshot: &Snapshot) -> Vec<KeyspaceId> {
    let keyspaces = snapshot.keyspaces().into_iter();
    keyspaces.filter(|(_, class)| *class == Class::Replicated).map(|(id, _)| id).collect()
}
