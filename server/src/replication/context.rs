//! What replication needs of the cluster it runs in, and small helpers over it.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use strongroom_storage::{Digest, Store};

use crate::barrier::{Barrier, DecodeCache, RootKey, Session, ViewError};
use crate::cluster::ops::ClusterOps;
use crate::keyspace::NODE;

/// What replication needs to run.
pub struct ReplicationContext {
    /// The store.
    pub store: Store,
    /// Its barrier.
    pub barrier: Arc<Barrier>,
    /// Decoded entries.
    pub cache: Arc<DecodeCache>,
    /// Protects the keyring.
    pub root_key: RootKey,
    /// This cluster's API address for others, if configured.
    pub api_addr: Option<String>,
    /// This cluster's cluster address for others, if configured.
    pub cluster_addr: Option<String>,
    /// Where the cluster port listens.
    pub cluster_listen: SocketAddr,
    /// Log kept for secondaries that are away, bytes.
    pub log_retention: u64,
    /// The cluster.
    pub ops: Weak<dyn ClusterOps>,
}

impl ReplicationContext {
    /// A transaction through the barrier.
    pub(crate) fn session(&self) -> Session {
        Session::new(self.store.begin(), Arc::clone(&self.barrier), Arc::clone(&self.cache))
    }

    /// An entry of NODE.
    pub(crate) fn node_entry<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, ViewError> {
        self.session().view(NODE).get_json(key)
    }

    /// The root over the replicated keyspaces.
    pub(crate) fn root(&self) -> Digest {
        self.store.watch().borrow().replicated_root
    }
}

/// Milliseconds since the epoch.
pub(crate) fn clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since the epoch.
pub(crate) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
