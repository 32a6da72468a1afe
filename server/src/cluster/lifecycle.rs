//! An open store and its root key become a running cluster; and the end of one.

use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;

use strongroom_storage::Store;
use tokio::task::spawn_blocking;

use super::ops::ClusterOps;
use super::under_way::Operations;
use super::{
    Cluster, FORMER_KEYS_KEY, IDENTITY_KEY, KEYRING_KEY, StartError, State, Unsealed, rotation,
};
use crate::audit::{self, Broker};
use crate::auth::Lockout;
use crate::barrier::{Barrier, DecodeCache, FormerKeys, Keyring, RootKey, Session, Turns};
use crate::config::LeaseTimes;
use crate::engine;
use crate::keyspace::{CORE, NODE};
use crate::quota::Quotas;
use crate::replication::{Replication, ReplicationContext};
use crate::token;

/// Why a clean stop was not clean; recovery at the next start makes up for it.
#[derive(Debug, thiserror::Error)]
#[error("the store could not be closed cleanly: {0}")]
pub struct ShutdownError(String);

impl Cluster {
    /// The unsealed form of an open store, with replication running. The caller sets the state.
    pub(super) async fn come_up(
        &self,
        store: Store,
        root_key: RootKey,
    ) -> Result<Arc<Unsealed>, StartError> {
        let unsealed = Arc::new(open_barrier(store, root_key, self.config.lease_times)?);
        let ops: Weak<dyn ClusterOps> = self.me.clone();
        let context = ReplicationContext {
            store: unsealed.store.clone(),
            barrier: Arc::clone(&unsealed.barrier),
            cache: Arc::clone(&unsealed.cache),
            root_key: unsealed.root_key.clone(),
            api_addr: self.config.api_addr.clone(),
            cluster_addr: self.config.cluster_addr.clone(),
            cluster_listen: self.config.cluster_listen(),
            log_retention: self.config.log_retention_bytes,
            ops,
        };
        let replication = Replication::start(context)
            .await
            .map_err(|e| StartError::Store(format!("replication: {e}")))?;
        unsealed
            .audit
            .refresh(&mut unsealed.session())
            .and_then(|()| unsealed.quotas.refresh(&mut unsealed.session()))
            .map_err(|e| StartError::Store(format!("audit devices and quotas: {e}")))?;
        let fresh = unsealed.replication.set(replication).is_ok()
            && unsealed.sweeper.set(token::sweep::spawn(&unsealed)).is_ok()
            && unsealed.audit_watch.set(audit::spawn(&unsealed)).is_ok()
            && unsealed.rotator.set(rotation::spawn(self.me.clone(), &unsealed)).is_ok()
            && unsealed.upkeep.set(engine::upkeep::spawn(&unsealed)).is_ok();
        assert!(fresh, "a new value has none of them");
        if let Err(e) = unsealed.note_version(SystemTime::now().into()).await {
            tracing::warn!("the version could not be noted: {e}");
        }
        Ok(unsealed)
    }

    /// Stops replication, checkpoints and closes the store. The cluster answers 503 from then on.
    ///
    /// # Errors
    /// [`ShutdownError`].
    pub async fn shutdown(&self) -> Result<(), ShutdownError> {
        let _changing = self.changing.lock().await;
        let Some(store) = self.store() else {
            self.set(State::Stopped);
            return Ok(());
        };
        let unsealed = self.unsealed().ok();
        self.set(State::Stopped);
        if let Some(replication) = unsealed.as_ref().and_then(|u| u.replication.get()) {
            replication.stop().await;
        }
        drop(unsealed);
        spawn_blocking(move || store.close())
            .await
            .map_err(|e| ShutdownError(e.to_string()))?
            .map_err(|e| ShutdownError(e.to_string()))
    }
}

fn open_barrier(
    store: Store,
    root_key: RootKey,
    lease_times: LeaseTimes,
) -> Result<Unsealed, StartError> {
    let fail = |e: &dyn std::fmt::Display| StartError::Store(e.to_string());
    let sealed_ring = store
        .get(CORE, KEYRING_KEY.as_bytes())
        .map_err(|e| fail(&e))?
        .ok_or_else(|| fail(&"the keyring is missing"))?;
    let ring = Keyring::open(&sealed_ring.value, &root_key).map_err(|e| fail(&e))?;
    let former = store.get(NODE, FORMER_KEYS_KEY.as_bytes()).map_err(|e| fail(&e))?;
    let former = former.map(|sealed| FormerKeys::open(&sealed.value, &root_key)).transpose();
    let former = former.map_err(|e| fail(&e))?.unwrap_or_default();
    let barrier = Arc::new(Barrier::with_former(ring, former).map_err(|e| fail(&e))?);
    let cache = Arc::new(DecodeCache::new(lease_times));
    let mut session = Session::new(store.begin(), Arc::clone(&barrier), Arc::clone(&cache));
    let identity = session
        .view(NODE)
        .get_json(IDENTITY_KEY)
        .map_err(|e| fail(&e))?
        .ok_or_else(|| fail(&"the cluster's identity is missing"))?;
    Ok(Unsealed {
        store,
        barrier,
        cache,
        root_key,
        identity,
        audit: Broker::default(),
        quotas: Quotas::default(),
        operations: Operations::default(),
        lockout: Lockout::default(),
        turns: Turns::default(),
        replication: OnceLock::new(),
        sweeper: OnceLock::new(),
        audit_watch: OnceLock::new(),
        rotator: OnceLock::new(),
        upkeep: OnceLock::new(),
    })
}
