//! Transactions.
//!
//! A transaction reads one consistent state, the one that was published when it first read, and
//! buffers what it writes. At commit everything it read is validated against the state it commits on top
//! of, in commit order: transactions are serializable, in the order of their positions in the log.
//! (Optimistic concurrency control with backward validation, after H. T. Kung and J. T. Robinson,
//! "On Optimistic Methods for Concurrency Control", TODS 6(2), 1981.)
//!
//! A transaction of any size commits: what does not fit one frame of the log is logged before it
//! commits, and taken back, from the log's before-images, should it not. The same goes for a
//! transaction that asks for it, with [`Txn::spill`] or a savepoint.
//!
//! A list or scan is validated by the keyspace: if any key of it came or went, the transaction
//! conflicts.
//!
//! - [`names`]: lists and scans;
//! - [`sight`]: whether what was read still stands, asked cheaply by another transaction;
//! - [`commit`]: the end, and what is logged before it.

mod commit;
mod names;
mod sight;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use strongroom_merkle::KeyHash;

pub use self::commit::Savepoint;
pub use self::sight::{ReadMark, Sighting};
use crate::commit::job::{Owner, ReadSet, Spilled, Submit};
use crate::error::{CommitError, ReadError};
use crate::id::{Class, KeyspaceId, Version};
use crate::index::{DELETED, Keyspace, State};
use crate::shared::Shared;
use crate::values::Values;

/// Reads that most transactions have room for from the start.
const READS: usize = 12;

/// A transaction. Dropping it takes it back.
pub struct Txn {
    /// What is read, once something was: as long as a state is held, what is committed has to leave
    /// it alone. Handed to the committer with the writes, which lets go of it when it has time.
    state: OnceLock<Arc<State>>,
    store: Arc<Access>,
    reads: ReadSet,
    drops: Vec<KeyspaceId>,
    creates: Vec<(KeyspaceId, Class)>,
    /// What is not logged yet.
    writes: Writes,
    /// What is logged already: written, or deleted.
    logged: BTreeMap<(KeyspaceId, Vec<u8>), bool>,
    spilled: Option<Spilled>,
    /// Names it to the committer, also while a spill is under way; made when it is needed.
    owner: Option<Owner>,
    /// Numbers of the savepoints that it can be rolled back to, ascending, and how many it made.
    savepoints: Vec<u64>,
    savepoints_made: u64,
    /// There may be something to take back.
    to_take_back: bool,
    /// Writes were lost on the way to the log: it must not commit without them.
    lost: Option<CommitError>,
}

/// What all transactions of a store go through, behind one count of holders.
pub(crate) struct Access {
    pub(crate) shared: Arc<Shared>,
    pub(crate) values: Values,
    pub(crate) submit: Submit,
}

type Writes = BTreeMap<(KeyspaceId, Vec<u8>), Option<Vec<u8>>>;

impl Txn {
    pub(crate) fn new(store: Arc<Access>) -> Self {
        let entries = Vec::with_capacity(READS);
        Self {
            state: OnceLock::new(),
            store,
            reads: ReadSet { entries, ..ReadSet::default() },
            drops: Vec::new(),
            creates: Vec::new(),
            writes: BTreeMap::new(),
            logged: BTreeMap::new(),
            spilled: None,
            owner: None,
            savepoints: Vec::new(),
            savepoints_made: 0,
            to_take_back: false,
            lost: None,
        }
    }

    /// A keyspace as it was when this transaction first read.
    fn seen(&self, keyspace: KeyspaceId) -> Option<&Arc<Keyspace>> {
        self.state.get_or_init(|| self.store.shared.state()).keyspaces.get(&keyspace)
    }

    /// The value: what this transaction wrote, or else what was committed when it first read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn get(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if !self.writes.is_empty() || !self.logged.is_empty() {
            let name = (keyspace, key.to_vec());
            if let Some(written) = self.writes.get(&name) {
                return Ok(written.clone());
            }
            if let Some(kept) = self.logged.get(&name) {
                return if *kept { self.get_logged(keyspace, key) } else { Ok(None) };
            }
        }
        let hash = KeyHash::of(key);
        let entry = match self.seen(keyspace) {
            Some(k) => k.get(&self.store.values.pool, &hash)?,
            None => None,
        };
        self.reads.entries.push((keyspace, hash, entry.map(|e| e.slot.version())));
        entry.map(|entry| self.store.values.read(key, &entry)).transpose()
    }

    /// What this transaction wrote and logged.
    fn get_logged(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let spilled = self.spilled.as_ref();
        let Some(handle) = spilled.and_then(|s| s.handles.get(&keyspace)) else { return Ok(None) };
        let state = self.store.shared.state();
        let hash = KeyHash::of(key);
        let entry = state.get_pending(&self.store.values.pool, *handle, &hash)?;
        let entry = entry.filter(|entry| entry.slot.len != DELETED);
        entry.map(|entry| self.store.values.read(key, &entry)).transpose()
    }

    /// The committed entry's version; own writes are not seen. Touches no value.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn version(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Option<Version>, ReadError> {
        self.version_of(keyspace, KeyHash::of(key))
    }

    fn version_of(
        &mut self,
        keyspace: KeyspaceId,
        hash: KeyHash,
    ) -> Result<Option<Version>, ReadError> {
        let entry = match self.seen(keyspace) {
            Some(k) => k.get(&self.store.values.pool, &hash)?,
            None => None,
        };
        let version = entry.map(|e| e.slot.version());
        self.reads.entries.push((keyspace, hash, version));
        Ok(version)
    }

    /// Whether this transaction itself wrote or deleted the key.
    pub fn wrote(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        if self.writes.is_empty() && self.logged.is_empty() {
            return false;
        }
        let name = (keyspace, key.to_vec());
        self.writes.contains_key(&name) || self.logged.contains_key(&name)
    }

    /// Writes a value.
    pub fn put(&mut self, keyspace: KeyspaceId, key: &[u8], value: Vec<u8>) {
        self.writes.insert((keyspace, key.to_vec()), Some(value));
    }

    /// Deletes a value, if there is one.
    pub fn delete(&mut self, keyspace: KeyspaceId, key: &[u8]) {
        self.writes.insert((keyspace, key.to_vec()), None);
    }

    /// Creates an empty keyspace. If it exists the commit fails with `UnknownKeyspace`.
    pub fn create_keyspace(&mut self, keyspace: KeyspaceId, class: Class) {
        self.creates.push((keyspace, class));
    }

    /// Drops a keyspace with all its entries, before any create or write of this transaction.
    pub fn drop_keyspace(&mut self, keyspace: KeyspaceId) {
        self.drops.push(keyspace);
    }

    /// There is nothing to commit.
    pub fn is_read_only(&self) -> bool {
        self.writes.is_empty()
            && self.spilled.is_none()
            && self.creates.is_empty()
            && self.drops.is_empty()
    }

    /// Whether a write, create or drop touches a replicated keyspace.
    pub fn writes_replicated(&self) -> bool {
        let state = self.store.shared.glance();
        let existing =
            |id: &KeyspaceId| state.keyspaces.get(id).is_some_and(|k| k.class == Class::Replicated);
        self.creates.iter().any(|(_, class)| *class == Class::Replicated)
            || self.drops.iter().any(existing)
            || self.writes.keys().chain(self.logged.keys()).any(|(id, _)| existing(id))
    }
}
