//! A storage transaction seen through the barrier.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use strongroom_storage::{KeyspaceId, ReadError, Txn, Version};
use zeroize::Zeroizing;

use super::near::{Found, MadeFrom};
use super::{Barrier, BarrierError, DecodeCache};
use crate::config::LeaseTimes;
use crate::logical::ApiError;

/// Why an entry could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store could not read it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It did not pass the barrier.
    #[error(transparent)]
    Barrier(#[from] BarrierError),
    /// Its plaintext is not what this version of the server writes.
    #[error("entry is not in the expected form")]
    Decode,
}

impl From<ViewError> for ApiError {
    fn from(e: ViewError) -> Self {
        Self::internal(e)
    }
}

/// Bytes of the longest value that is kept close at hand by [`View::near`].
const NEAR_MAX: usize = 16 << 10;

/// No keyspace has this id, so that nothing stored opens as something detached.
const DETACHED: KeyspaceId = KeyspaceId([0xff; 16]);

/// As little as this one, under which stands what is made of several entries.
const MADE: KeyspaceId = KeyspaceId([0xfe; 16]);

/// One transaction, with the means to read and write through the barrier.
pub struct Session {
    txn: Txn,
    barrier: Arc<Barrier>,
    cache: Arc<DecodeCache>,
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

    /// One keyspace of it.
    pub fn view(&mut self, keyspace: KeyspaceId) -> View<'_> {
        View { session: self, keyspace }
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

/// One keyspace of a [`Session`]. Keys are paths; values are plaintext here and sealed in storage.
pub struct View<'s> {
    session: &'s mut Session,
    keyspace: KeyspaceId,
}

impl View<'_> {
    /// The value, own writes included; zeroed when dropped.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn get(&mut self, key: &str) -> Result<Option<Zeroizing<Vec<u8>>>, ViewError> {
        let Some(stored) = self.session.txn.get(self.keyspace, key.as_bytes())? else {
            return Ok(None);
        };
        Ok(Some(self.session.barrier.open(self.keyspace, key.as_bytes(), stored)?))
    }

    /// The value decoded from JSON.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn get_json<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, ViewError> {
        self.get(key)?
            .map(|plain| serde_json::from_slice(&plain).map_err(|_| ViewError::Decode))
            .transpose()
    }

    /// The decoded value, from the cache while the store still has the version it came from.
    ///
    /// # Errors
    /// See [`ViewError`]; `decode` answers `None` for a malformed value.
    pub fn cached<T: Send + Sync + 'static>(
        &mut self,
        key: &str,
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<Arc<T>>, ViewError> {
        let bytes = key.as_bytes();
        if self.session.txn.wrote(self.keyspace, bytes) {
            let Some(plain) = self.get(key)? else { return Ok(None) };
            return decode(&plain).map(|t| Some(Arc::new(t))).ok_or(ViewError::Decode);
        }
        let Session { txn, cache, .. } = &mut *self.session;
        match cache.near.get(txn, self.keyspace, bytes)? {
            Found::Here(decoded) => return Ok(Some(decoded)),
            Found::Nothing => return Ok(None),
            Found::Unknown => {}
        }
        let sighting = txn.sight(self.keyspace, bytes)?;
        let decoded = match sighting.version() {
            None => None,
            Some(version) => match cache.get(self.keyspace, bytes, version) {
                Some(hit) => Some(hit),
                None => self.decoded(key, version, decode)?,
            },
        };
        let near = &self.session.cache.near;
        near.put(self.keyspace, bytes, MadeFrom::Entry(sighting), decoded.clone());
        Ok(decoded)
    }

    /// As [`View::cached`], for values of which there are many: kept close at hand alone, and there
    /// only if they are short.
    ///
    /// # Errors
    /// See [`ViewError`]; `decode` answers `None` for a malformed value.
    pub fn near<T: Send + Sync + 'static>(
        &mut self,
        key: &str,
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<Arc<T>>, ViewError> {
        let bytes = key.as_bytes();
        let decoded = |plain: &[u8]| decode(plain).map(Arc::new).ok_or(ViewError::Decode);
        if self.session.txn.wrote(self.keyspace, bytes) {
            return self.get(key)?.map(|plain| decoded(&plain)).transpose();
        }
        let Session { txn, cache, .. } = &mut *self.session;
        match cache.values.get(txn, self.keyspace, bytes)? {
            Found::Here(decoded) => return Ok(Some(decoded)),
            Found::Nothing => return Ok(None),
            Found::Unknown => {}
        }
        let sighting = self.session.txn.sight(self.keyspace, bytes)?;
        let plain = match sighting.version() {
            None => None,
            Some(_) => self.get(key)?,
        };
        let long = plain.as_ref().is_some_and(|plain| plain.len() > NEAR_MAX);
        let decoded = plain.map(|plain| decoded(&plain)).transpose()?;
        if long {
            return Ok(decoded);
        }
        let near = &self.session.cache.values;
        near.put(self.keyspace, bytes, MadeFrom::Entry(sighting), decoded.clone());
        Ok(decoded)
    }

    /// As [`View::near`], from JSON.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn near_json<T: DeserializeOwned + Send + Sync + 'static>(
        &mut self,
        key: &str,
    ) -> Result<Option<Arc<T>>, ViewError> {
        self.near(key, |plain| serde_json::from_slice(plain).ok())
    }

    /// Reads and decodes the value, which has this version.
    fn decoded<T: Send + Sync + 'static>(
        &mut self,
        key: &str,
        version: Version,
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<Arc<T>>, ViewError> {
        let Some(plain) = self.get(key)? else { return Ok(None) };
        let decoded = Arc::new(decode(&plain).ok_or(ViewError::Decode)?);
        let cache = &self.session.cache;
        cache.put(self.keyspace, key.as_bytes(), version, Arc::clone(&decoded));
        Ok(Some(decoded))
    }

    /// As [`View::cached`], from JSON.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn cached_json<T: DeserializeOwned + Send + Sync + 'static>(
        &mut self,
        key: &str,
    ) -> Result<Option<Arc<T>>, ViewError> {
        self.cached(key, |plain| serde_json::from_slice(plain).ok())
    }

    /// Whether the key has a value; reads no value unless this transaction wrote it.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn exists(&mut self, key: &str) -> Result<bool, ViewError> {
        if self.session.txn.wrote(self.keyspace, key.as_bytes()) {
            return Ok(self.get(key)?.is_some());
        }
        let Session { txn, cache, .. } = &mut *self.session;
        for near in [&cache.near, &cache.values] {
            if let Some(known) = near.exists(txn, self.keyspace, key.as_bytes())? {
                return Ok(known);
            }
        }
        Ok(self.session.txn.version(self.keyspace, key.as_bytes())?.is_some())
    }

    /// Writes a value.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn put(&mut self, key: &str, plaintext: &[u8]) -> Result<(), ViewError> {
        let sealed = self.session.barrier.seal(self.keyspace, key.as_bytes(), plaintext)?;
        self.session.txn.put(self.keyspace, key.as_bytes(), sealed);
        Ok(())
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn put_json(&mut self, key: &str, value: &impl Serialize) -> Result<(), ViewError> {
        let plain = Zeroizing::new(serde_json::to_vec(value).map_err(|_| ViewError::Decode)?);
        self.put(key, &plain)
    }

    /// Deletes a value; nothing happens when there is none.
    pub fn delete(&mut self, key: &str) {
        self.session.txn.delete(self.keyspace, key.as_bytes());
    }

    /// Names one level below `prefix`, folders with a trailing slash, sorted.
    pub fn list(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let names = self.session.txn.list(
            self.keyspace,
            prefix.as_bytes(),
            after.map(str::as_bytes),
            limit,
        );
        names.into_iter().map(|n| String::from_utf8_lossy(&n).into_owned()).collect()
    }

    /// As [`View::scan`], but keys that come or go until the commit are no conflict. For an index
    /// whose entries are read one by one.
    pub fn scan_unvalidated(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<String> {
        let keys = self.session.txn.scan_unvalidated(
            self.keyspace,
            prefix.as_bytes(),
            after.map(str::as_bytes),
            limit,
        );
        keys.into_iter().map(|n| String::from_utf8_lossy(&n).into_owned()).collect()
    }

    /// Full keys that start with `prefix`, sorted.
    pub fn scan(&mut self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let keys = self.session.txn.scan(
            self.keyspace,
            prefix.as_bytes(),
            after.map(str::as_bytes),
            limit,
        );
        keys.into_iter().map(|n| String::from_utf8_lossy(&n).into_owned()).collect()
    }
}
