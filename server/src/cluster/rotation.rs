//! Rotating the barrier key: at once, or when its time has come or it was used often enough.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use super::build::seconds;
use super::{Cluster, KEYRING_KEY, Unsealed};
use crate::barrier::{Keyring, Session, ViewError};
use crate::keyspace::CORE;
use crate::logical::{ApiError, ApiResult};
use crate::replication::Role;

/// Operations under one key at most: a tenth below 2^32, where random nonces become a risk.
pub const OPERATIONS_MAX: u64 = 3_865_470_566;
/// How often it is looked at.
const PERIOD: Duration = Duration::from_mins(1);
/// Key of the configuration in CORE.
const CONFIG_KEY: &str = "rotate-config";

/// CORE/`rotate-config`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RotateConfig {
    /// Keys are rotated by themselves.
    pub enabled: bool,
    /// Seconds; 0 for no limit of time.
    pub interval: u64,
    /// Values sealed under one key at most.
    pub max_operations: u64,
}

impl Default for RotateConfig {
    fn default() -> Self {
        Self { enabled: true, interval: 0, max_operations: OPERATIONS_MAX }
    }
}

impl RotateConfig {
    /// As it is stored.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn load(session: &mut Session) -> Result<Self, ViewError> {
        Ok(session.view(CORE).get_json(CONFIG_KEY)?.unwrap_or_default())
    }

    /// Stores it.
    ///
    /// # Errors
    /// See [`ViewError`].
    pub fn store(&self, session: &mut Session) -> Result<(), ViewError> {
        session.view(CORE).put_json(CONFIG_KEY, self)
    }

    /// Whether a key that was installed `age` seconds ago and has sealed `seals` values is due.
    fn due(&self, age: u64, seals: u64) -> bool {
        let too_old = self.interval != 0 && age >= self.interval;
        self.enabled && (too_old || seals >= self.max_operations)
    }
}

impl Cluster {
    /// Adds a key to the keyring; new values are sealed under it. The keyring is durable before its
    /// first use.
    ///
    /// # Errors
    /// 503 while sealed, 500 when it cannot be stored; the keys are as before then.
    pub async fn rotate(&self, now: SystemTime) -> ApiResult<u32> {
        let _changing = self.changing.lock().await;
        let unsealed = self.unsealed()?;
        let mut txn = unsealed.store.begin();
        let stored = txn.get(CORE, KEYRING_KEY.as_bytes()).map_err(ApiError::internal)?;
        let stored = stored.ok_or_else(|| ApiError::internal("the keyring is missing"))?;
        let mut ring = Keyring::open(&stored, &unsealed.root_key).map_err(ApiError::internal)?;
        let term = ring.rotate(seconds(now)).map_err(ApiError::internal)?;
        let stored = ring.seal(&unsealed.root_key).map_err(ApiError::internal)?;
        txn.put(CORE, KEYRING_KEY.as_bytes(), stored);
        txn.commit().await.map_err(|e| crate::dispatch::commit_error(&e))?;
        unsealed.barrier.replace_keyring(ring).map_err(ApiError::internal)?;
        tracing::info!(term, "rotated the barrier key");
        Ok(term)
    }
}

/// Runs until the last user of `unsealed` is gone.
pub(super) fn spawn(cluster: Weak<Cluster>, unsealed: &Arc<Unsealed>) -> AbortHandle {
    let unsealed = Arc::downgrade(unsealed);
    tokio::spawn(run(cluster, unsealed)).abort_handle()
}

async fn run(cluster: Weak<Cluster>, unsealed: Weak<Unsealed>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let (Some(cluster), Some(unsealed)) = (cluster.upgrade(), unsealed.upgrade()) else {
            return;
        };
        // A secondary gets the primary's keyring.
        if matches!(unsealed.role(), Role::Secondary { .. }) {
            continue;
        }
        let now = SystemTime::now();
        match due(&unsealed, now) {
            Ok(false) => {}
            Ok(true) => {
                drop(unsealed);
                if let Err(e) = cluster.rotate(now).await {
                    tracing::error!(
                        "the barrier key is due and not rotated: {}",
                        e.errors.join("; ")
                    );
                }
            }
            Err(e) => tracing::error!("the configuration of key rotation cannot be read: {e}"),
        }
    }
}

fn due(unsealed: &Unsealed, now: SystemTime) -> Result<bool, ViewError> {
    let config = RotateConfig::load(&mut unsealed.session())?;
    let ring = unsealed.barrier.keyring();
    let installed = ring.installed(ring.active_term()).unwrap_or(0);
    Ok(config.due(seconds(now).saturating_sub(installed), unsealed.barrier.seals()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_by_age_or_by_use() {
        let config = RotateConfig { interval: 100, max_operations: 50, ..RotateConfig::default() };
        assert!(!config.due(99, 49) && config.due(100, 0) && config.due(0, 50));
        assert!(!RotateConfig { interval: 0, ..config.clone() }.due(u64::MAX, 0));
        assert!(!RotateConfig { enabled: false, ..config }.due(100, 50));
    }
}
