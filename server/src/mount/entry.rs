//! Stored mount tables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_storage::KeyspaceId;
use uuid::Uuid;

/// One mount as it is stored and as `sys/mounts` shows it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct MountEntry {
    /// With trailing slash; auth methods without their `auth/`.
    pub path: String,
    /// Type of the engine.
    #[serde(rename = "type")]
    pub kind: String,
    /// `<type>_<8 hex>`.
    pub accessor: String,
    /// Id of its keyspace.
    pub uuid: Uuid,
    /// For humans.
    pub description: String,
    /// Options of the engine.
    pub options: Option<BTreeMap<String, String>>,
    /// Not replicated.
    pub local: bool,
    /// Accepted and shown; every entry goes through the barrier.
    pub seal_wrap: bool,
    /// Accepted and shown.
    pub external_entropy_access: bool,
    /// Tunable.
    pub config: MountConfig,
}

/// What `tune` changes. Times are seconds, 0 for the system's default.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct MountConfig {
    /// Leases and tokens without a wish of their own.
    pub default_lease_ttl: u64,
    /// No lease or token lives longer.
    pub max_lease_ttl: u64,
    /// Accepted and shown; the cache is never stale.
    pub force_no_cache: bool,
    /// `unauth` shows the mount to anyone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listing_visibility: String,
    /// Of auth methods.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_type: String,
    /// Of auth methods; nothing for the system's defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_lockout_config: Option<LockoutConfig>,
    /// Headers that the engine may see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passthrough_request_headers: Vec<String>,
    /// Headers that the engine may set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_response_headers: Vec<String>,
    /// For audit devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audit_non_hmac_request_keys: Vec<String>,
    /// For audit devices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audit_non_hmac_response_keys: Vec<String>,
}

/// When failed logins lock a name. Times are seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub struct LockoutConfig {
    /// Failures that lock.
    pub lockout_threshold: u64,
    /// How long a name stays locked.
    pub lockout_duration: u64,
    /// Failures that lie this far apart do not add up.
    pub lockout_counter_reset: u64,
    /// Never lock.
    pub lockout_disable: bool,
}

impl Default for LockoutConfig {
    fn default() -> Self {
        Self {
            lockout_threshold: 5,
            lockout_duration: 900,
            lockout_counter_reset: 900,
            lockout_disable: false,
        }
    }
}

impl MountEntry {
    /// A new mount with ids of its own.
    pub fn new(path: &str, kind: &str, description: &str) -> Self {
        let uuid = Uuid::new_v4();
        // Another draw, so that the accessor says nothing of the keyspace.
        let tag = Uuid::new_v4().as_fields().0;
        Self {
            path: path.to_owned(),
            kind: kind.to_owned(),
            accessor: format!("{kind}_{tag:08x}"),
            uuid,
            description: description.to_owned(),
            options: None,
            local: false,
            seal_wrap: false,
            external_entropy_access: false,
            config: MountConfig::default(),
        }
    }

    /// Where its data lives.
    pub fn keyspace(&self) -> KeyspaceId {
        KeyspaceId(*self.uuid.as_bytes())
    }

    /// An option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.as_ref()?.get(name).map(String::as_str)
    }
}

/// CORE/`mounts`, CORE/`auth` or LOCAL/`local-mounts`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Table {
    /// In the order of mounting.
    pub entries: Vec<MountEntry>,
}
