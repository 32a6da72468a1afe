//! Handlers that work on the cluster itself.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::cluster::Cluster;
use crate::dispatch::Request;
use crate::logical::{ApiResult, Caller, Operation, Params, Response, Route};

/// What a [`SysHandler`] returns.
pub type SysFuture = Pin<Box<dyn Future<Output = ApiResult<Response>> + Send>>;

/// A handler that works on the cluster itself. `Box::pin(async move { ... })` inside a plain `fn`.
pub type SysHandler = fn(SysCall) -> SysFuture;

/// A route that works on the cluster itself.
pub type SysRoute = Route<SysHandler>;

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

    /// The body as a typed value; see [`Call::parse`](crate::logical::Call::parse).
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
