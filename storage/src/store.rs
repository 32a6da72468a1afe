//! The store: opening, reading, and the threads behind it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use strongroom_merkle::Digest;
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, Lsn};
use tokio::sync::watch;

use crate::changes::ChangeReader;
use crate::checkpoint::Checkpointer;
use crate::cleaner::Effort;
use crate::commit::job::Submit;
use crate::commit::{Active, Committer, Queue, Start};
use crate::error::{ChangesError, CheckpointError, OpenError, ReadError};
use crate::folder;
use crate::id::{Class, Entry, KeyspaceId, Published, Version};
use crate::master::{self, Master};
use crate::options::Options;
use crate::pages::{PageFiles, Pool};
use crate::recovery::{Recovered, RecoveryReport, recover};
use crate::shared::{Shared, lock};
use crate::snapshot::Snapshot;
use crate::stats::Stats;
use crate::threads::{Signal, Threads};
use crate::txn::Txn;
use crate::values::Values;

/// An open store. Clones are the same store; the last one dropped stops its threads, without the
/// checkpoint that [`Store::close`] makes (recovery does the rest).
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    values: Values,
    submit: Submit,
    checkpointer: Arc<Mutex<Checkpointer>>,
    threads: Threads,
    log_id: [u8; 16],
    retention_bytes: u64,
    recovery: RecoveryReport,
    /// Held as long as the store is open.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Store {
    /// Opens the store in a folder, or makes one there.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let disk = SysDisk::open(dir).map_err(OpenError::io("open the folder"))?;
        let disk: Arc<dyn Disk> = Arc::new(disk);
        Self::open_on(&disk, options)
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
        let (log, master) = match master::read(disk)? {
            Some(master) => (folder::open_log(disk, &master)?, master),
            None => folder::create(disk, options)?,
        };
        Self::start(disk, log, master, options, lock)
    }

    /// Recovers and starts the threads.
    fn start(
        disk: &Arc<dyn Disk>,
        mut log: Log,
        master: Master,
        options: Options,
        lock: Box<dyn Send + Sync>,
    ) -> Result<Self, OpenError> {
        let reader = log.reader();
        let files = PageFiles::new(Arc::clone(disk)).map_err(OpenError::io("list the folder"))?;
        let pool = Arc::new(Pool::new(files, reader.clone(), options.pool_pages));
        let recovered = recover(&pool, &reader, &master)?;
        let Recovered { mut state, catalog, live, durable, losers, report } = recovered;
        if !losers.is_empty() {
            losers.undo(&pool, &mut log, &mut state)?;
        }
        let state = Arc::new(state);
        let shared = Shared::new(Arc::clone(&state), catalog, reader.clone(), Arc::clone(&pool));
        let shared = Arc::new(shared);
        shared.counters.live_bytes.store(live.total(), Ordering::Relaxed);
        shared.counters.checkpoint_lsn.store(master.checkpoint.0, Ordering::Relaxed);
        let submit: Submit = Queue::new();
        let checkpointer = Arc::new(Mutex::new(Checkpointer::new(
            Arc::clone(disk),
            Arc::clone(&shared),
            Arc::clone(&submit),
            master,
            durable,
            options.retention_bytes,
        )));
        let signal = Arc::new(Signal::new(options));
        let committer = Committer::new(Start {
            log,
            shared: Arc::clone(&shared),
            queue: Arc::clone(&submit),
            state,
            live,
            active: Active::default(),
            logged: signal.listener(&pool),
        });
        let threads = Threads::start(
            signal,
            Arc::clone(&submit),
            committer,
            Arc::clone(&checkpointer),
            Arc::clone(&shared),
        )
        .map_err(OpenError::io("start a thread"))?;
        let inner = Inner {
            values: Values::new(reader, pool),
            shared,
            submit,
            checkpointer,
            threads,
            log_id: master.log_id,
            retention_bytes: options.retention_bytes,
            recovery: report,
            lock: Mutex::new(Some(lock)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Begins a transaction on the state published now.
    pub fn begin(&self) -> Txn {
        let inner = &self.inner;
        Txn::new(Arc::clone(&inner.shared), inner.values.clone(), Arc::clone(&inner.submit))
    }

    /// The latest committed value.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Entry>, ReadError> {
        let (state, values) = (self.inner.shared.state(), &self.inner.values);
        let Some(entry) = values.entry(&state, keyspace, key)? else { return Ok(None) };
        Ok(Some(Entry { value: values.read(key, &entry)?, version: entry.slot.version() }))
    }

    /// The latest committed version. Touches no value.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn version(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Version>, ReadError> {
        let entry = self.inner.values.entry(&self.inner.shared.state(), keyspace, key)?;
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
        let state = self.inner.shared.state();
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
        let state = self.inner.shared.state();
        let Some(k) = state.keyspaces.get(&keyspace) else { return Vec::new() };
        k.directory.scan(prefix, after, limit)
    }

    /// All keyspaces, by id.
    pub fn keyspaces(&self) -> Vec<(KeyspaceId, Class)> {
        let state = self.inner.shared.state();
        state.keyspaces.iter().map(|(id, k)| (*id, k.class)).collect()
    }

    /// Root over all keyspaces of a class.
    pub fn root(&self, class: Class) -> Digest {
        self.inner.shared.state().root(class)
    }

    /// Name of this store's log. Positions mean something only together with it.
    pub fn log_id(&self) -> [u8; 16] {
        self.inner.log_id
    }

    /// Position up to which everything is visible.
    pub fn position(&self) -> Lsn {
        self.inner.shared.state().lsn
    }

    /// Position and root after every frame; a slow receiver sees the latest only.
    pub fn watch(&self) -> watch::Receiver<Published> {
        self.inner.shared.watch()
    }

    /// Pins the state published now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.inner.shared.state(), self.inner.values.clone())
    }

    /// The change stream from a position that this store handed out.
    ///
    /// # Errors
    /// [`ChangesError::Behind`] past the bound, [`ChangesError::Ahead`] past the end.
    pub fn changes(&self, from: Lsn) -> Result<ChangeReader, ChangesError> {
        let shared = &self.inner.shared;
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
        self.inner.shared.failure().map_or(Ok(()), Err)
    }

    /// Figures for operators. Counting keys is cheap.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.inner.shared, self.inner.recovery)
    }

    /// Makes a checkpoint now; blocks until it is durable.
    ///
    /// # Errors
    /// See [`CheckpointError`]; the store goes on.
    pub fn checkpoint(&self) -> Result<Lsn, CheckpointError> {
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
