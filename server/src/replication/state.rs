//! What a cluster remembers of its part in a replication set: entries of the NODE keyspace, sealed by
//! the barrier like everything else, never shipped to anyone.
//!
//! | key | value (JSON) |
//! |---|---|
//! | `replication/state` | [`Persisted`]; absent while replication is disabled |
//! | `replication/cursor` | [`Cursor`]; absent until a secondary was level for the first time |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_storage::{Digest, Lsn};

use super::bundle::Bundle;
use super::ca::Identity;
use super::secret::{Secret, base64_vec};

/// Key of [`Persisted`].
pub(crate) const STATE_KEY: &str = "replication/state";
/// Key of [`Cursor`].
pub(crate) const CURSOR_KEY: &str = "replication/cursor";
/// Secondaries that one primary knows, at most.
pub(crate) const SECONDARIES_MAX: usize = 1024;

/// The role, and what it needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(crate) enum Persisted {
    Primary(PrimaryState),
    Secondary(SecondaryState),
}

/// A primary's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PrimaryState {
    /// Id of the replication set; a new one at each enable.
    pub(crate) cluster_id: String,
    /// Counts changes of the primary; the first has 1.
    pub(crate) epoch: u64,
    /// Given at enable; empty: this cluster's own cluster address.
    pub(crate) primary_cluster_addr: String,
    #[serde(with = "base64_vec")]
    pub(crate) ca_cert: Vec<u8>,
    pub(crate) ca_key: Secret,
    /// Signs activation tokens, Ed25519.
    pub(crate) token_key: Secret,
    /// By id.
    pub(crate) secondaries: BTreeMap<String, KnownSecondary>,
}

impl PrimaryState {
    /// The CA with its key.
    pub(crate) fn ca(&self) -> Identity {
        Identity { cert: self.ca_cert.clone(), key: self.ca_key.clone() }
    }
}

/// A secondary that may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownSecondary {
    /// Of its certificate.
    pub(crate) fingerprint: String,
    /// When its token was issued, seconds since the epoch.
    pub(crate) issued: u64,
}

/// A secondary's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SecondaryState {
    pub(crate) bundle: Bundle,
    /// When it joined, seconds since the epoch.
    pub(crate) joined: u64,
}

/// How far a secondary has come in its primary's log. Committed together with the data that it
/// speaks of, so the two never disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Which log.
    pub(crate) log_id: [u8; 16],
    /// End of the last change applied.
    #[serde(with = "lsn")]
    pub(crate) lsn: Lsn,
    /// The primary's epoch.
    pub(crate) epoch: u64,
    /// Root at `lsn` when it was known at commit time (after a reconciliation); streaming checks
    /// roots against the primary's promises instead.
    #[serde(with = "digest")]
    pub(crate) root: Option<Digest>,
}

mod lsn {
    use super::{Deserialize, Lsn};
    use serde::{Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(lsn: &Lsn, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(lsn.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Lsn, D::Error> {
        u64::deserialize(from).map(Lsn)
    }
}

mod digest {
    use super::{Deserialize, Digest, Serialize};
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(d: &Option<Digest>, to: S) -> Result<S::Ok, S::Error> {
        d.map(|d| d.0).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Digest>, D::Error> {
        Option::<[u8; 32]>::deserialize(from).map(|d| d.map(Digest))
    }
}
