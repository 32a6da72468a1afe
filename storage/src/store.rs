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
use crate::commit::Committer;
use crate::error::{ChangesError, CheckpointError, OpenError, ReadError};
use crate::folder;
use crate::id::{Class, Entry, KeyspaceId, Published, Version};
use crate::index::LiveBytes;
use crate::job::Submit;
use crate::master;
use crate::page::Master;
use crate::queue::Queue;
use crate::recovery::{Recovered, RecoveryReport, recover};
use crate::shared::{Counters, Shared, lock};
use crate::snapshot::Snapshot;
use crate::threads::{Signal, Threads};
use crate::txn::Txn;
use crate::values::Values;

/// Default bytes of a log segment: a value of the largest size must fit.
const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;

/// How a store is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Size of a log segment, bytes. Fixed when the store is made.
    pub segment_size: u64,
    /// How much of the log is kept for change streams, bytes.
    pub retention_bytes: u64,
    /// A checkpoint begins after so many bytes of log.
    pub checkpoint_every: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_size: SEGMENT_BYTES_DEFAULT,
            retention_bytes: 1 << 30,
            checkpoint_every: 64 << 20,
        }
    }
}

/// Figures for operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries in all keyspaces.
    pub keys: u64,
    /// Bytes of their values.
    pub live_bytes: u64,
    /// Frames written since the store was opened.
    pub frames: u64,
    /// Transactions committed.
    pub commits: u64,
    /// Transactions refused because of a conflict.
    pub conflicts: u64,
    /// Bytes written to the log.
    pub log_bytes: u64,
    /// Checkpoints completed.
    pub checkpoints: u64,
    /// Where recovery would start.
    pub checkpoint_lsn: Lsn,
    /// Bytes of live values that the cleaner moved.
    pub relocated_bytes: u64,
    /// Log segments given back.
    pub recycled_segments: u64,
    /// What the last restart did.
    pub recovery: RecoveryReport,
}

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
        let recovered = recover(disk, &reader, &master)?;
        let Recovered { mut state, catalog, checkpoint, losers, mut report } = recovered;
        if !losers.is_empty() {
            report.undone = losers.count();
            losers.undo(&mut log, &mut state)?;
        }
        let live = LiveBytes::of(&state, master.segment_size);
        let shared = Arc::new(Shared::new(Arc::new(state), catalog, reader.clone()));
        shared.counters.live_bytes.store(live.total(), Ordering::Relaxed);
        shared.counters.checkpoint_lsn.store(master.checkpoint.0, Ordering::Relaxed);
        let submit: Submit = Queue::new();
        let checkpointer = Checkpointer::new(
            Arc::clone(disk),
            Arc::clone(&shared),
            Arc::clone(&submit),
            master,
            checkpoint,
            options.retention_bytes,
        )
        .map_err(OpenError::io("open the page segment"))?;
        let signal = Arc::new(Signal::default());
        let committer = Committer::new(
            log,
            Arc::clone(&shared),
            Arc::clone(&submit),
            live,
            options.checkpoint_every,
            signal.waker(),
        );
        let checkpointer = Arc::new(Mutex::new(checkpointer));
        let threads = Threads::start(
            signal,
            Arc::clone(&submit),
            committer,
            Arc::clone(&checkpointer),
            Arc::clone(&shared),
        )
        .map_err(OpenError::io("start a thread"))?;
        let inner = Inner {
            values: Values::new(reader),
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
        Txn::new(inner.shared.state(), inner.values.clone(), Arc::clone(&inner.submit))
    }

    /// The latest committed value.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Entry>, ReadError> {
        let state = self.inner.shared.state();
        let Some(entry) = state.get(keyspace, key) else { return Ok(None) };
        Ok(Some(Entry { value: self.inner.values.read(entry.slot())?, version: entry.version() }))
    }

    /// The latest committed version. Touches memory only.
    pub fn version(&self, keyspace: KeyspaceId, key: &[u8]) -> Option<Version> {
        self.inner.shared.state().get(keyspace, key).map(super::index::IndexEntry::version)
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
        let counters = &self.inner.shared.counters;
        let state = self.inner.shared.state();
        Stats {
            keys: state.keyspaces.values().map(|k| k.trie.len() as u64).sum(),
            live_bytes: Counters::get(&counters.live_bytes),
            frames: Counters::get(&counters.frames),
            commits: Counters::get(&counters.commits),
            conflicts: Counters::get(&counters.conflicts),
            log_bytes: Counters::get(&counters.log_bytes),
            checkpoints: Counters::get(&counters.checkpoints),
            checkpoint_lsn: Lsn(Counters::get(&counters.checkpoint_lsn)),
            relocated_bytes: Counters::get(&counters.relocated_bytes),
            recycled_segments: Counters::get(&counters.recycled_segments),
            recovery: self.inner.recovery,
        }
    }

    /// Makes a checkpoint now; blocks until it is durable.
    ///
    /// # Errors
    /// See [`CheckpointError`]; the store goes on.
    pub fn checkpoint(&self) -> Result<Lsn, CheckpointError> {
        lock(&self.inner.checkpointer).run()
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
