//! A request as the HTTP layer hands it over.

use std::net::SocketAddr;
use std::time::SystemTime;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::logical::Operation;

/// One request of a client.
pub struct Request {
    /// The verb.
    pub op: Operation,
    /// Path without `/v1/`, decoded and clean.
    pub path: String,
    /// Decoded query parameters.
    pub query: Vec<(String, String)>,
    /// JSON object, or empty.
    pub body: Bytes,
    /// The client's token.
    pub token: Option<Zeroizing<String>>,
    /// Seconds: wrap the answer.
    pub wrap_ttl: Option<u64>,
    /// The peer.
    pub remote: Option<SocketAddr>,
    /// When it came.
    pub now: SystemTime,
}
