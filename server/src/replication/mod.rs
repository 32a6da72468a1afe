//! Performance replication: what the rest of the server sees of it.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use strongroom_storage::Store;

use crate::barrier::{Barrier, DecodeCache, RootKey, Session};
use crate::cluster::ops::{ClusterOps, ForwardReply, ForwardRequest};
use crate::logical::{ApiError, Route};
use crate::sys::SysHandler;

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

/// Why replication could not start.
#[derive(Debug, thiserror::Error)]
#[error("replication: {0}")]
pub struct StartError(pub String);

/// This cluster's part in a replication set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// None.
    Disabled,
    /// Owns the data.
    Primary,
    /// Holds a copy; `ready` once it was level for the first time.
    Secondary {
        /// Whether replicated data may be read.
        ready: bool,
    },
}

/// The answer to a forwarded call.
pub struct ForwardOutcome {
    /// The primary's answer.
    pub reply: ForwardReply,
    /// Whether this cluster had applied what the call wrote before it answered.
    pub caught_up: bool,
}

/// The running replication of an unsealed cluster.
pub struct Replication(());

impl Replication {
    /// Starts according to the stored role.
    ///
    /// # Errors
    /// [`StartError`].
    #[expect(clippy::unused_async, reason = "opens the cluster port")]
    pub async fn start(_context: ReplicationContext) -> Result<Self, StartError> {
        Ok(Self(()))
    }

    /// The role.
    pub fn role(&self) -> Role {
        Role::Disabled
    }

    /// Hands a call to the primary.
    ///
    /// # Errors
    /// 503 when the primary cannot be reached.
    #[expect(clippy::unused_async, reason = "asks the primary")]
    pub async fn forward(&self, _req: ForwardRequest) -> Result<ForwardOutcome, ApiError> {
        Err(ApiError::unavailable("replication is disabled"))
    }

    /// Stops all connections.
    #[expect(clippy::unused_async, reason = "waits for connections")]
    pub async fn stop(&self) {}
}

/// The wrapping id inside an activation token of this cluster, or `None`.
pub fn wrapping_id(_session: &mut Session, _jwt: &str) -> Option<String> {
    None
}

/// `sys/replication/*`.
pub static ROUTES: &[Route<SysHandler>] = &[];
