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

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use strongroom_merkle::{KeyHash, leaf_digest};
use strongroom_wal::Lsn;
use tokio::sync::oneshot;

use crate::block_on::block_on;
use crate::commit::Desk;
use crate::commit::job::{Answer, Job, Made, Owner, Prepared, ReadSet, Spilled, Submit, Write};
use crate::directory::Directory;
use crate::error::{CommitError, ReadError};
use crate::id::{Class, Committed, KeyspaceId, Version};
use crate::index::{DELETED, Keyspace, State};
use crate::shared::Shared;
use crate::values::Values;

/// Longest key, bytes.
pub const KEY_MAX: usize = 32 << 10;
/// Longest value, bytes.
pub const VALUE_MAX: usize = 12 << 20;
/// Reads that most transactions have room for from the start.
const READS: usize = 12;
/// Writes of more bytes than this are logged before the transaction commits.
const FRAME_MAX: usize = 4 << 20;

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

/// How one transaction found an entry, so that a later one is told cheaply whether it still stands
/// so: while nothing in its keyspace was written, without a look into the index.
#[derive(Debug)]
pub struct Sighting {
    keyspace: KeyspaceId,
    /// The keyspace as it was then; kept weakly, so that it names that state and holds nothing.
    within: Option<Weak<Keyspace>>,
    hash: KeyHash,
    version: Option<Version>,
}

impl Sighting {
    /// The entry's version, if it was there.
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

/// A point in what a transaction has read.
#[derive(Clone, Copy, Debug)]
pub struct ReadMark {
    entries: usize,
    lists: usize,
}

type Writes = BTreeMap<(KeyspaceId, Vec<u8>), Option<Vec<u8>>>;

/// A point that a transaction can be rolled back to, any number of times, until it is rolled back
/// to an earlier one.
#[derive(Clone, Debug)]
pub struct Savepoint {
    last: Lsn,
    logged: BTreeMap<(KeyspaceId, Vec<u8>), bool>,
    drops: usize,
    creates: usize,
}

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

    /// As [`Txn::version`], and what it takes to ask again in another transaction.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn sight(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Result<Sighting, ReadError> {
        let hash = KeyHash::of(key);
        let version = self.version_of(keyspace, hash)?;
        let within = self.seen(keyspace).map(Arc::downgrade);
        Ok(Sighting { keyspace, within, hash, version })
    }

    /// Where it is with its reads.
    pub fn read_mark(&self) -> ReadMark {
        ReadMark { entries: self.reads.entries.len(), lists: self.reads.lists.len() }
    }

    /// All that was read since; `None` where nothing tells later whether it still stands: there were
    /// lists, or the transaction has writes of its own.
    pub fn sighted_since(&self, mark: ReadMark) -> Option<Vec<Sighting>> {
        if !self.is_read_only() || self.reads.lists.len() != mark.lists {
            return None;
        }
        let sighting = |(keyspace, hash, version): &(KeyspaceId, KeyHash, Option<Version>)| {
            let within = self.seen(*keyspace).map(Arc::downgrade);
            Sighting { keyspace: *keyspace, within, hash: *hash, version: *version }
        };
        self.reads.entries.get(mark.entries..).map(|read| read.iter().map(sighting).collect())
    }

    /// Whether an entry still has the version that another transaction saw. It counts as a read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn still(&mut self, sighting: &mut Sighting) -> Result<bool, ReadError> {
        let seen = self.seen(sighting.keyspace);
        let same = match (seen, &sighting.within) {
            (Some(now), Some(then)) => std::ptr::eq(Arc::as_ptr(now), then.as_ptr()),
            (None, None) => true,
            _ => false,
        };
        if same {
            self.reads.entries.push((sighting.keyspace, sighting.hash, sighting.version));
            return Ok(true);
        }
        let within = seen.map(Arc::downgrade);
        if self.version_of(sighting.keyspace, sighting.hash)? != sighting.version {
            return Ok(false);
        }
        sighting.within = within;
        Ok(true)
    }

    /// Whether this transaction itself wrote or deleted the key.
    pub fn wrote(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        if self.writes.is_empty() && self.logged.is_empty() {
            return false;
        }
        let name = (keyspace, key.to_vec());
        self.writes.contains_key(&name) || self.logged.contains_key(&name)
    }

    /// Names one level below `prefix` (folders with a trailing slash), in order, strictly after
    /// `after`, at most `limit`; own writes included.
    pub fn list(
        &mut self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        self.reads.lists.push((keyspace, self.seen(keyspace).is_some()));
        match self.seen(keyspace) {
            _ if self.writes_to(keyspace) => {
                self.directory_with_writes(keyspace).list(prefix, after, limit)
            }
            Some(k) => k.directory.list(prefix, after, limit),
            None => Vec::new(),
        }
    }

    /// Keys that start with `prefix`, in order, strictly after `after`, at most `limit`; own writes
    /// included.
    pub fn scan(
        &mut self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        self.reads.lists.push((keyspace, self.seen(keyspace).is_some()));
        self.scan_unvalidated(keyspace, prefix, after, limit)
    }

    /// As [`Txn::scan`], but keys that come or go until the commit are no conflict. For an index
    /// whose entries are read, and so validated, one by one.
    pub fn scan_unvalidated(
        &self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        match self.seen(keyspace) {
            _ if self.writes_to(keyspace) => {
                self.directory_with_writes(keyspace).scan(prefix, after, limit)
            }
            Some(k) => k.directory.scan(prefix, after, limit),
            None => Vec::new(),
        }
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

    /// Logs what is buffered now, to bound the memory of a large transaction. Other transactions
    /// that write the same keys meet a conflict from here on until this one ends.
    ///
    /// Cancel safe in this sense: the writes may be logged though the future is dropped, and are
    /// taken back with the transaction, which answers `Conflict` to all that follows.
    ///
    /// # Errors
    /// See [`CommitError`]; `Conflict` when another transaction holds one of the keys. The
    /// transaction answers the same from then on: drop it.
    pub async fn spill(&mut self) -> Result<(), CommitError> {
        if let Some(e) = &self.lost {
            return Err(e.clone());
        }
        if self.writes.is_empty() {
            return Ok(());
        }
        // Stands if the future is dropped.
        self.lost = Some(CommitError::Conflict);
        let spilled = self.spill_writes().await;
        self.lost = spilled.as_ref().err().cloned();
        spilled
    }

    async fn spill_writes(&mut self) -> Result<(), CommitError> {
        let writes = std::mem::take(&mut self.writes);
        for ((keyspace, key), value) in &writes {
            self.logged.insert((*keyspace, key.clone()), value.is_some());
        }
        let writes = prepare(writes)?;
        let made = self.made();
        let owner = self.owner();
        let (done, answer) = oneshot::channel();
        self.to_take_back = true;
        self.store.submit.send(Job::Spill { owner, made, writes, done });
        let mut spilled = answer.await.unwrap_or(Err(CommitError::Closed))?;
        if let Some(before) = self.spilled.take() {
            spilled.handles.extend(before.handles);
        }
        self.spilled = Some(spilled);
        Ok(())
    }

    /// Logs what is buffered and answers a point to which the transaction can be rolled back.
    ///
    /// # Errors
    /// See [`Txn::spill`].
    pub async fn savepoint(&mut self) -> Result<Savepoint, CommitError> {
        self.spill().await?;
        Ok(Savepoint {
            last: self.spilled.as_ref().map_or(Lsn::ZERO, |s| s.last),
            logged: self.logged.clone(),
            drops: self.drops.len(),
            creates: self.creates.len(),
        })
    }

    /// Takes back everything since the savepoint; what was read stays read. Later savepoints are
    /// void.
    ///
    /// # Errors
    /// See [`CommitError`]; the transaction answers the same from then on: drop it.
    pub async fn roll_back_to(&mut self, savepoint: &Savepoint) -> Result<(), CommitError> {
        if let Some(e) = &self.lost {
            return Err(e.clone());
        }
        self.writes.clear();
        self.drops.truncate(savepoint.drops);
        self.creates.truncate(savepoint.creates);
        let owner = self.owner();
        if let Some(spilled) = &mut self.spilled
            && spilled.last > savepoint.last
        {
            let to = Some(savepoint.last);
            let (done, answer) = oneshot::channel();
            self.lost = Some(CommitError::Conflict);
            self.store.submit.send(Job::RollBack { owner, to, done });
            let undone = answer.await.unwrap_or(Err(CommitError::Closed));
            self.lost = undone.as_ref().err().cloned();
            undone?;
            spilled.last = savepoint.last;
        }
        self.logged.clone_from(&savepoint.logged);
        Ok(())
    }

    /// Commits; durable and visible when it answers. A transaction that wrote nothing answers at
    /// once, without validation: what it read is one consistent state.
    ///
    /// Cancel safe in this sense: a transaction that fits one frame goes on, once first polled,
    /// though the future is dropped, and only its answer is lost; a larger one does so from the
    /// moment that all of its writes are logged, and is taken back before.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(self) -> Result<Committed, CommitError> {
        self.commit_by(Desk::send).await
    }

    /// As [`Txn::commit`], blocking the thread. Not for async code.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn commit_blocking(self) -> Result<Committed, CommitError> {
        block_on(self.commit_by(Desk::send_or_do))
    }

    async fn commit_by(mut self, hand_in: fn(&Desk, Job)) -> Result<Committed, CommitError> {
        if let Some(e) = self.lost.take() {
            return Err(e);
        }
        if self.is_read_only() {
            let read = self.state.get().map(|state| state.lsn);
            return Ok(Committed { lsn: read.unwrap_or_else(|| self.store.shared.state().lsn) });
        }
        let bytes: usize =
            self.writes.iter().map(|((_, k), v)| k.len() + v.as_ref().map_or(0, Vec::len)).sum();
        let room =
            FRAME_MAX.min(usize::try_from(self.store.values.log.segment_size() / 2).unwrap_or(0));
        let large = bytes > room && self.writes.len() > 1;
        if large || self.spilled.is_some() {
            self.spill().await?;
        }
        let writes = prepare(std::mem::take(&mut self.writes))?;
        let at = self.state.get().map_or(Lsn::ZERO, |state| state.lsn);
        let prepared = Prepared {
            reads: ReadSet { at, ..std::mem::take(&mut self.reads) },
            drops: std::mem::take(&mut self.drops),
            creates: std::mem::take(&mut self.creates),
            writes,
            seen: self.state.take(),
        };
        let (done, answer) = oneshot::channel();
        self.to_take_back = false;
        let job = match self.spilled.take() {
            Some(spilled) => Job::CommitSpilled { txn: spilled.txn, prepared, done },
            None => Job::Commit { prepared, done },
        };
        let desk = Arc::clone(&self.store.submit);
        let _present = desk.enter();
        hand_in(&desk, job);
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    fn owner(&mut self) -> Owner {
        Arc::clone(self.owner.get_or_insert_default())
    }

    /// Keyspaces that this transaction makes, with the numbers set aside for them.
    fn made(&self) -> Made {
        let known = self.spilled.as_ref().map(|s| &s.made);
        let number = |id: &KeyspaceId| known.and_then(|made| made.get(id)?.1);
        self.creates.iter().map(|(id, class)| (*id, (*class, number(id)))).collect()
    }

    fn writes_to(&self, keyspace: KeyspaceId) -> bool {
        let first = (keyspace, Vec::new());
        let in_it = |(id, _): &(KeyspaceId, Vec<u8>)| *id == keyspace;
        self.writes.range(first.clone()..).next().is_some_and(|(name, _)| in_it(name))
            || self.logged.range(first..).next().is_some_and(|(name, _)| in_it(name))
    }

    fn directory_with_writes(&self, keyspace: KeyspaceId) -> Directory {
        let mut directory = self.seen(keyspace).map(|k| k.directory.clone()).unwrap_or_default();
        let first = (keyspace, Vec::new());
        let logged = self.logged.range(first.clone()..).map(|(name, kept)| (name, *kept));
        let buffered = self.writes.range(first..).map(|(name, value)| (name, value.is_some()));
        let mine = |(name, _): &(&(KeyspaceId, Vec<u8>), bool)| name.0 == keyspace;
        for ((_, key), kept) in logged.take_while(mine).chain(buffered.take_while(mine)) {
            if kept {
                directory.insert(key);
            } else {
                directory.remove(key);
            }
        }
        directory
    }
}

impl Drop for Txn {
    fn drop(&mut self) {
        if self.to_take_back {
            let owner = self.owner();
            let (done, _nobody): (Answer<()>, _) = oneshot::channel();
            self.store.submit.send(Job::RollBack { owner, to: None, done });
        }
    }
}

/// Hashes writes, on the caller's thread.
fn prepare(writes: Writes) -> Result<Vec<Write>, CommitError> {
    let write = |((keyspace, key), value): ((KeyspaceId, Vec<u8>), Option<Vec<u8>>)| {
        if key.len() > KEY_MAX || value.as_ref().is_some_and(|v| v.len() > VALUE_MAX) {
            return Err(CommitError::TooLarge(key.len() + value.map_or(0, |v| v.len())));
        }
        let value = value.map(|v| {
            let digest = leaf_digest(&key, &v);
            (v, digest)
        });
        Ok(Write { keyspace, hash: KeyHash::of(&key), key: key.into(), value })
    };
    writes.into_iter().map(write).collect()
}
