//! Frames on their way: submitted, and their effect computed while the device is busy, if it is not
//! [made in place](super::land) once they are durable.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use strongroom_merkle::KeyHash;
use strongroom_wal::Lsn;

use super::batch::{Batch, Waiter, fail};
use super::job::Answer;
use super::{Committer, unreadable};
use crate::error::CommitError;
use crate::id::Committed;
use crate::index::{Changes, Keyspaces, State, Touch};
use crate::pages::PageError;

/// Frames that change so many entries change the published state in place. With fewer the copies
/// are made while the device is busy anyway, with more readers would wait for too long.
const IN_PLACE: RangeInclusive<usize> = 16..=8192;

/// A frame that was submitted.
pub(super) struct Flight {
    pub(super) end: Lsn,
    pub(super) effect: Effect,
    pub(super) bytes: u64,
    pub(super) commits: Vec<Answer<Committed>>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) upkeep: bool,
    pub(super) durable: bool,
}

/// What a frame does.
pub(super) enum Effect {
    /// Makes a state, and so many live bytes in it.
    State(Arc<State>, u64),
    /// Changes the state before it, in place, once it is durable.
    Changes(BTreeMap<u32, Changes>),
}

impl Flight {
    /// What this frame makes of an entry, if it touches it and that is still to come.
    pub(super) fn change(&self, handle: u32, hash: &KeyHash) -> Option<&Touch> {
        match &self.effect {
            Effect::Changes(changes) => changes.get(&handle)?.get(hash),
            Effect::State(..) => None,
        }
    }

    /// Where the log ends with it.
    pub(super) fn end(&self) -> Lsn {
        self.end
    }

    /// Those who are told besides.
    pub(super) fn waiters(&mut self) -> &mut Vec<Waiter> {
        &mut self.waiters
    }

    fn is_to_come(&self) -> bool {
        matches!(self.effect, Effect::Changes(_))
    }
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
        let Batch { frame, changes, pending, keyspaces, commits, waiters, upkeep } = batch;
        if self.flights.len() >= self.log.depth() {
            self.land_one();
        }
        let entries: usize = changes.values().map(Changes::len).sum();
        self.retired.clear();
        // While a checkpoint or a snapshot holds a state, copies are made beside the readers.
        let in_place = keyspaces.is_none()
            && pending.is_empty()
            && IN_PLACE.contains(&entries)
            && !self.shared.is_held();
        if !in_place {
            self.land_those_to_come();
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
        let (end, bytes) = (submitted.end, submitted.end.0 - submitted.start.0);
        let effect = if in_place {
            Effect::Changes(changes)
        } else if let Err(e) = self.advance(end, keyspaces, &changes, &pending) {
            let e = self.lost(e);
            fail(commits, waiters, &e);
            return Err(e);
        } else {
            Effect::State(Arc::new(self.head.clone()), self.live.total())
        };
        let durable = false;
        self.flights.push_back(Flight { end, effect, bytes, commits, waiters, upkeep, durable });
        self.retired.clear();
        Ok(())
    }

    /// The effect of a frame that may become durable, or is, is not known here: only a restart can
    /// tell, from the log.
    pub(super) fn lost(&self, e: PageError) -> CommitError {
        self.shared.fail(e.to_string());
        CommitError::Failed(unreadable(e).to_string())
    }

    /// Whether the effect of a frame in flight on the head is still to come. If that of one is, so
    /// is that of all behind it.
    pub(super) fn is_behind(&self) -> bool {
        self.flights.back().is_some_and(Flight::is_to_come)
    }

    /// Submits what is gathered, and sees to it that the head has the effect of all that is.
    pub(super) fn catch_up(&mut self) {
        self.flush();
        self.land_those_to_come();
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
        self.head.apply(pool, &self.worker, changes, end, &mut self.live)?;
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
            gone.uncount(&self.shared.pool, &mut self.live)?;
        }
        Ok(())
    }
}
