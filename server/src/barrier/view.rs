//! One keyspace of a transaction, read and written through the barrier.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use strongroom_storage::{KeyspaceId, Version};
use zeroize::Zeroizing;

use super::ViewError;
use super::cipher::SealId;
use super::near::{Found, MadeFrom};
use super::session::Session;

/// Bytes of the longest value that is kept by [`View::near`] and [`View::reseal_json`].
const NEAR_MAX: usize = 16 << 10;

/// One keyspace of a [`Session`]. Keys are paths; values are plaintext here and sealed in storage.
pub struct View<'s> {
    session: &'s mut Session,
    keyspace: KeyspaceId,
}

impl Session {
    /// One keyspace of it.
    pub fn view(&mut self, keyspace: KeyspaceId) -> View<'_> {
        View { session: self, keyspace }
    }
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

    /// The value decoded from JSON, of a kind that is written with [`View::reseal_json`]: as often as it
    /// is read it is read from the store, but not opened and decoded again.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn resealed_json<T: DeserializeOwned + Send + Sync + 'static>(
        &mut self,
        key: &str,
    ) -> Result<Option<Arc<T>>, ViewError> {
        let (keyspace, bytes) = (self.keyspace, key.as_bytes());
        let Session { txn, cache, barrier } = &mut *self.session;
        let Some(stored) = txn.get(keyspace, bytes)? else { return Ok(None) };
        let seal = SealId::of(&stored);
        if let Some(known) = seal.and_then(|seal| cache.seals.get(keyspace, bytes, seal)) {
            return Ok(Some(known));
        }
        let plain = barrier.open(keyspace, bytes, stored)?;
        let decoded = serde_json::from_slice(&plain).map_err(|_| ViewError::Decode)?;
        let decoded = Arc::new(decoded);
        if let Some(seal) = seal.filter(|_| plain.len() <= NEAR_MAX) {
            cache.seals.put(keyspace, bytes, seal, Arc::clone(&decoded));
        }
        Ok(Some(decoded))
    }

    /// Writes a value as JSON that will be read, changed and written again.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn reseal_json<T: Serialize + Send + Sync + 'static>(
        &mut self,
        key: &str,
        value: Arc<T>,
    ) -> Result<(), ViewError> {
        let (keyspace, bytes) = (self.keyspace, key.as_bytes());
        let plain = Zeroizing::new(serde_json::to_vec(&*value).map_err(|_| ViewError::Decode)?);
        let sealed = self.session.barrier.seal(keyspace, bytes, &plain)?;
        if let Some(seal) = SealId::of(&sealed).filter(|_| plain.len() <= NEAR_MAX) {
            self.session.cache.seals.put(keyspace, bytes, seal, value);
        }
        self.session.txn.put(keyspace, bytes, sealed);
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
