//! Checkpoints: the changed pages of one consistent state, written beside the traffic.
//!
//! The published state is persistent, so a checkpoint pins it and writes at leisure; commits go on.
//! What changed since the last checkpoint is what the two states do not share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_aries::{CheckpointEnd, DirtyPageTable, MapLocation, PageId, TransactionTable};
use strongroom_wal::Lsn;
use strongroom_wal::disk::Disk;
use tokio::sync::oneshot;

use crate::block_on::block_on;
use crate::cleaner;
use crate::error::{CheckpointError, CommitError};
use crate::index::{IndexEntry, Keyspace, State};
use crate::job::{Answer, Job, Pinned, Submit};
use crate::master;
use crate::page::{MapKeyspace, Master, PageMap};
use crate::pages::{PAGE_ENTRIES_MAX, PageIndex, PageWriter, page_id};
use crate::shared::{Counters, Shared};

/// Writes checkpoints, one at a time.
pub(crate) struct Checkpointer {
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    submit: Submit,
    writer: PageWriter,
    pages: PageIndex,
    /// The state of the last complete checkpoint.
    last: Arc<State>,
    master: Master,
    retention_bytes: u64,
}

impl Checkpointer {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        shared: Arc<Shared>,
        submit: Submit,
        master: Master,
        last: Option<(PageIndex, Arc<State>)>,
        retention_bytes: u64,
    ) -> std::io::Result<Self> {
        let map = last.is_some().then_some(master.map);
        let writer = PageWriter::new(Arc::clone(&disk), map)?;
        let (pages, last) =
            last.unwrap_or_else(|| (PageIndex::default(), Arc::new(State::empty(Lsn::ZERO))));
        Ok(Self { disk, shared, submit, writer, pages, last, master, retention_bytes })
    }

    /// Makes a checkpoint of the state published now. Blocks until it is durable.
    pub(crate) fn run(&mut self) -> Result<Lsn, CheckpointError> {
        let result = self.attempt();
        if result.is_err() {
            self.writer.abandon();
        }
        result
    }

    /// The whole protocol. Until the master record is replaced the last checkpoint stands: its
    /// pages, its map and the log from its begin record are all still there.
    fn attempt(&mut self) -> Result<Lsn, CheckpointError> {
        let pinned: Pinned = self.ask(|done| Job::BeginCheckpoint { done })?;
        let (pages, map) = self.write_pages(&pinned)?;
        let end = Box::new(CheckpointEnd {
            begin: pinned.begin.0,
            map,
            transactions: TransactionTable::default(),
            dirty: DirtyPageTable::default(),
        });
        let durable = self.ask(|done| Job::EndCheckpoint { end, done })?;
        let master = Master { checkpoint: pinned.begin, durable, map, ..self.master };
        master::write(&self.disk, &master).map_err(CheckpointError::io("write MASTER"))?;
        (self.master, self.pages, self.last) = (master, pages, Arc::clone(&pinned.state));
        self.writer.remove_others().map_err(CheckpointError::io("remove old pages"))?;
        self.clean_log(pinned)?;
        Counters::add(&self.shared.counters.checkpoints, 1);
        self.shared.counters.checkpoint_lsn.store(self.master.checkpoint.0, Ordering::Relaxed);
        Ok(self.master.checkpoint)
    }

    /// Writes the pages that differ from the last checkpoint, and the map of all.
    fn write_pages(
        &mut self,
        pinned: &Pinned,
    ) -> Result<(PageIndex, MapLocation), CheckpointError> {
        let io = CheckpointError::io;
        let all = self.writer.wants_rewrite(&self.pages);
        if all {
            self.writer.start_segment().map_err(io("create a page segment"))?;
        }
        let mut pages = if all { PageIndex::default() } else { self.pages.clone() };
        let live: BTreeMap<u32, &Keyspace> =
            pinned.state.keyspaces.values().map(|k| (k.handle, &**k)).collect();
        pages.0.retain(|page, _| live.contains_key(&page.keyspace));
        for (handle, keyspace) in live {
            let before = self.last.keyspaces.values().find(|k| k.handle == handle).filter(|_| !all);
            let changes = Changed::of(keyspace, before.map(|k| &**k));
            for page in changes.gone {
                pages.0.remove(&page);
            }
            for (page, entries) in changes.written {
                let at = self
                    .writer
                    .write(page, pinned.begin.0, &entries)
                    .map_err(io("write a page"))?;
                pages.0.insert(page, at);
            }
        }
        let map = PageMap {
            keyspaces: self.keyspaces(&pinned.state),
            pages: pages.0.iter().map(|(page, at)| (*page, *at)).collect(),
        };
        let at = self.writer.finish(&map).map_err(io("write the page map"))?;
        Ok((pages, at))
    }

    fn keyspaces(&self, state: &State) -> Vec<MapKeyspace> {
        let mut all: Vec<MapKeyspace> = self
            .shared
            .catalog()
            .into_iter()
            .map(|(handle, (id, class))| MapKeyspace {
                handle,
                id,
                class,
                live: state.keyspaces.get(&id).is_some_and(|k| k.handle == handle),
            })
            .collect();
        all.sort_by_key(|k| k.handle);
        all
    }

    /// Cleans the log behind the checkpoint: see [`crate::cleaner`].
    fn clean_log(&mut self, pinned: Pinned) -> Result<(), CheckpointError> {
        let kept = Lsn(pinned.state.lsn.0.saturating_sub(self.retention_bytes));
        let needed_from = pinned.begin.min(kept);
        let chosen = cleaner::choose(&self.shared.log, &pinned.live, needed_from);
        for moves in cleaner::moves(&self.shared, &pinned, &chosen) {
            let bytes: usize = moves.iter().map(|m| m.value.len()).sum();
            self.ask(|done| Job::Relocate { moves, done })?;
            Counters::add(&self.shared.counters.relocated_bytes, bytes as u64);
        }
        // Someone may still read an older state, whose values must stay.
        if self.shared.oldest_read() < pinned.state.lsn {
            return Ok(());
        }
        let live = pinned.live;
        let gone = self.ask(|done| Job::Recycle { needed_from, live, done })?;
        Counters::add(&self.shared.counters.recycled_segments, gone.len() as u64);
        Ok(())
    }

    fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, CommitError> {
        let (done, answer) = oneshot::channel();
        self.submit.send(job(done));
        block_on(answer).unwrap_or(Err(CommitError::Closed))
    }
}

/// Pages of a keyspace that differ between two states.
struct Changed {
    written: Vec<(PageId, Vec<IndexEntry>)>,
    gone: Vec<PageId>,
}

impl Changed {
    fn of(now: &Keyspace, before: Option<&Keyspace>) -> Self {
        let empty = strongroom_merkle::Trie::new();
        let old = before.map_or(&empty, |k| &k.trie);
        let changed = now.trie.changed_pages(old, PAGE_ENTRIES_MAX);
        let id = |prefix: &strongroom_merkle::Prefix| page_id(now.handle, prefix);
        Self {
            written: changed
                .written
                .iter()
                .map(|page| (id(&page.prefix()), page.iter().cloned().collect()))
                .collect(),
            gone: changed.gone.iter().map(id).collect(),
        }
    }
}
