//! What replication may ask of the cluster it runs in, and the calls that cross between clusters.
//!
//! Replication sees the cluster only through [`ClusterOps`], so neither module knows the other's
//! insides.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::barrier::RootKey;
use crate::logical::{ApiResult, Caller, Operation, Response};

/// A future of [`ClusterOps`].
pub type OpsFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The cluster as replication sees it.
pub trait ClusterOps: Send + Sync {
    /// Primary side: runs a call that a secondary forwarded. It is authorised again, with this
    /// cluster's own text of the policies that `req.caller` names.
    fn execute(&self, req: ForwardRequest) -> OpsFuture<'_, ForwardReply>;

    /// Secondary side: builds a store for `new` beside the one in use, switches to it in one atomic
    /// step, removes the old one and comes up unsealed on the new one. On an error the old store is
    /// in use as before.
    fn replace_store(&self, new: NewStore) -> OpsFuture<'_, Result<(), ReplaceError>>;

    /// The raw bytes of NODE/`seal`: shares, threshold and the wrapped root key.
    ///
    /// # Errors
    /// [`OpsError`].
    fn seal_entry(&self) -> Result<Vec<u8>, OpsError>;

    /// Root token and unseal keys; only in development mode.
    fn dev(&self) -> Option<DevHandover>;
}

/// A call that a secondary authorised and hands on to its primary.
#[derive(Debug, Serialize, Deserialize)]
pub struct ForwardRequest {
    /// The verb.
    pub op: Operation,
    /// Full path without `/v1/`.
    pub path: String,
    /// Decoded query parameters.
    pub query: Vec<(String, String)>,
    /// JSON body, or empty.
    #[serde(with = "base64_bytes")]
    pub body: Bytes,
    /// Who calls; never the token itself.
    pub caller: Caller,
    /// The client's address as the secondary saw it.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// What the client showed to the secondary at the TLS handshake, in DER; its own first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Vec<u8>>,
    /// The secondary that forwards, as its certificate names it.
    pub secondary_id: String,
}

/// The primary's answer to a [`ForwardRequest`].
#[derive(Debug, Serialize, Deserialize)]
pub struct ForwardReply {
    /// The answer, or the error for the client.
    pub result: ApiResult<Response>,
    /// The primary's log position after the commit; a secondary that has applied up to here sees
    /// what the call wrote.
    pub lsn: u64,
}

/// What a secondary's new store starts with.
pub struct NewStore {
    /// The primary's root key.
    pub root_key: RootKey,
    /// Raw bytes of NODE/`seal` as the primary has it.
    pub seal_entry: Vec<u8>,
    /// Raw bytes of CORE/`keyring` as the primary has it.
    pub keyring: Vec<u8>,
    /// Entries for NODE in plaintext; they are sealed by the barrier on the way in.
    pub node: Vec<(String, Vec<u8>)>,
    /// Development mode only: the primary's root token, to be known here too.
    pub root_token: Option<String>,
    /// Development mode only: the primary's unseal keys, so that this server unseals by itself.
    pub dev_keys: Option<Vec<String>>,
}

/// Root token and unseal keys of a server in development mode; secrets, kept in the open there.
#[derive(Clone, Serialize, Deserialize)]
pub struct DevHandover {
    /// The root token.
    pub root_token: String,
    /// Key shares, hex.
    pub unseal_keys: Vec<String>,
}

impl Drop for DevHandover {
    fn drop(&mut self) {
        self.root_token.zeroize();
        self.unseal_keys.zeroize();
    }
}

/// Why [`ClusterOps::replace_store`] left the old store in use.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// What the primary sent does not fit together: keyring, root key or seal entry.
    #[error("the primary's keys do not fit together: {0}; ask for a new activation token")]
    Keys(String),
    /// The new store could not be built; the old one is untouched.
    #[error("the new store could not be built: {0}; the old one is still in use")]
    Build(String),
    /// This cluster was sealed or stopped meanwhile.
    #[error("this cluster is sealed or stopping; unseal it and try again")]
    NotUnsealed,
    /// The switch happened, but the new store could not be taken into use; a restart does so.
    #[error("the new store is in place but could not be started: {0}; restart the server")]
    Start(String),
}

/// Why the cluster could not answer replication.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    /// Nothing is stored yet, or the cluster is stopping.
    #[error("this cluster is not initialised or is stopping")]
    NoStore,
    /// The store could not read it.
    #[error("the seal entry cannot be read: {0}")]
    Read(String),
}

/// Bodies cross as base64, so that any bytes survive any self-describing format.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(body: &Bytes, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
    }
}
