//! The committer: one thread that validates, logs and publishes transactions in order.
//!
//! A batch is what arrived while the last write was in flight; there are no timers. Each batch
//! becomes one frame: transactions are validated in order against the state at the head of the log
//! and what the frame already holds. While the frame is being written the next state is computed,
//! unpublished, and further frames may follow. A state is published, and those who wait for it are
//! answered, once its frame and all before it are durable: what was not logged is never visible.
//!
//! A large frame changes the published state in place, once it is durable, if nobody holds a state
//! then: it would copy a page and a node for each of its records otherwise, because the published
//! state has them too. Until then what it changes is looked up beside the state, and frames that
//! follow promise no root. What has arrived when it is durable goes out before its changes are made,
//! so that the device is not idle beside that work.
//!
//! - [`batch`]: the frame being filled;
//! - [`flight`]: frames on their way;
//! - [`land`]: frames that are durable, published and answered;
//! - [`encode`]: a transaction as records of a frame;
//! - [`large`], [`undo`], [`active`]: transactions that are logged before they commit, their rollback,
//!   and the table of them;
//! - [`refuse`]: how somebody is told why not;
//! - [`system`]: checkpoints, moved values, freed segments;
//! - [`job`], [`queue`], [`desk`]: what is asked, and how it gets here.

mod active;
mod batch;
mod desk;
mod encode;
mod flight;
pub(crate) mod job;
mod land;
mod large;
mod queue;
mod refuse;
mod system;
mod undo;

use std::collections::VecDeque;
use std::sync::Arc;

use strongroom_aries::{Record, RootMark};
use strongroom_wal::{FrameBuilder, Log, Lsn};

pub(crate) use self::active::Active;
use self::batch::{Ahead, Batch};
pub(crate) use self::desk::Desk;
use self::flight::Flight;
use self::job::{Answer, Job, Prepared, RECORD_FRAMING_MAX, Submit};
use self::queue::Queue;
use self::refuse::unreadable;
use crate::error::CommitError;
use crate::id::Committed;
use crate::index::{LiveBytes, State};
use crate::pages::Pool;
use crate::shared::Shared;
use crate::worker::Worker;

/// Bytes of records after which a frame takes no further transaction.
const FRAME_TARGET: usize = 4 << 20;
/// While a frame is in flight the next one goes out before it has landed if it is at least so large:
/// beside the device's time for so many bytes another frame's share of the work is small.
const PIPELINED_BYTES: usize = 64 << 10;
/// After so many bytes of log without a root mark a frame waits until its root is known: behind the
/// last mark only checksums say what a restart arrives at.
const MARK_WITHIN: u64 = 4 << 20;
/// Encoded root mark.
const ROOT_MARK_LEN: usize = 1 + 8 + 32 + 32;

/// What a committer starts with.
pub(crate) struct Start {
    pub(crate) log: Log,
    pub(crate) shared: Arc<Shared>,
    pub(crate) desk: Submit,
    pub(crate) state: Arc<State>,
    pub(crate) live: LiveBytes,
    pub(crate) active: Active,
    /// Told how many bytes were logged since the last checkpoint began.
    pub(crate) logged: Box<dyn Fn(u64) + Send>,
}

/// See the module's text.
pub(crate) struct Committer {
    log: Log,
    shared: Arc<Shared>,
    desk: Submit,
    /// After everything that was submitted, but for what large frames in flight hold.
    head: State,
    live: LiveBytes,
    active: Active,
    batch: Option<Batch>,
    flights: VecDeque<Flight>,
    /// Where the last root mark is.
    marked: Lsn,
    /// States that nobody needs here any more: let go of while the device is busy.
    retired: Vec<Arc<State>>,
    scratch: Vec<u8>,
    worker: Worker,
    logged: Box<dyn Fn(u64) + Send>,
}

impl Committer {
    pub(crate) fn new(start: Start) -> Self {
        let Start { log, shared, desk, state, live, active, logged } = start;
        Self {
            log,
            shared,
            desk,
            head: State::clone(&state),
            live,
            active,
            batch: None,
            flights: VecDeque::new(),
            marked: state.lsn,
            retired: Vec::new(),
            scratch: Vec::new(),
            worker: Worker,
            logged,
        }
    }

    /// Runs on this thread until the desk is closed and nothing is left.
    pub(crate) fn run(self) {
        let desk = Arc::clone(&self.desk);
        desk.run(self);
    }

    /// Works off jobs and what is handed in meanwhile, until nothing is in flight.
    fn work_off(&mut self, jobs: VecDeque<Job>, queue: &Queue<Job>) {
        self.work(jobs);
        while !self.flights.is_empty() {
            match queue.take_ready(PIPELINED_BYTES) {
                Some(jobs) => self.work(jobs),
                None => self.land_one_beside(queue),
            }
        }
        self.retired.clear();
    }

    /// Ends the log in good order.
    fn close(self) {
        if let Err(e) = self.log.close() {
            self.shared.fail(e.to_string());
        }
    }

    fn work(&mut self, jobs: VecDeque<Job>) {
        self.undo_doomed();
        for job in jobs {
            match job {
                Job::Commit { prepared, done } => self.add(prepared, done),
                Job::Spill { owner, made, writes, done } => self.spill(&owner, made, writes, done),
                Job::CommitSpilled { txn, prepared, done } => {
                    self.commit_spilled(txn, &prepared, done);
                }
                Job::RollBack { owner, to, done } => self.roll_back(&owner, to, done),
                Job::BeginCheckpoint { done } => {
                    let _ = done.send(self.begin_checkpoint());
                }
                Job::EndCheckpoint { begin, map, done } => {
                    let _ = done.send(self.end_checkpoint(begin, map));
                }
                Job::Relocate { moves, done } => self.relocate(&moves, done),
                Job::Recycle { needs, live, done } => {
                    let _ = done.send(self.recycle(needs, &live));
                }
                Job::Rest { at_rest, done } => {
                    self.scratch = Vec::new();
                    self.log.trim();
                    if let Some(at_rest) = at_rest {
                        at_rest();
                    }
                    let _ = done.send(Ok(()));
                }
            }
        }
        self.flush();
    }

    /// Puts a transaction into the frame, or answers why not.
    fn add(&mut self, mut txn: Prepared, done: Answer<Committed>) {
        let ddl = !txn.creates.is_empty() || !txn.drops.is_empty();
        let size = txn.size();
        let full = self
            .batch
            .as_ref()
            .is_some_and(|b| b.frame.payload_len() + size > FRAME_TARGET || !b.frame.fits(size));
        // A transaction that makes or drops keyspaces has a frame of its own.
        if ddl || full {
            self.flush();
        }
        // These ask for more of what is to come than an entry.
        if ddl || !txn.reads.lists.is_empty() {
            self.catch_up();
        }
        if let Err(e) = self.validate(&txn) {
            self.refuse(e, done);
            return;
        }
        let begun = self.batch.take().map_or_else(|| self.begin_frame(size).map(Batch::new), Ok);
        let mut batch = match begun {
            Ok(batch) => batch,
            Err(e) => return self.refuse(e, done),
        };
        batch.commits.push(done);
        // The frame is there: when it goes out, this goes.
        self.retired.extend(txn.seen.take());
        match self.encode(txn, &mut batch) {
            Ok(()) => {
                self.batch = Some(batch);
                if ddl {
                    self.flush();
                }
            }
            // Nothing of the frame was written.
            Err(e) => batch.fail(&e),
        }
    }

    /// The state that the next transaction commits on top of.
    fn ahead(&self) -> Ahead<'_> {
        let (flights, batch) = (&self.flights, self.batch.as_ref());
        Ahead { state: &self.head, flights, batch, pool: self.pool() }
    }

    fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    fn validate(&self, txn: &Prepared) -> Result<(), CommitError> {
        // The head may be ahead of what a failed log has: nothing can be said on top of it.
        if let Some(cause) = self.shared.failure() {
            return Err(CommitError::Failed(cause));
        }
        if !self.ahead().still_true(&txn.reads).map_err(unreadable)? {
            return Err(CommitError::Conflict);
        }
        let dropped = |id| txn.drops.contains(id);
        let created = |id| txn.creates.iter().any(|(c, _)| c == id);
        let exists = |id| self.head.keyspaces.contains_key(id);
        let known = txn.drops.iter().all(exists)
            && txn.creates.iter().all(|(id, _)| !exists(id) || dropped(id))
            && txn
                .writes
                .iter()
                .all(|w| created(&w.keyspace) || (exists(&w.keyspace) && !dropped(&w.keyspace)));
        if !known {
            return Err(CommitError::UnknownKeyspace);
        }
        for write in &txn.writes {
            if self.is_held(write, None)? {
                return Err(CommitError::Conflict);
            }
        }
        Ok(())
    }

    /// A frame with its root mark in place, if the root of what is before it is known.
    fn begin_frame(&mut self, size: usize) -> Result<FrameBuilder, CommitError> {
        // Whatever failed once is not tried again: a retry may seem to work and be a lie.
        if let Some(cause) = self.shared.failure() {
            return Err(CommitError::Failed(cause));
        }
        if self.flights.back().is_some_and(|last| last.end().0 > self.marked.0 + MARK_WITHIN) {
            self.land_those_to_come();
        }
        let hint = size + ROOT_MARK_LEN + RECORD_FRAMING_MAX;
        let mut frame = self.log.begin_frame(hint).map_err(|e| self.log_error(&e, size))?;
        if !self.is_behind() {
            let mark = RootMark {
                at: self.head.lsn.0,
                replicated: self.head.replicated_root.0,
                all: self.head.all_root.0,
            };
            self.push(&mut frame, &Record::RootMark(mark))?;
            self.marked = frame.start();
        }
        Ok(frame)
    }
}
