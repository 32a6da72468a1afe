//! Transactions.
//!
//! A transaction reads one consistent state, the one that was published when it began, and buffers
//! what it writes. At commit everything it read is validated against the state it commits on top
//! of, in commit order: transactions are serializable, in the order of their positions in the log.
//! (Optimistic concurrency control with backward validation, after H. T. Kung and J. T. Robinson,
//! "On Optimistic Methods for Concurrency Control", TODS 6(2), 1981.)
//!
//! A list or scan is validated by the keyspace: if any key of it came or went, the transaction
//! conflicts.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_merkle::{KeyHash, leaf_digest};
use tokio::sync::oneshot;

use crate::block_on::block_on;
use crate::error::{CommitError, ReadError};
use crate::id::{Class, Committed, KeyspaceId, Version};
use crate::index::State;
use crate::job::{Job, Prepared, ReadSet, Submit, Write};
use crate::values::Values;

/// Longest key, bytes.
pub const KEY_MAX: usize = 32 << 10;
/// Longest value, bytes.
pub const VALUE_MAX: usize = 40 << 20;

/// A transaction. Dropping it takes it back.
pub struct Txn {
    state: Arc<State>,
    values: Values,
    submit: Submit,
    reads: ReadSet,
    drops: Vec<KeyspaceId>,
    creates: Vec<(KeyspaceId, Class)>,
    writes: BTreeMap<(KeyspaceId, Vec<u8>), Option<Vec<u8>>>,
}

impl Txn {
    pub(crate) fn new(state: Arc<State>, values: Values, submit: Submit) -> Self {
        let reads = ReadSet { at: state.lsn, ..ReadSet::default() };
        Self {
            state,
            values,
            submit,
            reads,
            drops: Vec::new(),
            creates: Vec::new(),
            writes: BTreeMap::new(),
        }
    }

    /// The value: what this transaction wrote, or else what was committed when it began.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn get(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if let Some(written) = self.writes.get(&(keyspace, key.to_vec())) {
            return Ok(written.clone());
        }
        self.note_read(keyspace, key);
        self.state.get(keyspace, key).map(|entry| self.values.read(entry.slot())).transpose()
    }

    /// The committed entry's version; own writes are not seen. Touches memory only.
    pub fn version(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Option<Version> {
        self.note_read(keyspace, key)
    }

    /// Whether this transaction itself wrote or deleted the key.
    pub fn wrote(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        !self.writes.is_empty() && self.writes.contains_key(&(keyspace, key.to_vec()))
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
        self.reads.lists.push((keyspace, self.state.keyspaces.contains_key(&keyspace)));
        match self.state.keyspaces.get(&keyspace) {
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
        self.reads.lists.push((keyspace, self.state.keyspaces.contains_key(&keyspace)));
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
        match self.state.keyspaces.get(&keyspace) {
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
        self.writes.is_empty() && self.creates.is_empty() && self.drops.is_empty()
    }

    /// Whether a write, create or drop touches a replicated keyspace.
    pub fn writes_replicated(&self) -> bool {
        let existing = |id: &KeyspaceId| {
            self.state.keyspaces.get(id).is_some_and(|k| k.class == Class::Replicated)
        };
        self.creates.iter().any(|(_, class)| *class == Class::Replicated)
            || self.drops.iter().any(existing)
            || self.writes.keys().any(|(id, _)| existing(id))
    }

    /// Commits; durable and visible when it answers. A transaction that wrote nothing answers at
    /// once, without validation: what it read is one consistent state.
    ///
    /// Cancel safe in this sense: once first polled the commit goes on though the future is
    /// dropped; only its answer is lost.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub async fn commit(self) -> Result<Committed, CommitError> {
        if self.is_read_only() {
            return Ok(Committed { lsn: self.state.lsn });
        }
        let submit = self.submit.clone();
        let prepared = self.prepare()?;
        let (done, answer) = oneshot::channel();
        submit.send(Job::Commit { prepared, done });
        answer.await.unwrap_or(Err(CommitError::Closed))
    }

    /// As [`Txn::commit`], blocking the thread. Not for async code.
    ///
    /// # Errors
    /// See [`CommitError`].
    pub fn commit_blocking(self) -> Result<Committed, CommitError> {
        block_on(self.commit())
    }

    /// Notes a read of the committed entry and answers its version.
    fn note_read(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Option<Version> {
        let hash = KeyHash::of(key);
        let version = self
            .state
            .keyspaces
            .get(&keyspace)
            .and_then(|k| k.trie.get(&hash))
            .map(super::index::IndexEntry::version);
        self.reads.entries.push((keyspace, hash, version));
        version
    }

    fn writes_to(&self, keyspace: KeyspaceId) -> bool {
        self.writes
            .range((keyspace, Vec::new())..)
            .next()
            .is_some_and(|((id, _), _)| *id == keyspace)
    }

    fn directory_with_writes(&self, keyspace: KeyspaceId) -> crate::directory::Directory {
        let mut directory =
            self.state.keyspaces.get(&keyspace).map(|k| k.directory.clone()).unwrap_or_default();
        for ((id, key), value) in self.writes.range((keyspace, Vec::new())..) {
            if *id != keyspace {
                break;
            }
            match value {
                Some(_) => directory.insert(key),
                None => directory.remove(key),
            }
        }
        directory
    }

    fn prepare(self) -> Result<Prepared, CommitError> {
        let mut writes = Vec::with_capacity(self.writes.len());
        for ((keyspace, key), value) in self.writes {
            if key.len() > KEY_MAX || value.as_ref().is_some_and(|v| v.len() > VALUE_MAX) {
                return Err(CommitError::TooLarge(key.len() + value.map_or(0, |v| v.len())));
            }
            let value = value.map(|v| {
                let digest = leaf_digest(&key, &v);
                (v, digest)
            });
            writes.push(Write { keyspace, hash: KeyHash::of(&key), key: Arc::from(key), value });
        }
        Ok(Prepared { reads: self.reads, drops: self.drops, creates: self.creates, writes })
    }
}
