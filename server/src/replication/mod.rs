//! Performance replication: a primary owns the data, secondaries hold live copies of it.
//!
//! The wire is described in `docs/replication-protocol.md`. Here is what runs where:
//!
//! - `primary`: the cluster port with one session per connection of a secondary;
//! - `secondary`: one task that follows the primary, and a connection that forwards calls;
//! - `admin`, `join`, `api`, `status`: what operators ask for;
//! - `wire`, `tls`, `ca`, `token`, `bundle`: what crosses between clusters, and in whom they trust.
//!
//! Only keyspaces of class replicated cross. A cluster's role is stored in its NODE keyspace.

mod address;
mod admin;
mod api;
mod beat;
mod bundle;
mod ca;
mod context;
mod join;
mod primary;
mod secondary;
mod secret;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod tls;
pub mod token;
mod unwrap;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use strongroom_storage::Lsn;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::barrier::{Session, ViewError};
use crate::cluster::ops::{ForwardReply, ForwardRequest};
use crate::keyspace::NODE;
use crate::logical::{ApiError, ApiResult};
use join::JoinRequest;
use primary::{Primary, PrimaryError, listener};
use secondary::{FollowError, Secondary};
use state::{Persisted, STATE_KEY};
use token::{TokenError, TokenKey};

pub use api::ROUTES;
pub use context::ReplicationContext;

/// A forwarded write is waited for here at most this long before its answer goes out.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);
/// A task gets this long to end in good order.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Why replication could not start. The cluster is fine; its replication state is not.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The stored role cannot be read.
    #[error("the stored replication state cannot be read: {0}")]
    State(#[from] ViewError),
    /// The primary's stored secrets are not usable.
    #[error("this primary cannot start: {0}")]
    Primary(String),
    /// The secondary's stored bundle is not usable.
    #[error("this secondary cannot start: {0}")]
    Secondary(String),
}

impl From<PrimaryError> for StartError {
    fn from(e: PrimaryError) -> Self {
        Self::Primary(e.to_string())
    }
}

impl From<FollowError> for StartError {
    fn from(e: FollowError) -> Self {
        Self::Secondary(e.to_string())
    }
}

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

enum Running {
    Disabled,
    Primary(Arc<Primary>),
    Secondary(Arc<Secondary>),
}

struct Inner {
    context: Arc<ReplicationContext>,
    running: ArcSwap<Running>,
    /// Held through a change of role.
    changing: tokio::sync::Mutex<()>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let (Some(task), Running::Primary(_)) = (task, &**self.running.load()) {
            task.abort();
        }
    }
}

/// The running replication of an unsealed cluster. Clones are the same one.
#[derive(Clone)]
pub struct Replication {
    inner: Arc<Inner>,
}

impl Replication {
    /// Starts according to the stored role. A primary whose port is still taken goes on trying.
    ///
    /// # Errors
    /// [`StartError`].
    #[expect(
        clippy::unused_async,
        reason = "must be called on the runtime that it starts tasks on"
    )]
    pub async fn start(context: ReplicationContext) -> Result<Self, StartError> {
        let context = Arc::new(context);
        let (stop, stopped) = watch::channel(false);
        let (running, task) = match context.node_entry(STATE_KEY)? {
            None => (Running::Disabled, None),
            Some(Persisted::Primary(state)) => {
                let (primary, task) = Primary::start(&context, &state, None)?;
                (Running::Primary(primary), Some(task))
            }
            Some(Persisted::Secondary(state)) => {
                let (secondary, task) = Secondary::start(&context, state, stopped)?;
                (Running::Secondary(secondary), Some(task))
            }
        };
        Ok(Self {
            inner: Arc::new(Inner {
                context,
                running: ArcSwap::from_pointee(running),
                changing: tokio::sync::Mutex::default(),
                stop,
                task: Mutex::new(task),
            }),
        })
    }

    /// The role.
    pub fn role(&self) -> Role {
        match &**self.inner.running.load() {
            Running::Disabled => Role::Disabled,
            Running::Primary(_) => Role::Primary,
            Running::Secondary(secondary) => Role::Secondary { ready: secondary.ready() },
        }
    }

    /// Hands a call to the primary, and waits a moment until this cluster has what the call wrote.
    /// Never sends a call twice that may have been done. Dropping the future does not take a call
    /// back.
    ///
    /// # Errors
    /// 503 when nothing was sent, 502 when it cannot be known whether the call was done.
    pub async fn forward(&self, request: ForwardRequest) -> Result<ForwardOutcome, ApiError> {
        let running = self.inner.running.load_full();
        let Running::Secondary(secondary) = &*running else {
            return Err(ApiError::unavailable("this cluster has no primary to forward to"));
        };
        let reply = secondary.forwarder.call(request).await?;
        let wrote = reply.result.is_ok();
        let caught_up = !wrote || secondary.reached(Lsn(reply.lsn), CATCH_UP_MAX).await;
        Ok(ForwardOutcome { reply, caught_up })
    }

    /// Stops all connections; what has come is still applied.
    pub async fn stop(&self) {
        self.inner.stop.send_replace(true);
        let task = self.inner.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return };
        if matches!(&**self.inner.running.load(), Running::Primary(_)) {
            task.abort();
        }
        if timeout(STOP_MAX, &mut task).await.is_err() {
            tracing::warn!("replication did not stop within {} s", STOP_MAX.as_secs());
            task.abort();
        }
    }

    /// Makes this cluster a primary. The port is bound and the state durable before it answers.
    async fn enable_primary(&self, primary_cluster_addr: &str) -> ApiResult<()> {
        let _changing = self.inner.changing.lock().await;
        self.must_be_disabled()?;
        let context = &self.inner.context;
        let state = admin::new_primary(primary_cluster_addr)?;
        let address = context.cluster_listen;
        let listener = listener::bind(address).await.map_err(|e| {
            ApiError::new(500, format!("cannot listen on the cluster port {address}: {e}"))
        })?;
        admin::store_new(context, &state).await?;
        let (primary, task) =
            Primary::start(context, &state, Some(listener)).map_err(ApiError::internal)?;
        *self.inner.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        self.inner.running.store(Arc::new(Running::Primary(primary)));
        Ok(())
    }

    /// Makes this cluster a secondary. After a success this value is stopped and another runs.
    async fn join(&self, request: JoinRequest) -> ApiResult<()> {
        let _changing = self.inner.changing.lock().await;
        self.must_be_disabled()?;
        let ops = self.inner.context.ops.upgrade();
        let ops = ops.ok_or_else(|| ApiError::unavailable("the server is stopping"))?;
        join::join(&self.inner.context, ops, request).await?;
        Ok(())
    }

    fn must_be_disabled(&self) -> ApiResult<()> {
        match self.role() {
            Role::Disabled => Ok(()),
            Role::Primary => {
                Err(ApiError::bad_request("this cluster is a replication primary already"))
            }
            Role::Secondary { .. } => {
                Err(ApiError::bad_request("this cluster is a replication secondary already"))
            }
        }
    }
}

/// The wrapping id inside an activation token of this cluster; `None` for anything else, so that
/// other wrapping tokens pass by.
pub fn wrapping_id(session: &mut Session, token: &str) -> Option<String> {
    if token.split('.').count() != 3 {
        return None;
    }
    let stored: Option<Persisted> = session.view(NODE).get_json(STATE_KEY).ok()?;
    let Some(Persisted::Primary(state)) = stored else { return None };
    let verified = TokenKey::open(&state.token_key).and_then(|key| key.verify(token));
    match verified {
        Ok(claims) => Some(claims.jti.clone()),
        Err(TokenError::Expired) => {
            tracing::info!("an expired activation token was presented");
            None
        }
        Err(_) => None,
    }
}
