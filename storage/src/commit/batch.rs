//! The frame that the committer is filling, and what it means for those who come after.

use std::collections::{BTreeMap, VecDeque};

use strongroom_merkle::KeyHash;
use strongroom_wal::{FrameBuilder, Lsn};

use super::flight::Flight;
use super::job::{Answer, ReadSet};
use crate::error::CommitError;
use crate::id::{Committed, KeyspaceId, Version};
use crate::index::{Changes, Keyspaces, State, Touch};
use crate::pages::{PageError, Pool};

/// Who waits for a frame to be durable.
pub(super) type Waiter = Box<dyn FnOnce(Result<Lsn, CommitError>) + Send>;

/// A frame being filled.
pub(crate) struct Batch {
    pub(super) frame: FrameBuilder,
    /// Committed entries, by number of the keyspace.
    pub(super) changes: BTreeMap<u32, Changes>,
    /// Uncommitted entries, by number of the keyspace.
    pub(super) pending: BTreeMap<u32, Changes>,
    /// The keyspaces, if the frame makes or drops some.
    pub(super) keyspaces: Option<Keyspaces>,
    pub(super) commits: Vec<Answer<Committed>>,
    pub(super) waiters: Vec<Waiter>,
    /// The store's own doing: no checkpoint becomes due by it.
    pub(super) upkeep: bool,
}

impl Batch {
    pub(super) fn new(frame: FrameBuilder) -> Self {
        Self {
            frame,
            changes: BTreeMap::new(),
            pending: BTreeMap::new(),
            keyspaces: None,
            commits: Vec::new(),
            waiters: Vec::new(),
            upkeep: false,
        }
    }

    /// What this frame makes of an entry, if it touches it.
    pub(super) fn change(&self, handle: u32, hash: &KeyHash) -> Option<&Touch> {
        self.changes.get(&handle)?.get(hash)
    }

    /// Ends all who wait.
    pub(super) fn fail(self, e: &CommitError) {
        fail(self.commits, self.waiters, e);
    }
}

/// Tells everyone that it failed.
pub(super) fn fail(commits: Vec<Answer<Committed>>, waiters: Vec<Waiter>, e: &CommitError) {
    for done in commits {
        let _ = done.send(Err(e.clone()));
    }
    for waiter in waiters {
        waiter(Err(e.clone()));
    }
}

/// What frames in flight whose effect is still to come, and a frame on top of them, make of an entry,
/// if any touches it.
pub(super) fn upcoming<'a>(
    flights: &'a VecDeque<Flight>,
    batch: Option<&'a Batch>,
    handle: u32,
    hash: &KeyHash,
) -> Option<&'a Touch> {
    let in_frame = batch.and_then(|batch| batch.change(handle, hash));
    in_frame.or_else(|| flights.iter().rev().find_map(|flight| flight.change(handle, hash)))
}

/// The state with frames, as a transaction that commits next finds it.
pub(super) struct Ahead<'a> {
    pub(super) state: &'a State,
    pub(super) flights: &'a VecDeque<Flight>,
    pub(super) batch: Option<&'a Batch>,
    pub(super) pool: &'a Pool,
}

impl Ahead<'_> {
    /// The version that an entry will have.
    fn version(&self, id: KeyspaceId, hash: &KeyHash) -> Result<Option<Version>, PageError> {
        let Some(keyspace) = self.state.keyspaces.get(&id) else { return Ok(None) };
        let slot = match upcoming(self.flights, self.batch, keyspace.handle, hash) {
            Some(touch) => touch.put.map(|entry| entry.slot),
            None => keyspace.get_by_hash(self.pool, hash)?,
        };
        Ok(slot.map(|slot| slot.version()))
    }

    /// Whether what a transaction read still holds.
    pub(super) fn still_true(&self, reads: &ReadSet) -> Result<bool, PageError> {
        for (id, hash, seen) in &reads.entries {
            if self.version(*id, hash)? != *seen {
                return Ok(false);
            }
        }
        for (id, existed) in &reads.lists {
            if !self.list_still_true(*id, *existed, reads.at)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether no key of a keyspace came or went since `at`. No frame in flight may be one whose
    /// effect on the state is still to come.
    fn list_still_true(&self, id: KeyspaceId, existed: bool, at: Lsn) -> Result<bool, PageError> {
        let Some(keyspace) = self.state.keyspaces.get(&id) else { return Ok(!existed) };
        if !existed || keyspace.structure > at {
            return Ok(false);
        }
        for (hash, touch) in
            self.batch.iter().filter_map(|b| b.changes.get(&keyspace.handle)).flatten()
        {
            let before = keyspace.get(self.pool, hash)?;
            if before.is_some() != touch.put.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
