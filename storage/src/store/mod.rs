//! The store: reading, beginning transactions, figures, and the end.

mod open;

use std::sync::{Arc, Mutex};

use strongroom_merkle::{Digest, KeyHash};
use strongroom_wal::Lsn;
use strongroom_wal::disk::DurableReport;
use tokio::sync::watch;

use crate::budget::Budget;
use crate::changes::ChangeReader;
use crate::checkpoint::Checkpointer;
use crate::cleaner::Effort;
use crate::directory::Directory;
use crate::error::{ChangesError, CheckpointError, ReadError};
use crate::id::{Class, Entry, KeyspaceId, Published, Version};
use crate::index::Slot;
use crate::opening::Opening;
use crate::retention::LogNeed;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::sync::lock;
use crate::threads::Threads;
use crate::txn::{Access, Txn};

/// An open store. Clones are the same store; the last one dropped stops its threads, without the
/// checkpoint that [`Store::close`] makes (recovery does the rest).
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    access: Arc<Access>,
    checkpointer: Arc<Mutex<Checkpointer>>,
    budget: Arc<Budget>,
    threads: Threads,
    log_id: [u8; 16],
    opening: Arc<Opening>,
    /// Held as long as the store is open.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Store {
    /// What is shared, once the store is whole. A store that failed to recover shows what its last
    /// checkpoint had, and commits nothing.
    fn shared(&self) -> &Arc<Shared> {
        self.inner.opening.wait();
        &self.inner.access.shared
    }

    /// Begins a transaction, on the state that is published when it first reads.
    pub fn begin(&self) -> Txn {
        self.inner.opening.wait();
        Txn::new(Arc::clone(&self.inner.access))
    }

    /// The latest committed value.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Entry>, ReadError> {
        let (shared, values) = (&self.inner.access.shared, &self.inner.access.values);
        if let Some(tail) = &*shared.tail() {
            let state = shared.state();
            let said =
                state.keyspaces.get(&keyspace).and_then(|k| tail.get(k.handle, &KeyHash::of(key)));
            if let Some(said) = said {
                let entry = |slot: Slot| {
                    Ok(Entry { value: values.read_checked(slot)?, version: slot.version() })
                };
                return said.map(entry).transpose();
            }
        }
        // Held to the end: what it needs of the log is kept as long.
        let state = shared.glance();
        let Some(entry) = values.entry(&state, keyspace, key)? else { return Ok(None) };
        Ok(Some(Entry { value: values.read(key, &entry)?, version: entry.slot.version() }))
    }

    /// The latest committed version. Touches no value.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn version(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Version>, ReadError> {
        let entry = self.inner.access.values.entry(&self.shared().glance(), keyspace, key)?;
        Ok(entry.map(|entry| entry.slot.version()))
    }

    /// Names one level below `prefix` (folders with a trailing slash), in order, strictly after
    /// `after`, at most `limit`.
    pub fn list(
        &self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        self.directory(keyspace).map(|d| d.list(prefix, after, limit)).unwrap_or_default()
    }

    /// Keys that start with `prefix`, in order, strictly after `after`, at most `limit`.
    pub fn scan(
        &self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        self.directory(keyspace).map(|d| d.scan(prefix, after, limit)).unwrap_or_default()
    }

    /// The names of a keyspace: they are known before history is repeated.
    fn directory(&self, keyspace: KeyspaceId) -> Option<Directory> {
        let shared = &self.inner.access.shared;
        if let Some(tail) = &*shared.tail() {
            let handle = shared.state().keyspaces.get(&keyspace).map(|k| k.handle);
            if let Some(names) = handle.and_then(|handle| tail.names(handle)) {
                return Some(names);
            }
        }
        let state = self.shared().state();
        state.keyspaces.get(&keyspace).map(|k| k.directory.clone())
    }

    /// All keyspaces, by id.
    pub fn keyspaces(&self) -> Vec<(KeyspaceId, Class)> {
        let state = self.shared().state();
        state.keyspaces.iter().map(|(id, k)| (*id, k.class)).collect()
    }

    /// Root over all keyspaces of a class.
    pub fn root(&self, class: Class) -> Digest {
        self.shared().state().root(class)
    }

    /// Name of this store's log. Positions mean something only together with it.
    pub fn log_id(&self) -> [u8; 16] {
        self.inner.log_id
    }

    /// Position up to which everything is visible.
    pub fn position(&self) -> Lsn {
        self.shared().state().lsn
    }

    /// Position and root after every frame; a slow receiver sees the latest only.
    pub fn watch(&self) -> watch::Receiver<Published> {
        self.shared().watch()
    }

    /// Pins the state published now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared().state(), self.inner.access.values.clone())
    }

    /// The change stream from a position that this store handed out.
    ///
    /// # Errors
    /// [`ChangesError::Behind`] past the bound, [`ChangesError::Ahead`] past the end.
    pub fn changes(&self, from: Lsn) -> Result<ChangeReader, ChangesError> {
        let shared = self.shared();
        let bound = shared.retention.streams_from(shared.state().lsn);
        // A snapshot that is held keeps the stream from its own position.
        let oldest = bound.min(shared.oldest_read());
        ChangeReader::new(Arc::clone(shared), from, oldest)
    }

    /// `Err` with the cause once a durable write has failed: nothing is acknowledged any more.
    ///
    /// # Errors
    /// The cause, for people.
    pub fn health(&self) -> Result<(), String> {
        self.shared().failure().map_or(Ok(()), Err)
    }

    /// Why the last checkpoint failed, for people; `None` once one was completed. The store goes on and
    /// tries again when the log has grown by as much again.
    pub fn checkpoint_failure(&self) -> Option<String> {
        self.shared().checkpoint_failure()
    }

    /// How the log is written durably, and how fast each method was that works here; `None` on a disk
    /// that has no choice.
    pub fn durable_report(&self) -> Option<DurableReport> {
        self.shared().log.durable_report()
    }

    /// Figures for operators. Counting keys is cheap.
    pub fn stats(&self) -> Stats {
        Stats::of(self.shared(), &self.inner.budget, self.inner.opening.report())
    }

    /// Who keeps how much of the log from being given back, each by name and bound.
    pub fn log_needs(&self) -> Vec<LogNeed> {
        self.shared().log_needs()
    }

    /// Makes a checkpoint now; blocks until it is durable.
    ///
    /// # Errors
    /// See [`CheckpointError`]; the store goes on.
    pub fn checkpoint(&self) -> Result<Lsn, CheckpointError> {
        let _hurry = self.inner.budget.hurry();
        lock(&self.inner.checkpointer).run(Effort::Busy)
    }

    /// Makes a checkpoint and stops. Transactions still queued are committed; later ones answer
    /// `Closed`. Reads go on. The folder is free for another owner afterwards.
    ///
    /// # Errors
    /// See [`CheckpointError`]; the store is stopped all the same, recovery will take longer.
    pub fn close(&self) -> Result<(), CheckpointError> {
        let checkpointed = self.checkpoint().map(|_| ());
        self.inner.threads.stop();
        lock(&self.inner.lock).take();
        checkpointed
    }
}
