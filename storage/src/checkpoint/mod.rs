//! Checkpoints: the pages of one consistent state, written beside the traffic.
//!
//! The published state is persistent, so a checkpoint pins it and writes at leisure; commits go on
//! and no transaction is waited for. Pages that have an image already are listed where they lie;
//! the others are written. The state itself is pinned only for the [walk](survey) that finds them.
//! Behind each checkpoint the cleaner makes room in the log.

mod names;
mod survey;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_aries::MapLocation;
use strongroom_wal::Lsn;
use strongroom_wal::disk::Disk;
use tokio::sync::oneshot;

use crate::block_on::block_on;
use crate::budget::Budget;
use crate::cleaner::{self, Effort, Living};
use crate::commit::job::{Answer, Behind, Job, Pinned, Submit};
use crate::error::{CheckpointError, CommitError};
use crate::index::State;
use crate::master::{self, Master};
use crate::options::Options;
use crate::pages::{Image, MapKeyspace, PageMap, Pool};
use crate::retention::Needs;
use crate::shared::{Counters, Shared};
use names::Names;
use survey::Survey;

/// Page segments with less than this share of live bytes are written anew, percent.
const PAGE_LIVE_PERCENT_BUSY: u64 = 50;
/// The same while the store is idle.
const PAGE_LIVE_PERCENT_IDLE: u64 = 90;
/// What is written is made durable after so many bytes, and at the end.
const SYNC_BYTES: u64 = 4 << 20;

/// An answer of the committer that is to come.
type Asked<T> = oneshot::Receiver<Result<T, CommitError>>;

/// Writes checkpoints, one at a time.
pub(crate) struct Checkpointer {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    submit: Submit,
    budget: Arc<Budget>,
    master: Master,
    /// What the master record's map lists, and the map: it must not be removed.
    durable: Vec<Arc<Image>>,
    /// End of the log when this store had last nothing more to gain from cleaning.
    settled_at: Lsn,
    at_rest: Option<fn()>,
    /// End of the log when it was last at rest.
    rested_at: Lsn,
}

impl Checkpointer {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        shared: Arc<Shared>,
        submit: Submit,
        budget: Arc<Budget>,
        master: Master,
        durable: Vec<Arc<Image>>,
        options: &Options,
    ) -> Self {
        let at_rest = options.at_rest;
        let (settled_at, rested_at) = (Lsn::ZERO, Lsn::ZERO);
        Self { disk, shared, submit, budget, master, durable, settled_at, at_rest, rested_at }
    }

    /// Makes a checkpoint of the state published now. Blocks until it is durable.
    pub(crate) fn run(&mut self, effort: Effort) -> Result<Lsn, CheckpointError> {
        let written = self.write_all(effort);
        let cleaned = written.and_then(|behind| self.clean_log(behind, effort));
        self.noted(cleaned)?;
        Ok(self.master.checkpoint)
    }

    /// Whoever waits for nothing is not told of a failure: it stands in the store's figures.
    fn noted<T>(&self, outcome: Result<T, CheckpointError>) -> Result<T, CheckpointError> {
        self.shared.note_checkpoint(outcome.as_ref().err());
        outcome
    }

    /// A checkpoint, with nothing cleaned behind it but pages.
    fn write_all(&mut self, effort: Effort) -> Result<Behind, CheckpointError> {
        let Pinned { state, behind } = self.ask(|done| Job::BeginCheckpoint { done })?;
        self.write(state, &behind, effort)?;
        self.shared.pool.files.remove_dead().map_err(CheckpointError::io("remove old pages"))?;
        let counters = &self.shared.counters;
        Counters::add(&counters.checkpoints, 1);
        counters.checkpoint_lsn.store(self.master.checkpoint.0, Ordering::Relaxed);
        Ok(behind)
    }

    /// One step towards the least room that the store can take, if there is something to gain; of no
    /// more use once there are more commits than `commits`, those when the store was seen idle.
    /// Answers whether it did anything.
    pub(crate) fn compact(&mut self, commits: u64) -> Result<bool, CheckpointError> {
        let now = self.shared.state().lsn;
        if now == self.settled_at || !self.has_garbage() {
            return Ok(false);
        }
        let before = self.shared.log.segments_len();
        let effort = Effort::Idle { commits };
        self.run(effort)?;
        if self.commits() != commits {
            return Ok(true);
        }
        // Values that were moved let their segments go behind the next checkpoint.
        self.run(effort)?;
        if self.commits() == commits && self.shared.log.segments_len() >= before {
            // What the last pages took the place of is rid of once more, as nobody will come by again.
            let written = self.write_all(effort);
            self.noted(written)?;
            self.settled_at = self.shared.state().lsn;
        }
        Ok(true)
    }

    /// Lets go of memory that is there for much to do, once until something is committed again.
    pub(crate) fn rest(&mut self) -> Result<(), CheckpointError> {
        let now = self.shared.state().lsn;
        if now == self.rested_at {
            return Ok(());
        }
        let at_rest = self.at_rest;
        self.ask(|done| Job::Rest { at_rest, done })?;
        self.rested_at = now;
        // Here too: what an allocator keeps for a thread only that thread can give back.
        if let Some(at_rest) = at_rest {
            at_rest();
        }
        Ok(())
    }

    /// Whether log and pages take notably more room than what is live in them.
    fn has_garbage(&self) -> bool {
        let live = Counters::get(&self.shared.counters.live_bytes);
        let size = self.shared.log.segment_size();
        let log = self.shared.log.segments_len() as u64 * size;
        let (pages, live_pages) = self.shared.pool.files.bytes();
        log > live + live / 20 + 2 * size || pages > live_pages + live_pages / 10 + (1 << 20)
    }

    /// The whole protocol. Until the master record is replaced the last checkpoint stands: its
    /// pages, its map and the log from its begin record are all still there.
    fn write(
        &mut self,
        state: Arc<State>,
        behind: &Behind,
        effort: Effort,
    ) -> Result<(), CheckpointError> {
        let begin = behind.begin;
        let (images, map) = self.write_pages(state, behind, effort)?;
        let durable = self.ask(|done| Job::EndCheckpoint { begin, map, done })?;
        let master = Master { checkpoint: begin, durable, map, ..self.master };
        master::write(&self.disk, &master).map_err(CheckpointError::io("write MASTER"))?;
        (self.master, self.durable) = (master, images);
        Ok(())
    }

    /// Gives an image to every page and block of names that has none, then writes the map of all.
    fn write_pages(
        &self,
        state: Arc<State>,
        behind: &Behind,
        effort: Effort,
    ) -> Result<(Vec<Arc<Image>>, MapLocation), CheckpointError> {
        let io = CheckpointError::io;
        let pool = &self.shared.pool;
        let files = &pool.files;
        let sparse = match effort {
            Effort::Busy => files.sparse(PAGE_LIVE_PERCENT_BUSY, false),
            Effort::Idle { .. } => files.sparse(PAGE_LIVE_PERCENT_IDLE, true),
        };
        let sparse = sparse.into_iter().collect();
        let mut survey = Survey::of(&state, &sparse);
        let mut names = Names::of(&state, pool, &sparse);
        let keyspaces = self.keyspaces(&state);
        drop(state);
        survey.write(pool, &self.budget).map_err(io("write pages"))?;
        names.write(pool, &self.budget).map_err(io("write names"))?;
        let (pages, mut images) = survey.finish();
        let (names, blocks) = names.finish(pool);
        images.extend(blocks);
        let streamed = behind.streamed.iter().map(|txn| (txn.first, txn.committed)).collect();
        let live = behind.live.by_segment();
        let map = PageMap { keyspaces, pages, names, live, streamed };
        let placed = files.append(&[map.encode()]).map_err(io("write the page map"))?;
        files.sync().map_err(io("make pages durable"))?;
        images.extend(placed);
        // A page that was stolen meanwhile may have put a segment in doubt.
        if images.iter().any(|image| image.is_doubtful()) {
            let why = "a page segment is in doubt";
            return Err(io("make pages durable")(std::io::Error::other(why)));
        }
        let Some(map) = images.last() else {
            return Err(io("write the page map")(std::io::Error::other("no map")));
        };
        let (segment, offset, len) = (map.segment.no, map.offset, u64::from(map.len));
        Ok((images, MapLocation { segment, offset, len }))
    }

    fn keyspaces(&self, state: &State) -> Vec<MapKeyspace> {
        let catalog = self.shared.catalog().into_iter();
        let listed = catalog.map(|(handle, (id, class))| {
            let live = state.keyspaces.get(&id).is_some_and(|k| k.handle == handle);
            MapKeyspace { handle, id, class, live }
        });
        let mut all: Vec<MapKeyspace> = listed.collect();
        all.sort_by_key(|k| k.handle);
        all
    }

    /// Cleans the log behind the checkpoint: see [`crate::cleaner`].
    fn clean_log(&mut self, behind: Behind, effort: Effort) -> Result<(), CheckpointError> {
        let Behind { begin, lsn, live, oldest_active, streamed } = behind;
        let kept = self.shared.retention.streams_from(lsn);
        let streamed = streamed.iter().filter(|txn| txn.committed >= kept);
        let streams = streamed.map(|txn| txn.first).fold(kept, Lsn::min);
        let needs = Needs { restart: begin, undo: oldest_active.unwrap_or(begin), streams };
        self.shared.retention.advance(&needs);
        let segments = cleaner::choose(&self.shared.log, &live, needs.first(), effort);
        self.move_out_of(&segments, effort)?;
        // Someone may still read an older state, whose values must stay.
        if self.shared.oldest_read() < lsn {
            return Ok(());
        }
        let gone = self.ask(|done| Job::Recycle { needs, live, done })?;
        Counters::add(&self.shared.counters.recycled_segments, gone.len() as u64);
        Ok(())
    }

    /// Moves what is live in segments, piece by piece; the next one is gathered while one is logged. What is
    /// done for an idle store alone ends with the first commit: it comes to more than pays beside traffic,
    /// and nobody who comes back is to wait for it.
    fn move_out_of(&self, segments: &[u64], effort: Effort) -> Result<(), CheckpointError> {
        let goes_on = || match effort {
            Effort::Busy => true,
            Effort::Idle { commits } => self.commits() == commits && !self.budget.is_pressed(),
        };
        let living = match effort {
            Effort::Idle { .. } if !segments.is_empty() => self.living(segments, goes_on),
            _ => None,
        };
        let mut under_way = None;
        for segment in segments {
            let mut moves = cleaner::moves(&self.shared, *segment, effort, living.as_ref());
            let mut move_some = || {
                let Some(moves) = moves.next() else { return Ok(false) };
                let bytes: usize = moves.iter().map(|m| m.value.len()).sum();
                self.moved(under_way.take())?;
                under_way = Some((bytes, self.hand_in(|done| Job::Relocate { moves, done })));
                Ok::<_, CheckpointError>(true)
            };
            while goes_on() && self.budget.piece(effort, &mut move_some)? {}
        }
        self.moved(under_way)
    }

    /// Where what is live in segments lies, if that is worth a walk.
    fn living(&self, segments: &[u64], goes_on: impl Fn() -> bool) -> Option<Living> {
        let Shared { log, pool, .. } = &*self.shared;
        self.budget
            .work(|| Living::of(&self.shared.state(), pool, log.segment_size(), segments, goes_on))
    }

    /// Waits for a frame of moves of so many bytes, if there is one.
    fn moved(&self, under_way: Option<(usize, Asked<usize>)>) -> Result<(), CheckpointError> {
        if let Some((bytes, asked)) = under_way {
            block_on(asked).unwrap_or(Err(CommitError::Closed))?;
            Counters::add(&self.shared.counters.relocated_bytes, bytes as u64);
        }
        Ok(())
    }

    fn commits(&self) -> u64 {
        Counters::get(&self.shared.counters.commits)
    }

    fn hand_in<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Asked<T> {
        let (done, answer) = oneshot::channel();
        self.submit.send(job(done));
        answer
    }

    fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, CommitError> {
        block_on(self.hand_in(job)).unwrap_or(Err(CommitError::Closed))
    }
}

/// Writes pieces within the budget until there is none left; a piece says how many bytes it was. Little
/// at a time is made durable: the log's writes would wait behind all that a checkpoint writes.
fn in_pieces(
    pool: &Pool,
    budget: &Budget,
    mut piece: impl FnMut() -> std::io::Result<Option<u64>>,
) -> std::io::Result<()> {
    let mut unsynced = 0;
    while let Some(bytes) = budget.work(&mut piece)? {
        unsynced += bytes;
        if unsynced >= SYNC_BYTES {
            unsynced = 0;
            budget.work(|| pool.files.sync())?;
        }
    }
    Ok(())
}
