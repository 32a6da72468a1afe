//! Frames in flight: submitted, their effect computed, published when durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_wal::Lsn;

use super::batch::{Batch, Waiter, fail};
use super::job::Answer;
use super::{Committer, unreadable};
use crate::error::CommitError;
use crate::id::Committed;
use crate::index::{Changes, Keyspaces, State};
use crate::pages::PageError;
use crate::shared::Counters;

/// A frame that was submitted, with the state that it makes.
pub(super) struct Flight {
    state: Arc<State>,
    bytes: u64,
    live_bytes: u64,
    commits: Vec<Answer<Committed>>,
    waiters: Vec<Waiter>,
}

impl Committer {
    /// Submits the frame and computes what it makes while it is being written. If that fails those
    /// who wait for the frame are told.
    pub(super) fn flush(&mut self) {
        let _ = self.try_flush();
    }

    /// As [`Committer::flush`]; answers whether the frame went out. After `NoSpace` it did not, and
    /// the store goes on.
    pub(super) fn try_flush(&mut self) -> Result<(), CommitError> {
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let Batch { frame, changes, pending, keyspaces, commits, waiters } = batch;
        if self.flights.len() >= self.log.depth() {
            self.land_one();
        }
        let size = frame.payload_len();
        let submitted = match self.log.submit(frame) {
            Ok(submitted) => submitted,
            Err(e) => {
                let e = self.log_error(&e, size);
                fail(commits, waiters, &e);
                return Err(e);
            }
        };
        if let Err(e) = self.advance(submitted.end, keyspaces, &changes, &pending) {
            // The frame may become durable and its effect is not known here: only a restart can
            // tell, from the log.
            self.shared.fail(e.to_string());
            let e = CommitError::Failed(unreadable(e).to_string());
            fail(commits, waiters, &e);
            return Err(e);
        }
        self.flights.push_back(Flight {
            state: Arc::new(self.head.clone()),
            bytes: submitted.end.0 - submitted.start.0,
            live_bytes: self.live.total(),
            commits,
            waiters,
        });
        self.retired.clear();
        Ok(())
    }

    /// Moves the head on by one frame.
    fn advance(
        &mut self,
        end: Lsn,
        keyspaces: Option<Keyspaces>,
        changes: &BTreeMap<u32, Changes>,
        pending: &BTreeMap<u32, Changes>,
    ) -> Result<(), PageError> {
        let shared = Arc::clone(&self.shared);
        let pool = &*shared.pool;
        if let Some(keyspaces) = keyspaces {
            self.forget_dropped(&keyspaces)?;
            self.head.keyspaces = keyspaces;
        }
        self.head.lsn = end;
        for keyspace in self.head.keyspaces.values_mut() {
            if let Some(changes) = changes.get(&keyspace.handle) {
                let keyspace = Arc::make_mut(keyspace);
                keyspace.apply(pool, &self.worker, changes, end, &mut self.live)?;
            }
        }
        for (handle, changes) in pending {
            self.head.apply_pending(pool, &self.worker, *handle, changes, end)?;
        }
        self.head.seal_roots();
        Ok(())
    }

    /// The values of keyspaces that are not among `next` are dead.
    fn forget_dropped(&mut self, next: &Keyspaces) -> Result<(), PageError> {
        for (id, gone) in &self.head.keyspaces {
            if next.get(id).is_some_and(|k| k.handle == gone.handle) {
                continue;
            }
            for page in gone.trie.pages() {
                for leaf in self.shared.pool.load(page.handle)?.iter() {
                    self.live.sub(&leaf.value, leaf.key);
                }
            }
        }
        Ok(())
    }

    /// Waits for the oldest frame in flight, publishes what it made and answers.
    pub(super) fn land_one(&mut self) {
        let Some(flight) = self.flights.pop_front() else { return };
        let Flight { state, bytes, live_bytes, commits, waiters } = flight;
        let lsn = state.lsn;
        let landed = match self.log.reap() {
            Ok(landed) => landed,
            Err(e) => {
                let e = self.log_error(&e, 0);
                return fail(commits, waiters, &e);
            }
        };
        assert!(landed.is_some_and(|f| f.end == lsn), "frames land in the order of the log");
        let before = self.shared.publish(state);
        self.retired.push(before);
        self.shared.pool.trim();
        let counters = &self.shared.counters;
        Counters::add(&counters.frames, 1);
        Counters::add(&counters.commits, commits.len() as u64);
        Counters::add(&counters.log_bytes, bytes);
        counters.live_bytes.store(live_bytes, Ordering::Relaxed);
        let since = counters.since_checkpoint.fetch_add(bytes, Ordering::Relaxed) + bytes;
        for done in commits {
            let _ = done.send(Ok(Committed { lsn }));
        }
        for waiter in waiters {
            waiter(Ok(lsn));
        }
        (self.logged)(since);
    }

    /// Submits what is gathered and waits for all of it.
    pub(super) fn settle(&mut self) {
        self.flush();
        while !self.flights.is_empty() {
            self.land_one();
        }
    }
}
