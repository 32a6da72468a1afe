//! Becoming a secondary: from an activation token to a new store in use.
//!
//! Everything that can fail comes first: the token is unwrapped, the primary's cluster port is
//! reached and hands its keys over. Only then is a new store built beside the old one and switched
//! to. A failure before leaves this cluster as it was.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::spawn_blocking;

use super::context::{ReplicationContext, seconds};
use super::secondary::connect::{ConnectError, Link};
use super::state::{Persisted, STATE_KEY, SecondaryState};
use super::token::{self, TokenError};
use super::unwrap::{self, Trust, UnwrapError};
use super::wire::{Bootstrap, Message, Purpose, SNAPSHOT_PATIENCE, TransportError};
use crate::barrier::RootKey;
use crate::cluster::ops::{ClusterOps, NewStore, ReplaceError};
use crate::logical::ApiError;

/// What `secondary/enable` is given.
#[derive(Debug, Clone)]
pub(crate) struct JoinRequest {
    pub(crate) token: String,
    /// Overrides the address in the token; or empty.
    pub(crate) primary_api_addr: String,
    pub(crate) trust: Trust,
}

/// Why this cluster did not become a secondary.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Neither the token nor the request says where the primary is.
    #[error(
        "the activation token carries no API address because the primary has none configured; give \
         primary_api_addr"
    )]
    NoAddress,
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    #[error(
        "the activation token was accepted, but {0}; nothing was changed here, ask the primary for a new token when this is mended"
    )]
    Connect(#[from] ConnectError),
    #[error(
        "the primary did not hand its keys over: {0}; nothing was changed here, ask the primary for a new token"
    )]
    Bootstrap(String),
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// A programmer error or a shutdown.
    #[error("{0}")]
    Failed(String),
}

impl From<TransportError> for JoinError {
    fn from(e: TransportError) -> Self {
        Self::Bootstrap(e.to_string())
    }
}

impl From<JoinError> for ApiError {
    fn from(e: JoinError) -> Self {
        let status = match &e {
            JoinError::Replace(ReplaceError::NotUnsealed) => 503,
            JoinError::Replace(_) | JoinError::Failed(_) => 500,
            _ => 400,
        };
        Self::new(status, e.to_string())
    }
}

/// Joins. When it answers well, this cluster runs on the new store.
pub(crate) async fn join(
    context: &ReplicationContext,
    ops: Arc<dyn ClusterOps>,
    request: JoinRequest,
) -> Result<(), JoinError> {
    let claims = token::read_claims(&request.token)?;
    let address = if request.primary_api_addr.is_empty() {
        claims.addr.clone()
    } else {
        request.primary_api_addr.clone()
    };
    if address.is_empty() {
        return Err(JoinError::NoAddress);
    }
    let bundle = spawn_blocking(move || unwrap::unwrap(&address, &request.token, &request.trust))
        .await
        .map_err(|e| JoinError::Failed(e.to_string()))??;
    let link = Link::new(&bundle, context.api_addr.as_deref(), context.cluster_addr.as_deref())?;
    let bootstrap = fetch(&link).await?;
    if bootstrap.cluster_id != bundle.cluster_id {
        return Err(JoinError::Bootstrap("it is of another replication set".to_owned()));
    }
    let state = Persisted::Secondary(SecondaryState { bundle, joined: seconds(SystemTime::now()) });
    let state = serde_json::to_vec(&state).map_err(|e| JoinError::Failed(e.to_string()))?;
    // Only clusters in development mode know each other's root token.
    let dev = bootstrap.dev.filter(|_| ops.dev().is_some());
    let new = NewStore {
        root_key: RootKey::from_bytes(*bootstrap.root_key),
        seal_entry: bootstrap.seal_entry.to_vec(),
        keyring: bootstrap.keyring,
        node: vec![(STATE_KEY.to_owned(), state)],
        root_token: dev.as_ref().map(|d| d.root_token.to_string()),
        dev_keys: dev.map(|d| d.unseal_keys.iter().map(|k| k.to_string()).collect()),
    };
    Ok(ops.replace_store(new).await?)
}

async fn fetch(link: &Link) -> Result<Bootstrap, JoinError> {
    let (mut connection, _) = link.connect(Purpose::Bootstrap).await?;
    connection.reader.be_patient(SNAPSHOT_PATIENCE);
    match connection.reader.next().await? {
        Message::Bootstrap(bootstrap) => Ok(bootstrap),
        Message::Refused { text, .. } => Err(JoinError::Bootstrap(text)),
        _ => Err(JoinError::Bootstrap("it broke the protocol".to_owned())),
    }
}
