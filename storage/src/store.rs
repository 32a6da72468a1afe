//! The store: opening, reading, and the threads behind it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use strongroom_merkle::{Digest, KeyHash};
use strongroom_wal::Lsn;
use strongroom_wal::disk::{Disk, SysDisk};
use tokio::sync::watch;

use crate::budget::Budget;
use crate::changes::ChangeReader;
use crate::checkpoint::Checkpointer;
use crate::cleaner::Effort;
use crate::commit::Desk;
use crate::commit::job::Submit;
use crate::error::{ChangesError, CheckpointError, OpenError, ReadError};
use crate::folder;
use crate::id::{Class, Entry, KeyspaceId, Published, Version};
use crate::index::Slot;
use crate::master;
use crate::opening::Opening;
use crate::options::Options;
use crate::pages::{PageFiles, Pool};
use crate::recovering::Recovering;
use crate::recovery::Restart;
use crate::shared::{Shared, lock};
use crate::signal::Signal;
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::threads::{self, Threads};
use crate::txn::{Access, Txn};
use crate::values::Values;

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
    retention_bytes: u64,
    opening: Arc<Opening>,
    /// Held as long as the store is open.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Store {
    /// Opens the store in a folder, or makes one there. It is whole when this returns: history is
    /// repeated and the promised roots were arrived at.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_on(&disk_at(dir)?, options)
    }

    /// As [`Store::open`], but returns as soon as values can be read with [`Store::get`]: the
    /// checkpoint's map and the end of the log were read, the rest goes on behind. Everything else
    /// waits for it; see [`Store::wait_recovered`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_serving(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let disk = disk_at(dir)?;
        let lock = folder::take_lock(&disk)?;
        folder::check_restored(&disk)?;
        Self::begin_open(&disk, options, lock, true)
    }

    /// Waits until history is repeated and the promised roots were arrived at.
    ///
    /// # Errors
    /// See [`OpenError`]: the store is not to be used then, nothing more is answered.
    pub fn wait_recovered(&self) -> Result<(), OpenError> {
        self.inner.opening.result()
    }

    /// Opens the store on a disk, or makes one there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(disk: &Arc<dyn Disk>, options: Options) -> Result<Self, OpenError> {
        let lock = folder::take_lock(disk)?;
        folder::check_restored(disk)?;
        Self::open_locked(disk, options, lock)
    }

    /// As [`Store::open_on`], with the lock held and though a restore may be under way.
    pub(crate) fn open_locked(
        disk: &Arc<dyn Disk>,
        options: Options,
        lock: Box<dyn Send + Sync>,
    ) -> Result<Self, OpenError> {
        let store = Self::begin_open(disk, options, lock, false)?;
        store.wait_recovered()?;
        Ok(store)
    }

    /// Takes on the last checkpoint and starts the threads, of which the committer's recovers.
    fn begin_open(
        disk: &Arc<dyn Disk>,
        options: Options,
        lock: Box<dyn Send + Sync>,
        serving: bool,
    ) -> Result<Self, OpenError> {
        let (log, master) = match master::read(disk)? {
            Some(master) => (folder::open_log(disk, &master)?, master),
            None => folder::create(disk, options)?,
        };
        let reader = log.reader();
        let files = PageFiles::new(Arc::clone(disk)).map_err(OpenError::io("list the folder"))?;
        let pool = Arc::new(Pool::new(files, reader.clone(), options.pool_pages));
        let (restart, tail) = if serving {
            Restart::begin_serving(&pool, &reader, &master)?
        } else {
            (Restart::begin(&pool, &reader, &master)?, None)
        };
        let readable = tail.is_some();
        let (state, catalog) = restart.checkpointed();
        let shared = Shared::new(Arc::new(state), catalog, reader.clone(), Arc::clone(&pool));
        let shared = Arc::new(shared);
        shared.counters.checkpoint_lsn.store(master.checkpoint.0, Ordering::Relaxed);
        let opening = Arc::new(Opening::default());
        shared.set_tail(tail);
        let submit: Submit = Desk::new();
        let signal = Arc::new(Signal::new(options.compact_after));
        let budget = Arc::new(Budget::new(Arc::clone(&signal)));
        let checkpointer = Arc::new(Mutex::new(Checkpointer::new(
            Arc::clone(disk),
            Arc::clone(&shared),
            Arc::clone(&submit),
            Arc::clone(&budget),
            master,
            restart.durable(),
            options.retention_bytes,
        )));
        let recovering = Recovering {
            restart,
            log,
            shared: Arc::clone(&shared),
            opening: Arc::clone(&opening),
            desk: Arc::clone(&submit),
            logged: threads::listener(&signal, options.checkpoint_every, &pool),
        };
        let threads = Threads::start(
            signal,
            Arc::clone(&submit),
            move || recovering.finish(),
            Arc::clone(&checkpointer),
            (Arc::clone(&shared), Arc::clone(&opening)),
        )
        .map_err(OpenError::io("start a thread"))?;
        let inner = Inner {
            access: Arc::new(Access { shared, values: Values::new(reader, pool), submit }),
            checkpointer,
            budget,
            threads,
            log_id: master.log_id,
            retention_bytes: options.retention_bytes,
            opening,
            lock: Mutex::new(Some(lock)),
        };
        let store = Self { inner: Arc::new(inner) };
        if serving && !readable {
            store.wait_recovered()?;
        }
        Ok(store)
    }

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
        let state = self.shared().state();
        state
            .keyspaces
            .get(&keyspace)
            .map(|k| k.directory.list(prefix, after, limit))
            .unwrap_or_default()
    }

    /// Keys that start with `prefix`, in order, strictly after `after`, at most `limit`.
    pub fn scan(
        &self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        let state = self.shared().state();
        let Some(k) = state.keyspaces.get(&keyspace) else { return Vec::new() };
        k.directory.scan(prefix, after, limit)
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
        let bound = shared.state().lsn.0.saturating_sub(self.inner.retention_bytes);
        // A snapshot that is held keeps the stream from its own position.
        let oldest = Lsn(bound).min(shared.oldest_read());
        ChangeReader::new(Arc::clone(shared), from, oldest)
    }

    /// `Err` with the cause once a durable write has failed: nothing is acknowledged any more.
    ///
    /// # Errors
    /// The cause, for people.
    pub fn health(&self) -> Result<(), String> {
        self.shared().failure().map_or(Ok(()), Err)
    }

    /// Figures for operators. Counting keys is cheap.
    pub fn stats(&self) -> Stats {
        Stats::of(self.shared(), &self.inner.budget, self.inner.opening.report())
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

fn disk_at(dir: &Path) -> Result<Arc<dyn Disk>, OpenError> {
    let disk = SysDisk::open(dir).map_err(OpenError::io("open the folder"))?;
    Ok(Arc::new(disk))
}
