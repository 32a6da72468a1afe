//! The committer: one thread that validates, logs and publishes transactions in order.
//!
//! A batch is what arrived while the last write was in flight; there are no timers. Each batch
//! becomes one frame: transactions are validated in order against the published state and what the
//! frame already holds, and written with one durable write. Only then is the next state published
//! and are the waiters answered. A state that was not logged is never visible.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_aries::{Record, RootMark};
use strongroom_wal::{FrameBuilder, Log, LogError, Lsn};

use crate::batch::{Batch, encoded_size, still_true};
use crate::error::CommitError;
use crate::id::{Committed, KeyspaceId, Version};
use crate::index::{IndexEntry, Keyspace, LiveBytes, Slot, State};
use crate::job::{Answer, Job, Prepared, RECORD_FRAMING_MAX, Submit};
use crate::record::{update_of, value_at};
use crate::shared::{Counters, Shared};

type Keyspaces = BTreeMap<KeyspaceId, Arc<Keyspace>>;

/// Bytes of records after which a frame takes no further transaction.
const FRAME_TARGET: usize = 4 << 20;
/// Encoded root mark.
const ROOT_MARK_LEN: usize = 1 + 8 + 32 + 32;

pub(crate) struct Committer {
    pub(crate) log: Log,
    pub(crate) shared: Arc<Shared>,
    queue: Submit,
    pub(crate) live: LiveBytes,
    pub(crate) batch: Option<Batch>,
    pub(crate) scratch: Vec<u8>,
    /// Told when enough was logged for a checkpoint.
    wake_checkpointer: Box<dyn Fn() + Send>,
    checkpoint_every: u64,
}

impl Committer {
    pub(crate) fn new(
        log: Log,
        shared: Arc<Shared>,
        queue: Submit,
        live: LiveBytes,
        checkpoint_every: u64,
        wake_checkpointer: Box<dyn Fn() + Send>,
    ) -> Self {
        Self {
            log,
            shared,
            queue,
            live,
            batch: None,
            scratch: Vec::new(),
            wake_checkpointer,
            checkpoint_every,
        }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        while let Some(jobs) = self.queue.take() {
            self.work(jobs);
        }
        if let Err(e) = self.log.close() {
            self.shared.fail(e.to_string());
        }
    }

    fn work(&mut self, jobs: VecDeque<Job>) {
        for job in jobs {
            match job {
                Job::Commit { prepared, done } => self.add(&prepared, done),
                Job::BeginCheckpoint { done } => {
                    self.flush();
                    let _ = done.send(self.begin_checkpoint());
                }
                Job::EndCheckpoint { end, done } => {
                    self.flush();
                    let _ = done.send(self.log_alone(&Record::CheckpointEnd(*end)).map(|f| f.1));
                }
                Job::Relocate { moves, done } => {
                    self.flush();
                    let _ = done.send(self.relocate(&moves));
                }
                Job::Recycle { needed_from, live, done } => {
                    let _ = done.send(self.recycle(needed_from, &live));
                }
            }
        }
        self.flush();
    }

    /// Puts a transaction into the frame, or answers why not.
    fn add(&mut self, txn: &Prepared, done: Answer<Committed>) {
        let ddl = !txn.creates.is_empty() || !txn.drops.is_empty();
        let size = encoded_size(txn);
        let full = self
            .batch
            .as_ref()
            .is_some_and(|b| b.frame.payload_len() + size > FRAME_TARGET || !b.frame.fits(size));
        // A transaction that makes or drops keyspaces has a frame of its own.
        if ddl || full {
            self.flush();
        }
        if let Err(e) = self.validate(txn) {
            if matches!(e, CommitError::Conflict) {
                Counters::add(&self.shared.counters.conflicts, 1);
            }
            let _ = done.send(Err(e));
            return;
        }
        let begun = self.batch.take().map_or_else(|| self.begin_frame(size).map(Batch::new), Ok);
        let mut batch = match begun {
            Ok(batch) => batch,
            Err(e) => {
                let _ = done.send(Err(e));
                return;
            }
        };
        batch.waiting.push(done);
        match self.encode(txn, &mut batch) {
            Ok(keyspaces) => {
                self.batch = Some(batch);
                if let Some(keyspaces) = keyspaces {
                    self.flush_onto(keyspaces);
                }
            }
            // Nothing of the frame was written.
            Err(e) => batch.waiting.into_iter().for_each(|done| {
                let _ = done.send(Err(e.clone()));
            }),
        }
    }

    /// Puts a transaction's records into the frame; answers the keyspaces if it changes them.
    fn encode(
        &mut self,
        txn: &Prepared,
        batch: &mut Batch,
    ) -> Result<Option<Keyspaces>, CommitError> {
        if txn.creates.is_empty() && txn.drops.is_empty() {
            let state = self.shared.state();
            self.encode_writes(txn, &state.keyspaces, batch)?;
            return Ok(None);
        }
        let keyspaces = self.encode_ddl(txn, batch)?;
        self.encode_writes(txn, &keyspaces, batch)?;
        Ok(Some(keyspaces))
    }

    fn validate(&self, txn: &Prepared) -> Result<(), CommitError> {
        let state = self.shared.state();
        let batch = self.batch.as_ref();
        if !still_true(&txn.reads, &state, batch) {
            return Err(CommitError::Conflict);
        }
        let dropped = |id| txn.drops.contains(id);
        let created = |id| txn.creates.iter().any(|(c, _)| c == id);
        let exists = |id| state.keyspaces.contains_key(id);
        let known = txn.drops.iter().all(exists)
            && txn.creates.iter().all(|(id, _)| !exists(id) || dropped(id))
            && txn
                .writes
                .iter()
                .all(|w| created(&w.keyspace) || (exists(&w.keyspace) && !dropped(&w.keyspace)));
        if known { Ok(()) } else { Err(CommitError::UnknownKeyspace) }
    }

    /// A frame with its root mark in place.
    pub(crate) fn begin_frame(&mut self, size: usize) -> Result<FrameBuilder, CommitError> {
        // Whatever failed once is not tried again: a retry may seem to work and be a lie.
        if let Some(cause) = self.shared.failure() {
            return Err(CommitError::Failed(cause));
        }
        let hint = size + ROOT_MARK_LEN + RECORD_FRAMING_MAX;
        let mut frame = self.log.begin_frame(hint).map_err(|e| self.log_error(&e, size))?;
        let state = self.shared.state();
        let mark = RootMark {
            at: state.lsn.0,
            replicated: state.replicated_root.0,
            all: state.all_root.0,
        };
        self.push(&mut frame, &Record::RootMark(mark))?;
        Ok(frame)
    }

    pub(crate) fn push(
        &mut self,
        frame: &mut FrameBuilder,
        record: &Record<'_>,
    ) -> Result<Lsn, CommitError> {
        self.scratch.clear();
        record.encode(&mut self.scratch);
        frame.push(&self.scratch).map_err(|_| CommitError::TooLarge(self.scratch.len()))
    }

    /// Logs drops and creates; answers the keyspaces as they are after them.
    fn encode_ddl(&mut self, txn: &Prepared, batch: &mut Batch) -> Result<Keyspaces, CommitError> {
        let mut keyspaces = self.shared.state().keyspaces.clone();
        for id in &txn.drops {
            if let Some(gone) = keyspaces.remove(id) {
                self.push(&mut batch.frame, &Record::DropKeyspace { keyspace: gone.handle })?;
            }
        }
        for (id, class) in &txn.creates {
            let handle = self.shared.next_handle();
            let at = self.push(
                &mut batch.frame,
                &Record::CreateKeyspace { keyspace: handle, id: id.0, class: class.to_byte() },
            )?;
            // A number given to a frame that is never written is not used again.
            self.shared.add_keyspace(handle, *id, *class);
            keyspaces.insert(*id, Arc::new(Keyspace::new(handle, *class, at)));
        }
        Ok(keyspaces)
    }

    fn encode_writes(
        &mut self,
        txn: &Prepared,
        keyspaces: &Keyspaces,
        batch: &mut Batch,
    ) -> Result<(), CommitError> {
        for write in &txn.writes {
            let keyspace = keyspaces.get(&write.keyspace).ok_or(CommitError::UnknownKeyspace)?;
            let existing = batch.version(write.keyspace, &write.hash, keyspace);
            if write.value.is_none() && existing.is_none() {
                continue;
            }
            let update = update_of(write, keyspace.handle);
            let lsn = self.push(&mut batch.frame, &Record::Update(update))?;
            let entry = write.value.as_ref().map(|(value, digest)| {
                IndexEntry::new(Slot {
                    key: Arc::clone(&write.key),
                    digest: *digest,
                    at: value_at(lsn, &update),
                    len: u32::try_from(value.len()).unwrap_or(u32::MAX),
                    version: Version(lsn.0),
                })
            });
            if existing.is_some() != entry.is_some() {
                batch.restructured.push(write.keyspace);
            }
            batch.changes.entry(write.keyspace).or_default().insert(write.hash, entry);
        }
        Ok(())
    }

    /// Writes the frame and publishes what is in it.
    pub(crate) fn flush(&mut self) {
        if self.batch.is_some() {
            let keyspaces = self.shared.state().keyspaces.clone();
            self.flush_onto(keyspaces);
        }
    }

    fn flush_onto(&mut self, keyspaces: Keyspaces) {
        let Some(batch) = self.batch.take() else { return };
        let Batch { frame, changes, waiting, .. } = batch;
        let size = frame.payload_len();
        let appended = match self.log.append(frame) {
            Ok(appended) => appended,
            Err(e) => {
                let e = self.log_error(&e, size);
                for done in waiting {
                    let _ = done.send(Err(e.clone()));
                }
                return;
            }
        };
        let old = self.shared.state();
        for (id, gone) in &old.keyspaces {
            if keyspaces.get(id).is_none_or(|k| k.handle != gone.handle) {
                gone.trie.iter().for_each(|entry| self.live.sub(entry.slot()));
            }
        }
        let mut next = State { keyspaces, ..State::clone(&old) };
        next.lsn = appended.end;
        for (id, changes) in changes {
            if let Some(keyspace) = next.keyspaces.get_mut(&id) {
                Arc::make_mut(keyspace).apply(changes, appended.end, &mut self.live);
            }
        }
        next.seal_roots();
        self.shared.publish(Arc::new(next));
        self.count(appended.end.0 - appended.start.0, waiting.len());
        for done in waiting {
            let _ = done.send(Ok(Committed { lsn: appended.end }));
        }
    }

    pub(crate) fn count(&self, bytes: u64, commits: usize) {
        let counters = &self.shared.counters;
        Counters::add(&counters.frames, 1);
        Counters::add(&counters.commits, commits as u64);
        Counters::add(&counters.log_bytes, bytes);
        counters.live_bytes.store(self.live.total(), Ordering::Relaxed);
        let before = counters.since_checkpoint.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes >= self.checkpoint_every {
            (self.wake_checkpointer)();
        }
    }

    pub(crate) fn log_error(&self, e: &LogError, size: usize) -> CommitError {
        match e {
            LogError::NoSpace => CommitError::NoSpace,
            LogError::TooLarge { .. } => CommitError::TooLarge(size),
            other => {
                let cause = other.to_string();
                self.shared.fail(cause.clone());
                CommitError::Failed(cause)
            }
        }
    }
}
