//! What an activation token unwraps to: how a secondary reaches its primary and proves who it is.

use serde::{Deserialize, Serialize};

use super::address::ClusterAddr;
use super::ca::Identity;
use super::secret::{Secret, base64_vec};

/// Version of the bundle's form.
const VERSION: u32 = 1;

/// The bundle; a secret as a whole. Stored by the secondary after it joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bundle {
    version: u32,
    /// Id of the replication set.
    pub(crate) cluster_id: String,
    /// The id that the primary knows this secondary by.
    pub(crate) secondary_id: String,
    /// `https://host:port` of the primary's cluster port.
    pub(crate) primary_cluster_addr: String,
    /// The primary's CA, DER.
    #[serde(with = "base64_vec")]
    pub(crate) ca_cert: Vec<u8>,
    /// This secondary's certificate, DER.
    #[serde(with = "base64_vec")]
    pub(crate) client_cert: Vec<u8>,
    /// Its private key, PKCS#8.
    pub(crate) client_key: Secret,
}

impl Bundle {
    /// Puts one together.
    pub(crate) fn new(
        cluster_id: &str,
        secondary_id: &str,
        primary_cluster_addr: &str,
        ca_cert: &[u8],
        client: Identity,
    ) -> Self {
        Self {
            version: VERSION,
            cluster_id: cluster_id.to_owned(),
            secondary_id: secondary_id.to_owned(),
            primary_cluster_addr: primary_cluster_addr.to_owned(),
            ca_cert: ca_cert.to_vec(),
            client_cert: client.cert,
            client_key: client.key,
        }
    }

    /// Reads the JSON form; `None` for anything that is no bundle of this version.
    pub(crate) fn from_json(json: &[u8]) -> Option<Self> {
        let bundle: Self = serde_json::from_slice(json).ok()?;
        let whole = bundle.version == VERSION
            && !bundle.secondary_id.is_empty()
            && ClusterAddr::parse(&bundle.primary_cluster_addr).is_some();
        whole.then_some(bundle)
    }

    /// Where the primary listens.
    pub(crate) fn primary(&self) -> Option<ClusterAddr> {
        ClusterAddr::parse(&self.primary_cluster_addr)
    }
}
