//! Why a connection of a secondary ends.

use std::time::Duration;

use crate::replication::wire::TransportError;

/// From the TCP connection to a known secondary, at most.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// TLS failed: no certificate, one of another CA, expired, or an old protocol.
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    /// No or another protocol was negotiated.
    #[error("the peer did not ask for the replication protocol")]
    Alpn,
    /// The peer took too long to say who it is.
    #[error("the peer did not say who it is within {} s", HANDSHAKE_MAX.as_secs())]
    Slow,
    /// The certificate is not one of a known secondary.
    #[error("unknown or revoked certificate of `{0}`")]
    NotKnown(String),
    /// The secondary was revoked or connected anew.
    #[error("revoked, or replaced by a newer connection")]
    Cut,
    /// The connection ended.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The peer sent a message that does not belong here.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// The secondary does not keep up: it took nothing of what was sent.
    #[error("the secondary applied nothing for {0} s")]
    Stalled(u64),
    /// The log that the secondary still needs is gone; it reconciles.
    #[error("the log that the secondary still needs is no longer kept; it has to reconcile")]
    LeftBehind,
    /// This cluster failed.
    #[error("{0}")]
    Failed(String),
}
