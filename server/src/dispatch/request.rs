//! A request as the HTTP layer hands it over.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::SystemTime;

use bytes::Bytes;
use hyper::HeaderMap;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::logical::{Certificates, Operation};
use crate::quota::Standing;

/// One request of a client.
pub struct Request {
    /// Names it in its answer and on record.
    pub id: Uuid,
    /// The verb.
    pub op: Operation,
    /// Path without `/v1/`, decoded and clean.
    pub path: String,
    /// Decoded query parameters.
    pub query: Vec<(String, String)>,
    /// JSON object, or empty.
    pub body: Bytes,
    /// As they were sent; secrets among them.
    pub headers: HeaderMap,
    /// The client's token.
    pub token: Option<Zeroizing<String>>,
    /// Seconds: wrap the answer.
    pub wrap_ttl: Option<u64>,
    /// The peer.
    pub remote: Option<SocketAddr>,
    /// What the client showed at the TLS handshake.
    pub certificates: Certificates,
    /// The listener shows this path to anyone.
    pub open: bool,
    /// When it came.
    pub now: SystemTime,
    /// How its sender stands with a rate limit that says so in answers.
    pub standing: OnceLock<Box<Standing>>,
}

impl Request {
    /// Whether the path's help is asked for in place of what it answers.
    pub fn asks_for_help(&self) -> bool {
        matches!(self.op, Operation::Read | Operation::Write)
            && self.query.iter().any(|(k, v)| k == "help" && !v.is_empty())
    }
}
