//! Frames that are durable: what they do becomes visible, and those who wait are answered.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use strongroom_wal::Lsn;

use super::Committer;
use super::batch::{Waiter, fail};
use super::flight::{Effect, Flight};
use super::job::{Answer, Job};
use super::queue::Queue;
use crate::id::Committed;
use crate::index::{Changes, State};
use crate::pages::PageError;
use crate::shared::Counters;

/// What weighs less is not worth a frame of its own while another one lands: it waits for company.
const WORTH_BYTES: usize = 4 << 10;

/// A frame whose effect is visible, and that is yet to be answered.
struct Landed {
    lsn: Lsn,
    bytes: u64,
    commits: Vec<Answer<Committed>>,
    waiters: Vec<Waiter>,
    upkeep: bool,
}

impl Committer {
    /// Waits for the oldest frame in flight, publishes what it made and answers.
    pub(super) fn land_one(&mut self) {
        if self.await_one()
            && let Some(landed) = self.publish_one()
        {
            self.answer(landed);
        }
    }

    /// As [`land_one`](Self::land_one). What is handed in meanwhile goes out before the changes are made and
    /// before they are answered, so that the device is busy beside the one and the other.
    pub(super) fn land_one_beside(&mut self, queue: &Queue<Job>) {
        if !self.await_one() {
            return;
        }
        if !self.is_behind() {
            return self.land_one();
        }
        self.work_ready(queue);
        if let Some(landed) = self.publish_one() {
            self.work_ready(queue);
            self.answer(landed);
        }
    }

    /// Works off what is handed in if it is worth a write of its own that need not be waited for.
    fn work_ready(&mut self, queue: &Queue<Job>) {
        if self.flights.len() < self.log.depth()
            && let Some(jobs) = queue.take_ready(WORTH_BYTES)
        {
            self.work(jobs);
        }
    }

    /// Waits until the oldest frame in flight is durable. If it fails those who wait for it are told.
    fn await_one(&mut self) -> bool {
        let Some(first) = self.flights.front_mut() else { return false };
        if first.durable {
            return true;
        }
        match self.log.reap() {
            Ok(landed) => {
                assert!(
                    landed.is_some_and(|f| f.end == first.end),
                    "frames land in the order of the log"
                );
                first.durable = true;
            }
            Err(e) => {
                let e = self.log_error(&e, 0);
                if let Some(Flight { commits, waiters, .. }) = self.flights.pop_front() {
                    fail(commits, waiters, &e);
                }
                return false;
            }
        }
        true
    }

    /// Makes visible what the oldest frame, which is durable, does.
    fn publish_one(&mut self) -> Option<Landed> {
        let Flight { end: lsn, effect, bytes, commits, waiters, upkeep, .. } =
            self.flights.pop_front_if(|flight| flight.durable)?;
        let live_bytes = match effect {
            Effect::State(state, live_bytes) => {
                self.retired.extend(self.shared.publish(state));
                live_bytes
            }
            Effect::Changes(changes) => {
                if let Err(e) = self.change_in_place(lsn, &changes) {
                    let e = self.lost(e);
                    fail(commits, waiters, &e);
                    return None;
                }
                self.live.total()
            }
        };
        self.shared.pool.trim();
        self.shared.counters.live_bytes.store(live_bytes, Ordering::Relaxed);
        Some(Landed { lsn, bytes, commits, waiters, upkeep })
    }

    fn answer(&mut self, landed: Landed) {
        let Landed { lsn, bytes, commits, waiters, upkeep } = landed;
        let counters = &self.shared.counters;
        Counters::add(&counters.frames, 1);
        Counters::add(&counters.commits, commits.len() as u64);
        Counters::add(&counters.log_bytes, bytes);
        let since = counters.since_checkpoint.fetch_add(bytes, Ordering::Relaxed) + bytes;
        for done in commits {
            let _ = done.send(Ok(Committed { lsn }));
        }
        for waiter in waiters {
            waiter(Ok(lsn));
        }
        if !upkeep {
            (self.logged)(since);
        }
    }

    /// Makes the changes of a durable frame where the published state is. The head is the same
    /// state: it is let go of meanwhile, so that nothing is shared that no reader holds.
    fn change_in_place(
        &mut self,
        end: Lsn,
        changes: &BTreeMap<u32, Changes>,
    ) -> Result<(), PageError> {
        self.retired.clear();
        self.head.keyspaces.clear();
        let Self { shared, live, worker, .. } = self;
        let mut outcome = Ok(());
        shared.change(|state| {
            outcome = state.apply(&shared.pool, worker, changes, end, live);
            state.lsn = end;
            state.seal_roots();
        });
        self.head = State::clone(&self.shared.state());
        outcome
    }

    pub(super) fn land_those_to_come(&mut self) {
        while self.is_behind() {
            self.land_one();
        }
    }

    /// Submits what is gathered and waits for all of it.
    pub(super) fn settle(&mut self) {
        self.flush();
        while !self.flights.is_empty() {
            self.land_one();
        }
    }
}
