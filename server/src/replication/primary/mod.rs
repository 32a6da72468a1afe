//! The primary's side: owns the data, knows its secondaries, serves them over the cluster port.

mod answer;
mod bootstrap;
mod error;
mod forward;
pub(super) mod listener;
mod log;
mod pump;
mod reconcile;
pub(super) mod registry;
mod session;
mod stream;

use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::ca::{Ca, CaError};
use super::context::ReplicationContext;
use super::state::PrimaryState;
use super::tls::{self, TlsError};
use super::token::{Claims, TokenError, TokenKey};
use registry::Registry;

/// Why a primary could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrimaryError {
    /// The stored CA is not usable.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// Its TLS configuration is not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The stored token key is not usable.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// A running primary.
pub(crate) struct Primary {
    pub(crate) context: Arc<ReplicationContext>,
    pub(crate) cluster_id: String,
    pub(crate) epoch: u64,
    pub(crate) registry: Registry,
    /// The address given at enable, or empty.
    pub(crate) given_addr: String,
    token_key: TokenKey,
    /// Reconciliations that may still begin.
    reconciling: Semaphore,
}

impl Primary {
    /// Starts as `state` says, on a listener that is bound already, or else on one that is bound as
    /// soon as the port is free.
    pub(crate) fn start(
        context: &Arc<ReplicationContext>,
        state: &PrimaryState,
        listener: Option<TcpListener>,
    ) -> Result<(Arc<Self>, JoinHandle<()>), PrimaryError> {
        let ca = Ca::open(&state.ca())?;
        let config = Arc::new(tls::server(ca.cert(), &ca.issue_server(SystemTime::now())?)?);
        let primary = Arc::new(Self {
            context: Arc::clone(context),
            cluster_id: state.cluster_id.clone(),
            epoch: state.epoch,
            registry: Registry::new(&state.secondaries),
            given_addr: state.primary_cluster_addr.clone(),
            token_key: TokenKey::open(&state.token_key)?,
            reconciling: Semaphore::new(reconcile::RUNNING_MAX),
        });
        let serving = Arc::clone(&primary);
        let task = tokio::spawn(async move {
            let listener = match listener {
                Some(listener) => listener,
                None => listener::bind_patiently(serving.context.cluster_listen).await,
            };
            listener::serve(listener, config, serving).await;
        });
        Ok((primary, task))
    }

    /// The address that secondaries are told, or `None` when nothing says one.
    pub(crate) fn advertised(&self) -> Option<String> {
        advertised(&self.context, &self.given_addr)
    }

    /// Signs an activation token.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        self.token_key.sign(claims)
    }
}

/// The cluster address that secondaries are told: the one given at enable, else the configured one,
/// else the listener's, unless that is a wildcard.
pub(crate) fn advertised(context: &ReplicationContext, given: &str) -> Option<String> {
    if !given.is_empty() {
        return Some(given.to_owned());
    }
    if let Some(configured) = &context.cluster_addr {
        return Some(configured.clone());
    }
    let listen = context.cluster_listen;
    (!listen.ip().is_unspecified()).then(|| format!("https://{listen}"))
}
