//! HTTP: connections, TLS, and the form of requests and answers.

mod answer;
mod ask;
mod body;
mod closing;
mod connection;
mod cors;
mod pace;
mod path;
mod patience;
mod proxy;
mod request;
mod server;
mod threads;
mod tls;

pub(crate) use answer::{envelope_text, request_id};
pub use server::{RunError, Server};
pub use tls::TlsError;
