//! A cluster of one store and its replication, without the server around it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use strongroom_storage::{Class, Digest, KeyspaceId, Lsn, Options, Store};

use super::ops::{DATA, FakeOps};
use crate::barrier::{Barrier, DecodeCache, Keyring, RootKey, Session};
use crate::cluster::KEYRING_KEY;
use crate::keyspace::{CORE, LOCAL, NODE};
use crate::replication::bundle::Bundle;
use crate::replication::ca::{self, Ca, Identity};
use crate::replication::primary::Primary;
use crate::replication::state::{KnownSecondary, Persisted, STATE_KEY, SecondaryState};
use crate::replication::{Replication, ReplicationContext, Running, admin};

/// Nothing in these tests takes longer unless it is broken.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// Small segments and a short retention, so that logs come to an end within a test.
pub(super) fn small() -> Options {
    Options {
        segment_size: 256 << 10,
        retention_bytes: 256 << 10,
        checkpoint_every: 128 << 10,
        ..Options::default()
    }
}

pub(super) struct Cluster {
    pub(super) dir: PathBuf,
    pub(super) store: Store,
    pub(super) barrier: Arc<Barrier>,
    pub(super) root_key: RootKey,
    pub(super) listen: SocketAddr,
    pub(super) ops: Arc<FakeOps>,
    pub(super) replication: Option<Replication>,
    options: Options,
}

/// A port that is free now.
pub(super) fn free_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Cluster {
    /// A new cluster in `dir` with its own keys.
    pub(super) fn new(dir: PathBuf, options: Options) -> Self {
        let root_key = RootKey::generate().unwrap();
        let ring = Keyring::generate(0).unwrap();
        let stored = ring.seal(&root_key).unwrap();
        Self::with_keys(dir, options, root_key, &stored)
    }

    fn with_keys(dir: PathBuf, options: Options, root_key: RootKey, keyring: &[u8]) -> Self {
        let store = Store::open(&dir, options).unwrap();
        let mut txn = store.begin();
        for (id, class) in
            [(CORE, Class::Replicated), (LOCAL, Class::Local), (NODE, Class::Ignored)]
        {
            txn.create_keyspace(id, class);
        }
        txn.put(CORE, KEYRING_KEY.as_bytes(), keyring.to_vec());
        txn.commit_blocking().unwrap();
        let ring = Keyring::open(keyring, &root_key).unwrap();
        Self {
            dir,
            store,
            barrier: Arc::new(Barrier::new(ring).unwrap()),
            root_key,
            listen: free_port(),
            ops: Arc::default(),
            replication: None,
            options,
        }
    }

    pub(super) async fn start(&mut self) {
        *self.ops.target.lock().unwrap() = Some((self.store.clone(), Arc::clone(&self.barrier)));
        let weak: Weak<FakeOps> = Arc::downgrade(&self.ops);
        let context = ReplicationContext {
            store: self.store.clone(),
            barrier: Arc::clone(&self.barrier),
            cache: Arc::new(DecodeCache::default()),
            root_key: self.root_key.clone(),
            api_addr: Some("http://127.0.0.1:1".into()),
            cluster_addr: None,
            cluster_listen: self.listen,
            log_retention: 0,
            ops: weak,
        };
        self.replication = Some(Replication::start(context).await.unwrap());
    }

    pub(super) async fn stop(&mut self) {
        if let Some(replication) = self.replication.take() {
            replication.stop().await;
        }
    }

    /// Ends everything without a goodbye, and opens the store again as after a kill.
    pub(super) async fn crash(&mut self) {
        if let Some(replication) = self.replication.take() {
            let task = replication.inner.task.lock().unwrap().take();
            if let Some(task) = task {
                task.abort();
                let _ = task.await;
            }
        }
        self.ops.target.lock().unwrap().take();
        // The folder is free once the last user of the store is gone.
        let deadline = Instant::now() + PATIENCE;
        let (spare, place) = (tempfile::tempdir().unwrap(), self.dir.clone());
        self.store = Store::open(spare.path(), self.options).unwrap();
        self.store = loop {
            match Store::open(&place, self.options) {
                Ok(store) => break store,
                Err(e) => assert!(Instant::now() < deadline, "{e}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let stored = self.store.get(CORE, KEYRING_KEY.as_bytes()).unwrap().unwrap().value;
        let ring = Keyring::open(&stored, &self.root_key).unwrap();
        self.barrier = Arc::new(Barrier::new(ring).unwrap());
    }

    /// The same cluster on a copy of its folder.
    pub(super) async fn moved_to(mut self, dir: PathBuf) -> Self {
        self.dir = dir;
        self.crash().await;
        self
    }

    pub(super) fn replication(&self) -> &Replication {
        self.replication.as_ref().unwrap()
    }

    pub(super) async fn primary(dir: PathBuf, options: Options) -> Self {
        let mut cluster = Self::new(dir, options);
        cluster.create(DATA, Class::Replicated).await;
        cluster.start().await;
        cluster.replication().enable_primary("").await.unwrap();
        cluster
    }

    pub(super) fn as_primary(&self) -> Arc<Primary> {
        match &**self.replication().inner.running.load() {
            Running::Primary(primary) => Arc::clone(primary),
            _ => panic!("not a primary"),
        }
    }

    pub(super) fn state(&self) -> Persisted {
        self.session().view(NODE).get_json(STATE_KEY).unwrap().unwrap()
    }

    /// A certificate for `id`, known to this primary.
    pub(super) async fn bundle(&self, id: &str) -> Bundle {
        let Persisted::Primary(mut state) = self.state() else { panic!("not a primary") };
        let now = SystemTime::now();
        let client = Ca::open(&state.ca()).unwrap().issue_client(id, now, ca::LIFETIME).unwrap();
        let fingerprint = ca::fingerprint(&client.cert);
        let known = KnownSecondary { fingerprint: fingerprint.clone(), issued: 0 };
        let bundle = self.bundle_with(id, client);
        state.secondaries.insert(id.into(), known);
        let mut session = self.session();
        session.view(NODE).put_json(STATE_KEY, &Persisted::Primary(state)).unwrap();
        session.into_txn().commit().await.unwrap();
        self.as_primary().registry.admit(id, &fingerprint);
        bundle
    }

    /// A bundle around any identity.
    pub(super) fn bundle_with(&self, id: &str, client: Identity) -> Bundle {
        let Persisted::Primary(state) = self.state() else { panic!("not a primary") };
        let address = self.as_primary().advertised().unwrap();
        Bundle::new(&state.cluster_id, id, &address, &state.ca_cert, client)
    }

    /// A secondary of this primary, in `dir`, as `replace_store` would leave it; not started.
    pub(super) async fn secondary(&self, dir: PathBuf, bundle: Bundle, options: Options) -> Self {
        let keyring = self.store.get(CORE, KEYRING_KEY.as_bytes()).unwrap().unwrap().value;
        let cluster = Self::with_keys(dir, options, self.root_key.clone(), &keyring);
        let state = Persisted::Secondary(SecondaryState { bundle, joined: 0 });
        let mut session = cluster.session();
        session.view(NODE).put_json(STATE_KEY, &state).unwrap();
        session.into_txn().commit().await.unwrap();
        cluster
    }

    pub(super) fn session(&self) -> Session {
        Session::new(self.store.begin(), Arc::clone(&self.barrier), Arc::default())
    }

    pub(super) async fn create(&self, id: KeyspaceId, class: Class) {
        let mut txn = self.store.begin();
        txn.create_keyspace(id, class);
        txn.commit().await.unwrap();
    }

    pub(super) async fn put(&self, keyspace: KeyspaceId, key: &str, value: &[u8]) -> Lsn {
        let mut session = self.session();
        session.view(keyspace).put(key, value).unwrap();
        session.into_txn().commit().await.unwrap().lsn
    }

    pub(super) fn get(&self, keyspace: KeyspaceId, key: &str) -> Option<Vec<u8>> {
        self.session().view(keyspace).get(key).unwrap().map(|v| v.to_vec())
    }

    pub(super) fn root(&self) -> Digest {
        self.store.root(Class::Replicated)
    }

    pub(super) fn status(&self) -> serde_json::Value {
        crate::replication::status::performance(self.replication())
    }

    pub(super) async fn revoke(&self, id: &str) {
        admin::revoke(&self.as_primary(), id).await.unwrap();
    }
}

/// Polls until `done`; panics with `what` when it never is.
pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until both sides have the same replicated data and the secondary streams.
pub(super) async fn level(primary: &Cluster, secondary: &Cluster) {
    let mut last = String::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = secondary.status();
        if primary.root() == secondary.root() && status["state"] == "stream-wals" {
            return;
        }
        if Instant::now() >= deadline {
            last.push_str(&status.to_string());
            panic!("the secondary is not level: {last}");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
