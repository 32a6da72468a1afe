//! Connects to the primary: TCP, mTLS, greeting.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::replication::address::ClusterAddr;
use crate::replication::bundle::Bundle;
use crate::replication::context::clock_ms;
use crate::replication::tls::{self, ALPN_REPLICATION, TlsError};
use crate::replication::wire::{Connection, Hello, Message, Purpose, RefusalCode, TransportError};

/// From nothing to a greeting answered, at most.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The stored address is none.
    #[error("`{0}` is not an address of a cluster port")]
    Address(String),
    /// The stored certificates are not usable.
    #[error(transparent)]
    Config(#[from] TlsError),
    /// Nobody answers.
    #[error("cannot connect to the primary's cluster port {address}: {cause}")]
    Tcp {
        /// Where.
        address: String,
        /// What the network said.
        cause: std::io::Error,
    },
    /// Somebody answers, but not the primary, or it does not accept this secondary's certificate.
    #[error("no trust between this secondary and {address}: {cause}")]
    Tls {
        /// Where.
        address: String,
        /// What TLS said.
        cause: std::io::Error,
    },
    /// Too slow.
    #[error("{address} did not answer within {} s", CONNECT_MAX.as_secs())]
    Slow {
        /// Where.
        address: String,
    },
    /// The primary said no.
    #[error("the primary refused: {text}")]
    Refused {
        /// Why, for programs.
        code: RefusalCode,
        /// Why, for people.
        text: String,
    },
    /// The primary is of another replication set: it was enabled anew.
    #[error(
        "the primary now belongs to another replication set; join it with a new activation token"
    )]
    OtherSet,
    /// The connection ended early.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Not what a primary says.
    #[error("the primary broke the protocol")]
    Protocol,
}

/// How to reach the primary, and as whom.
pub(crate) struct Link {
    address: ClusterAddr,
    tls: Arc<ClientConfig>,
    cluster_id: String,
    secondary_id: String,
    node_id: [u8; 16],
    api_addr: String,
    cluster_addr: String,
}

/// What the primary says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) log_id: [u8; 16],
    pub(crate) epoch: u64,
}

impl Link {
    /// From a bundle; the addresses are this cluster's own, for the primary's status.
    pub(crate) fn new(
        bundle: &Bundle,
        api_addr: Option<&str>,
        cluster_addr: Option<&str>,
    ) -> Result<Self, ConnectError> {
        let address = bundle
            .primary()
            .ok_or_else(|| ConnectError::Address(bundle.primary_cluster_addr.clone()))?;
        Ok(Self {
            address,
            tls: Arc::new(tls::client(bundle)?),
            cluster_id: bundle.cluster_id.clone(),
            secondary_id: bundle.secondary_id.clone(),
            node_id: *uuid::Uuid::new_v4().as_bytes(),
            api_addr: api_addr.unwrap_or_default().to_owned(),
            cluster_addr: cluster_addr.unwrap_or_default().to_owned(),
        })
    }

    /// Connects for a purpose.
    pub(crate) async fn connect(
        &self,
        purpose: Purpose,
    ) -> Result<(Connection, Welcome), ConnectError> {
        timeout(CONNECT_MAX, self.try_connect(purpose))
            .await
            .unwrap_or_else(|_| Err(ConnectError::Slow { address: self.address.to_string() }))
    }

    async fn try_connect(&self, purpose: Purpose) -> Result<(Connection, Welcome), ConnectError> {
        let address = || self.address.to_string();
        let tcp = TcpStream::connect(self.address.target())
            .await
            .map_err(|cause| ConnectError::Tcp { address: address(), cause })?;
        if let Err(e) = tcp.set_nodelay(true) {
            tracing::debug!("no TCP_NODELAY towards the primary: {e}");
        }
        let tls = TlsConnector::from(Arc::clone(&self.tls))
            .connect(tls::server_name()?, tcp)
            .await
            .map_err(|cause| ConnectError::Tls { address: address(), cause })?;
        if tls.get_ref().1.alpn_protocol() != Some(ALPN_REPLICATION) {
            return Err(ConnectError::Protocol);
        }
        let mut connection = Connection::new(TlsStream::from(tls));
        connection.writer.send(&Message::Hello(self.hello(purpose))).await?;
        let welcome = self.welcome(&mut connection).await?;
        connection.reader.trust();
        Ok((connection, welcome))
    }

    fn hello(&self, purpose: Purpose) -> Hello {
        Hello {
            purpose,
            secondary_id: self.secondary_id.clone(),
            node_id: self.node_id,
            api_addr: self.api_addr.clone(),
            cluster_addr: self.cluster_addr.clone(),
            clock_ms: clock_ms(),
        }
    }

    /// In TLS 1.3 a refused client certificate shows only here, in the first read.
    async fn welcome(&self, connection: &mut Connection) -> Result<Welcome, ConnectError> {
        match connection.reader.next().await {
            Ok(Message::Welcome { cluster_id, log_id, epoch }) => {
                if cluster_id != self.cluster_id {
                    return Err(ConnectError::OtherSet);
                }
                Ok(Welcome { log_id, epoch })
            }
            Ok(Message::Refused { code, text }) => Err(ConnectError::Refused { code, text }),
            Ok(_) => Err(ConnectError::Protocol),
            Err(TransportError::Io(cause)) => {
                Err(ConnectError::Tls { address: self.address.to_string(), cause })
            }
            Err(e) => Err(e.into()),
        }
    }
}
