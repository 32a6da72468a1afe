//! The store: opening, reading, and the threads behind it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use strongroom_merkle::Digest;
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{Log, LogOptions, Lsn, OpenHint};
use tokio::sync::watch;

use crate::changes::ChangeReader;
use crate::checkpoint::Checkpointer;
use crate::commit::{Committer, Submit};
use crate::error::{ChangesError, CheckpointError, OpenError, ReadError};
use crate::id::{Class, Entry, KeyspaceId, Published, Version};
use crate::index::LiveBytes;
use crate::master;
use crate::page::Master;
use crate::queue::Queue;
use crate::recovery::{Recovered, RecoveryReport, recover};
use crate::shared::{Counters, Shared, lock};
use crate::snapshot::Snapshot;
use crate::txn::Txn;
use crate::values::Values;

pub(crate) const LOCK: &str = "LOCK";

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
            segment_size: LogOptions::default().segment_size,
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
    signal: Arc<Signal>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    log_id: [u8; 16],
    retention_bytes: u64,
    recovery: RecoveryReport,
    /// Held as long as the store is open.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// Wakes the checkpointer's thread.
#[derive(Default)]
struct Signal {
    due: Mutex<bool>,
    changed: Condvar,
    stop: AtomicBool,
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
        let lock = disk.lock(LOCK).map_err(|e| match e.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::InUse,
            _ => OpenError::Io { what: "lock the folder", cause: e },
        })?;
        let (log, master) = match master::read(disk)? {
            Some(master) => (open_log(disk, &master)?, master),
            None => create(disk, options)?,
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
        let inner = Inner {
            values: Values::new(reader),
            shared,
            submit,
            checkpointer: Arc::new(Mutex::new(checkpointer)),
            signal,
            threads: Mutex::new(Vec::new()),
            log_id: master.log_id,
            retention_bytes: options.retention_bytes,
            recovery: report,
            lock: Mutex::new(Some(lock)),
        };
        inner.spawn(committer).map_err(OpenError::io("start a thread"))?;
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
        k.directory.scan(prefix, after, limit).iter().map(|key| key.to_vec()).collect()
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
        self.inner.stop();
        checkpointed
    }
}

impl Inner {
    fn spawn(&self, committer: Committer) -> std::io::Result<()> {
        let commit = std::thread::Builder::new()
            .name("sr-commit".to_owned())
            .spawn(move || committer.run())?;
        let (signal, checkpointer) = (Arc::clone(&self.signal), Arc::clone(&self.checkpointer));
        let shared = Arc::clone(&self.shared);
        let checkpoint =
            std::thread::Builder::new().name("sr-checkpoint".to_owned()).spawn(move || {
                while signal.wait() {
                    // A failed checkpoint is tried again when the log has grown by as much again;
                    // a failed log refuses all.
                    if lock(&checkpointer).run().is_err() && shared.failure().is_some() {
                        return;
                    }
                }
            })?;
        lock(&self.threads).extend([commit, checkpoint]);
        Ok(())
    }

    fn stop(&self) {
        self.signal.stop();
        self.submit.close();
        for thread in lock(&self.threads).drain(..) {
            // A thread that panicked has nothing more to finish.
            let _ = thread.join();
        }
        lock(&self.lock).take();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Signal {
    fn waker(self: &Arc<Self>) -> Box<dyn Fn() + Send> {
        let signal = Arc::clone(self);
        Box::new(move || {
            *lock(&signal.due) = true;
            signal.changed.notify_one();
        })
    }

    /// Waits until a checkpoint is due; false when the store stops.
    fn wait(&self) -> bool {
        let mut due = lock(&self.due);
        while !*due && !self.stop.load(Ordering::Acquire) {
            due = self.changed.wait(due).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        *due = false;
        !self.stop.load(Ordering::Acquire)
    }

    fn stop(&self) {
        let due = lock(&self.due);
        self.stop.store(true, Ordering::Release);
        drop(due);
        self.changed.notify_all();
    }
}

fn open_log(disk: &Arc<dyn Disk>, master: &Master) -> Result<Log, OpenError> {
    let options = LogOptions { segment_size: master.segment_size, ..LogOptions::default() };
    let hint = OpenHint { scan_from: master.checkpoint, known_durable: master.durable };
    let (log, _report) = Log::open(Arc::clone(disk), options, hint)?;
    if log.id() != master.log_id {
        return Err(OpenError::Damaged {
            file: "MASTER".to_owned(),
            why: "it belongs to another log",
        });
    }
    Ok(log)
}

/// Makes a new store. The master record comes last: without it nothing was ever acknowledged, so
/// what an interrupted attempt left behind is removed, if it is a log without a frame.
fn create(disk: &Arc<dyn Disk>, options: Options) -> Result<(Log, Master), OpenError> {
    let log_options = LogOptions { segment_size: options.segment_size, ..LogOptions::default() };
    let mut log_id = [0; 16];
    getrandom::fill(&mut log_id)
        .map_err(|e| OpenError::Io { what: "draw a log id", cause: std::io::Error::other(e) })?;
    remove_unborn(disk, &log_options)?;
    let log = Log::create(Arc::clone(disk), log_options, log_id)?;
    let master = Master {
        log_id,
        segment_size: options.segment_size,
        checkpoint: Lsn::ZERO,
        durable: Lsn::ZERO,
        map: strongroom_aries::MapLocation { segment: 0, offset: 0, len: 0 },
    };
    master::write(disk, &master).map_err(OpenError::io("write the master record"))?;
    Ok((log, master))
}

fn remove_unborn(disk: &Arc<dyn Disk>, options: &LogOptions) -> Result<(), OpenError> {
    let names = disk.list().map_err(OpenError::io("list the folder"))?;
    let left: Vec<&String> = names.iter().filter(|name| name.as_str() != LOCK).collect();
    if left.is_empty() {
        return Ok(());
    }
    if let Some(foreign) = left.iter().find(|name| !is_ours(name)) {
        let why = "it does not belong to a store; choose an empty folder";
        return Err(OpenError::Damaged { file: (*foreign).clone(), why });
    }
    let hint = OpenHint { scan_from: Lsn::ZERO, known_durable: Lsn::ZERO };
    if let Ok((log, _)) = Log::open(Arc::clone(disk), options.clone(), hint) {
        let holds_records =
            log.reader().frames(log.oldest()).flatten().any(|frame| frame.records().count() > 0);
        if holds_records {
            let why = "it is missing though there is a log; restore the folder";
            return Err(OpenError::Damaged { file: "MASTER".to_owned(), why });
        }
    }
    for name in left {
        disk.remove(name).map_err(OpenError::io("remove an unfinished store"))?;
    }
    disk.sync_dir().map_err(OpenError::io("sync the folder"))
}

/// Whether a file of this name can be what an interrupted creation left behind.
fn is_ours(name: &str) -> bool {
    name == "MASTER.new" || strongroom_wal::parse_segment_name(name).is_some()
}
