//! A small HTTP/1.1 client: one request at a time on a connection that is kept.

mod connection;
mod response;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

pub use connection::Connection;
pub use response::Response;
pub use tls::{Identity, trusting};

/// Where a server is reached, and how.
#[derive(Clone)]
pub struct Target {
    /// Its listener.
    pub address: SocketAddr,
    /// `None`: plain HTTP.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// A request as bytes, made once and sent often.
pub fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} /v1/{path} HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: {token}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
