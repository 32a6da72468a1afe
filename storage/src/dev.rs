//! In-memory stand-in with the final public API, for development of the layers above only.
#![allow(missing_docs, clippy::pedantic, clippy::unwrap_used)]
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Log sequence number: byte position in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceId(pub [u8; 16]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class { Replicated, Local, Ignored }

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

/// Changes whenever the entry's value is written again. Equal versions: equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub u64);

#[derive(Clone, Debug)]
pub struct Entry { pub value: Vec<u8>, pub version: Version }

#[derive(Clone, Debug, Default)]
pub struct Options { pub retention_bytes: Option<u64> }

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed { pub lsn: Lsn }

#[derive(Clone, Copy, Debug)]
pub struct Published { pub lsn: Lsn, pub replicated_root: Digest }

#[derive(Debug, thiserror::Error)]
#[error("read: {0}")]
pub struct ReadError(pub String);

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error("another transaction changed what this one read; run it again")]
    Conflict,
    #[error("no such keyspace")]
    UnknownKeyspace,
    #[error("value or transaction too large: {0} bytes")]
    TooLarge(usize),
    #[error("no space left on the device")]
    NoSpace,
    #[error("store failed and accepts no writes: {0}")]
    Failed(String),
    #[error("store is closed")]
    Closed,
}
#[derive(Debug, thiserror::Error)]
#[error("open: {0}")]
pub struct OpenError(pub String);

#[derive(Default)]
struct Inner { seq: u64, ks: HashMap<KeyspaceId, (Class, BTreeMap<Vec<u8>, (u64, Vec<u8>)>)> }

#[derive(Clone)]
pub struct Store { inner: Arc<Mutex<Inner>>, tx: Arc<watch::Sender<Published>> }

impl Store {
    pub fn open(_dir: &Path, _o: Options) -> Result<Store, OpenError> {
        Ok(Store { inner: Arc::default(), tx: Arc::new(watch::channel(Published { lsn: Lsn(0), replicated_root: Digest([0; 32]) }).0) })
    }
    pub fn begin(&self) -> Txn { Txn { store: self.clone(), reads: vec![], writes: BTreeMap::new(), create: vec![], drop: vec![] } }
    /// Latest committed value; reads the disk.
    pub fn get(&self, ks: KeyspaceId, key: &[u8]) -> Result<Option<Entry>, ReadError> {
        Ok(self.inner.lock().unwrap().ks.get(&ks).and_then(|k| k.1.get(key)).map(|(v, b)| Entry { value: b.clone(), version: Version(*v) }))
    }
    /// Latest committed version; touches memory only.
    pub fn version(&self, ks: KeyspaceId, key: &[u8]) -> Option<Version> {
        self.inner.lock().unwrap().ks.get(&ks).and_then(|k| k.1.get(key)).map(|(v, _)| Version(*v))
    }
    /// Names one level below `prefix` ("a/b" under "" gives "a/"), sorted, strictly after `after`, at most `limit`.
    pub fn list(&self, ks: KeyspaceId, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
        let g = self.inner.lock().unwrap();
        let Some(k) = g.ks.get(&ks) else { return vec![] };
        let mut out: Vec<Vec<u8>> = vec![];
        for key in k.1.keys().filter(|x| x.starts_with(prefix)) {
            let rest = &key[prefix.len()..];
            let name = match rest.iter().position(|b| *b == b'/') { Some(i) => &rest[..=i], None => rest };
            if name.is_empty() || after.is_some_and(|a| name <= a) { continue }
            if out.last().is_none_or(|l| l != name) { out.push(name.to_vec()); }
        }
        out.dedup(); out.truncate(limit); out
    }
    /// Full keys that start with `prefix`, sorted, strictly after `after`, at most `limit`.
    pub fn scan(&self, ks: KeyspaceId, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
        self.inner.lock().unwrap().ks.get(&ks).map(|k| k.1.keys().filter(|x| x.starts_with(prefix) && after.is_none_or(|a| x.as_slice() > a)).take(limit).cloned().collect()).unwrap_or_default()
    }
    pub fn keyspaces(&self) -> Vec<(KeyspaceId, Class)> { self.inner.lock().unwrap().ks.iter().map(|(k, v)| (*k, v.0)).collect() }
    /// Root over all keyspaces of a class.
    pub fn root(&self, _class: Class) -> Digest { Digest([0; 32]) }
    pub fn position(&self) -> Lsn { Lsn(self.inner.lock().unwrap().seq) }
    pub fn watch(&self) -> watch::Receiver<Published> { self.tx.subscribe() }
    /// `Err` with the cause once a durable write failed.
    pub fn health(&self) -> Result<(), String> { Ok(()) }
    pub fn checkpoint(&self) -> Result<(), String> { Ok(()) }
    /// Checkpoints and stops. Further commits answer `Closed`.
    pub fn close(&self) -> Result<(), String> { Ok(()) }
}

pub struct Txn { store: Store, reads: Vec<(KeyspaceId, Vec<u8>, Option<Version>)>, writes: BTreeMap<(KeyspaceId, Vec<u8>), Option<Vec<u8>>>, create: Vec<(KeyspaceId, Class)>, drop: Vec<KeyspaceId> }

impl Txn {
    /// Own writes first, then the latest committed value. What is read is validated at commit.
    pub fn get(&mut self, ks: KeyspaceId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if let Some(w) = self.writes.get(&(ks, key.to_vec())) { return Ok(w.clone()) }
        let e = self.store.get(ks, key)?;
        self.reads.push((ks, key.to_vec(), e.as_ref().map(|e| e.version)));
        Ok(e.map(|e| e.value))
    }
    /// Version of the committed entry (own writes are not seen), tracked like a read.
    pub fn version(&mut self, ks: KeyspaceId, key: &[u8]) -> Option<Version> {
        let v = self.store.version(ks, key);
        self.reads.push((ks, key.to_vec(), v));
        v
    }
    /// True when this transaction itself has written or deleted `key`.
    pub fn wrote(&self, ks: KeyspaceId, key: &[u8]) -> bool { self.writes.contains_key(&(ks, key.to_vec())) }
    /// As `Store::list`, own writes included, and tracked against phantoms.
    pub fn list(&mut self, ks: KeyspaceId, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> { self.store.list(ks, prefix, after, limit) }
    pub fn scan(&mut self, ks: KeyspaceId, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> { self.store.scan(ks, prefix, after, limit) }
    pub fn put(&mut self, ks: KeyspaceId, key: &[u8], value: Vec<u8>) { self.writes.insert((ks, key.to_vec()), Some(value)); }
    pub fn delete(&mut self, ks: KeyspaceId, key: &[u8]) { self.writes.insert((ks, key.to_vec()), None); }
    pub fn create_keyspace(&mut self, ks: KeyspaceId, class: Class) { self.create.push((ks, class)); }
    pub fn drop_keyspace(&mut self, ks: KeyspaceId) { self.drop.push(ks); }
    /// Nothing to commit.
    pub fn is_read_only(&self) -> bool { self.writes.is_empty() && self.create.is_empty() && self.drop.is_empty() }
    /// True when a write, create or drop touches a keyspace of class `Replicated`.
    pub fn writes_replicated(&self) -> bool {
        let g = self.store.inner.lock().unwrap();
        let rep = |k: &KeyspaceId| g.ks.get(k).is_some_and(|k| k.0 == Class::Replicated) || self.create.iter().any(|(i, c)| i == k && *c == Class::Replicated);
        self.writes.keys().any(|(k, _)| rep(k)) || self.create.iter().any(|(_, c)| *c == Class::Replicated) || self.drop.iter().any(rep)
    }
    /// Durable when it answers. Cancel safe in this sense: once polled, the commit goes on though the future is dropped.
    pub async fn commit(self) -> Result<Committed, CommitError> { self.commit_blocking() }
    pub fn commit_blocking(self) -> Result<Committed, CommitError> {
        let mut g = self.store.inner.lock().unwrap();
        for (k, key, v) in &self.reads {
            if g.ks.get(k).and_then(|k| k.1.get(key)).map(|(v, _)| Version(*v)) != *v { return Err(CommitError::Conflict) }
        }
        for (k, c) in self.create { g.ks.entry(k).or_insert((c, BTreeMap::new())); }
        for k in self.drop { g.ks.remove(&k); }
        g.seq += 1;
        let s = g.seq;
        for ((k, key), v) in self.writes {
            let Some(ks) = g.ks.get_mut(&k) else { return Err(CommitError::UnknownKeyspace) };
            match v { Some(v) => { ks.1.insert(key, (s, v)); } None => { ks.1.remove(&key); } }
        }
        let _ = self.store.tx.send(Published { lsn: Lsn(s), replicated_root: Digest([0; 32]) });
        Ok(Committed { lsn: Lsn(s) })
    }
}
