//! A store with two keyspaces, seen through the barrier.

use std::sync::Arc;

use strongroom_storage::{Class, KeyspaceId, Options, Store};

use super::{Barrier, DecodeCache, Keyring, Session};

pub(super) const HERE: KeyspaceId = KeyspaceId([9; 16]);
pub(super) const ELSEWHERE: KeyspaceId = KeyspaceId([8; 16]);

pub(super) struct Case {
    pub(super) store: Store,
    pub(super) barrier: Arc<Barrier>,
    cache: Arc<DecodeCache>,
    _folder: tempfile::TempDir,
}

impl Case {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let mut txn = store.begin();
        txn.create_keyspace(HERE, Class::Local);
        txn.create_keyspace(ELSEWHERE, Class::Local);
        txn.commit_blocking().unwrap();
        let barrier = Arc::new(Barrier::new(Keyring::generate(0).unwrap()).unwrap());
        Self { store, barrier, cache: Arc::default(), _folder: folder }
    }

    pub(super) fn session(&self) -> Session {
        Session::new(self.store.begin(), Arc::clone(&self.barrier), Arc::clone(&self.cache))
    }

    pub(super) fn write(&self, keyspace: KeyspaceId, key: &str, value: Option<&str>) {
        let mut session = self.session();
        match value {
            Some(value) => session.view(keyspace).put(key, value.as_bytes()).unwrap(),
            None => session.view(keyspace).delete(key),
        }
        session.into_txn().commit_blocking().unwrap();
    }
}
