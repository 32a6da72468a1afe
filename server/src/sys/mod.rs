//! The system backend: what `sys/` answers.
//!
//! Two kinds of handlers: a [`CoreHandler`] works on one transaction like an engine does and is run,
//! repeated, committed and forwarded by dispatch; a [`SysHandler`] is asynchronous and changes the
//! cluster itself (init, seal, replication).

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

mod backup;
mod capabilities;
mod config;
mod generate_root;
mod health;
mod host;
mod internal;
mod keys;
mod locked;
mod loggers;
mod machine;
mod metrics;
mod monitor;
mod mounts;
mod namespaces;
mod passwords;
mod plugins;
mod policies;
mod rekey;
mod remount;
mod rotation;
mod routes;
mod seal;
mod tools;
mod ui;

use strongroom_storage::KeyspaceId;

use crate::auth::Lockout;
use crate::barrier::Session;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::dispatch::Request;
use crate::logical::{ApiResult, Call, Caller, Operation, Params, Peer, Response, Route};

pub(crate) use config::Cors;
pub use routes::{Found, answers_always, described, find, find_always, open_to_anyone};

/// What a [`SysHandler`] returns.
pub type SysFuture = Pin<Box<dyn Future<Output = ApiResult<Response>> + Send>>;

/// A handler that works on the cluster itself. `Box::pin(async move { ... })` inside a plain `fn`.
pub type SysHandler = fn(SysCall) -> SysFuture;

/// A handler that works on one transaction; the same rules as for an engine's handler.
pub type CoreHandler = fn(&CoreCall<'_>, &mut Session) -> ApiResult<Response>;

/// A route that works on the cluster itself.
pub type SysRoute = Route<SysHandler>;

/// A route that works on one transaction.
pub type CoreRoute = Route<CoreHandler>;

/// One call to a [`SysHandler`]; owns its data, so that the handler may wait.
pub struct SysCall {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The verb.
    pub op: Operation,
    /// Path below `sys/`.
    pub path: String,
    /// Captured parameters by name.
    pub params: Vec<(&'static str, String)>,
    /// Raw JSON body, or empty.
    pub body: Bytes,
    /// Decoded query parameters.
    pub query: Vec<(String, String)>,
    /// Who calls; the default (nobody) on public routes without a token.
    pub caller: Caller,
    /// The peer.
    pub remote: Option<SocketAddr>,
    /// Time of the request.
    pub now: SystemTime,
}

impl SysCall {
    /// The call of a client.
    pub(crate) fn new(
        cluster: &Arc<Cluster>,
        request: &Request,
        path: &str,
        params: &Params<'_>,
        caller: &Caller,
    ) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            op: request.op,
            path: path.to_owned(),
            params: params.iter().map(|(k, v)| (k, v.to_owned())).collect(),
            body: request.body.clone(),
            query: request.query.clone(),
            caller: caller.clone(),
            remote: request.remote,
            now: request.now,
        }
    }

    /// The body as a typed value; see [`Call::parse`].
    ///
    /// # Errors
    /// 400 that names the place, never the value.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> ApiResult<T> {
        crate::logical::parse_body(&self.body)
    }

    /// A captured parameter, or empty.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(k, _)| *k == name).map_or("", |(_, v)| v.as_str())
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
}

/// One call to a [`CoreHandler`].
pub struct CoreCall<'a> {
    /// The call as engines see it.
    pub call: Call<'a>,
    /// The client's token as it was sent, or empty; a secret.
    pub token: &'a str,
    /// The answer will be wrapped.
    pub wrapped: bool,
    /// Keyspace of the mount.
    pub keyspace: KeyspaceId,
    /// Where it comes from.
    pub peer: Peer,
    /// Names that failed to log in here.
    pub lockout: &'a Lockout,
    /// What the server was told at start.
    pub config: &'a Config,
}
