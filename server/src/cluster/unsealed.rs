//! What a request needs while the cluster is unsealed.

use std::sync::Arc;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use strongroom_storage::Store;

use super::under_way::Operations;
use crate::audit::Broker;
use crate::auth::Lockout;
use crate::barrier::{Barrier, DecodeCache, RootKey, Session, Turns};
use crate::logical::{ApiError, ApiResult};
use crate::quota::Quotas;
use crate::replication::{Replication, Role};

/// NODE/`cluster`: this cluster's name and id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// For humans.
    pub name: String,
    /// A uuid.
    pub id: String,
}

/// A cluster whose keys are here.
pub struct Unsealed {
    /// The store.
    pub store: Store,
    /// Seals and opens its values.
    pub barrier: Arc<Barrier>,
    /// Decoded entries.
    pub cache: Arc<DecodeCache>,
    /// Protects the keyring.
    pub root_key: RootKey,
    /// Name and id.
    pub identity: Identity,
    /// Orders the commits of calls.
    pub turns: Turns,
    /// Puts requests on record.
    pub audit: Broker,
    /// Limits how often clients may ask.
    pub quotas: Quotas,
    /// What key shares are being gathered for.
    pub(super) operations: Operations,
    /// Names that failed to log in here.
    pub lockout: Lockout,
    /// Set once, right after the rest was made.
    pub(super) replication: OnceLock<Replication>,
    /// Ends background work when the last user of this value is gone.
    pub(super) sweeper: OnceLock<tokio::task::AbortHandle>,
    /// As `sweeper`.
    pub(super) audit_watch: OnceLock<tokio::task::AbortHandle>,
    /// As `sweeper`.
    pub(super) rotator: OnceLock<tokio::task::AbortHandle>,
    /// As `sweeper`.
    pub(super) upkeep: OnceLock<tokio::task::AbortHandle>,
}

impl Unsealed {
    /// A transaction through the barrier.
    pub fn session(&self) -> Session {
        Session::new(self.store.begin(), Arc::clone(&self.barrier), Arc::clone(&self.cache))
    }

    /// The running replication.
    ///
    /// # Errors
    /// 503 while the cluster is still coming up.
    pub fn replication(&self) -> ApiResult<&Replication> {
        self.replication
            .get()
            .ok_or_else(|| ApiError::unavailable("the server is still coming up; try again"))
    }

    /// The role in a replication set.
    pub fn role(&self) -> Role {
        self.replication.get().map_or(Role::Disabled, Replication::role)
    }
}

impl Drop for Unsealed {
    fn drop(&mut self) {
        for task in [&self.sweeper, &self.audit_watch, &self.rotator, &self.upkeep] {
            if let Some(task) = task.get() {
                task.abort();
            }
        }
    }
}
