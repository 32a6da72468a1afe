//! A storage transaction seen through the barrier.

use std::sync::Arc;

use strongroom_storage::{KeyspaceId, Txn};
use zeroize::Zeroizing;

use super::near::{Found, MadeFrom};
use super::{Barrier, DecodeCache, ViewError};
use crate::config::LeaseTimes;

/// No keyspace has this id, so that nothing stored opens as something detached.
const DETACHED: KeyspaceId = KeyspaceId([0xff; 16]);

/// As little as this one, under which stands what is made of several entries.
const MADE: KeyspaceId = KeyspaceId([0xfe; 16]);

/// One transaction, with the means to read and write through the barrier.
pub struct Session {
    pub(super) txn: Txn,
    pub(super) barrier: Arc<Barrier>,
    pub(super) cache: Arc<DecodeCache>,
}

impl Session {
    /// Begins.
    pub fn new(txn: Txn, barrier: Arc<Barrier>, cache: Arc<DecodeCache>) -> Self {
        Self { txn, barrier, cache }
    }

    /// How long tokens and leases live where nothing else says so.
    pub fn lease_times(&self) -> LeaseTimes {
        self.cache.lease_times
    }

    /// What `make` gives, from close at hand while all that it read still stands and `fits` says
    /// yes. `key` is all that it depends on besides, and is no key of an entry.
    ///
    /// # Errors
    /// Those of `make`, and see [`ViewError`].
    pub(crate) fn remembered<T: Send + Sync + 'static>(
        &mut self,
        key: &str,
        fits: impl FnOnce(&T) -> bool,
        make: impl FnOnce(&mut Self) -> Result<T, ViewError>,
    ) -> Result<Arc<T>, ViewError> {
        // What a transaction writes itself is nobody else's.
        if self.txn.is_read_only()
            && let Found::Here(known) = self.cache.near.get(&mut self.txn, MADE, key.as_bytes())?
            && fits(&known)
        {
            return Ok(known);
        }
        let mark = self.txn.read_mark();
        let whole = Arc::new(make(self)?);
        if let Some(parts) = self.txn.sighted_since(mark) {
            let kept = Some(Arc::clone(&whole));
            self.cache.near.put(MADE, key.as_bytes(), MadeFrom::Entries(parts), kept);
        }
        Ok(whole)
    }

    /// Seals what is kept by someone else: `label` says what it is, so that nothing sealed for one
    /// purpose opens for another.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn seal_for(&self, label: &str, plaintext: &[u8]) -> Result<Vec<u8>, ViewError> {
        Ok(self.barrier.seal(DETACHED, label.as_bytes(), plaintext)?)
    }

    /// Opens what [`Session::seal_for`] sealed, on this cluster or on another one of its set.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn open_for(&self, label: &str, sealed: Vec<u8>) -> Result<Zeroizing<Vec<u8>>, ViewError> {
        Ok(self.barrier.open(DETACHED, label.as_bytes(), sealed)?)
    }

    /// The transaction, for creating and dropping keyspaces and for asking what it writes.
    pub fn txn(&mut self) -> &mut Txn {
        &mut self.txn
    }

    /// The transaction alone, to commit it.
    pub fn into_txn(self) -> Txn {
        self.txn
    }
}
