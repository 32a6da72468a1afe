//! A token: what is kept of it, which is all but the token itself.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use crate::auth::{Cidr, Origin};
use crate::engine::stamp::Stamp;
use crate::logical::Caller;

/// One token, without the token itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenEntry {
    /// Names it without being it.
    pub accessor: String,
    /// Storage id of the parent; an orphan has none.
    pub parent: Option<String>,
    /// Sorted.
    pub policies: Vec<String>,
    /// The path that made it.
    pub path: String,
    /// As given when it was made.
    pub meta: Option<BTreeMap<String, String>>,
    /// For humans.
    pub display_name: String,
    /// Uses left; 0 for no limit, -1 during the last use.
    pub num_uses: i64,
    /// When it was made.
    pub created: Stamp,
    /// Seconds; 0 for ever.
    pub creation_ttl: u64,
    /// Seconds; 0 for none.
    pub explicit_max_ttl: u64,
    /// Seconds; 0 for none.
    pub period: u64,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Identity, or empty.
    pub entity_id: String,
    /// `None`: never.
    pub expires: Option<Stamp>,
    /// When it was renewed last.
    pub renewed: Option<Stamp>,
    /// Seconds: renewals end here; 0 for the system's longest lease.
    #[serde(default)]
    pub max_ttl: u64,
    /// The token role that made it, or empty.
    #[serde(default)]
    pub role: String,
    /// Where it may be used from; nothing for everywhere.
    #[serde(default)]
    pub bound_cidrs: Vec<Cidr>,
    /// Accessor of the auth mount that made it, empty for the token store; without the mount the
    /// token is void.
    #[serde(default)]
    pub mount_accessor: String,
    /// What the auth method goes by when the token is renewed.
    #[serde(default, skip_serializing_if = "Origin::is_none")]
    pub origin: Origin,
    /// Stored nowhere but in the token itself.
    #[serde(default)]
    pub batch: bool,
}

/// A token that may call: its entry, and the caller that handlers see.
pub struct Token {
    /// As stored.
    pub entry: TokenEntry,
    /// Ready for calls.
    pub caller: Caller,
    client_id: OnceLock<String>,
    /// What audit made of it, kept as long as it is.
    pub(crate) on_record: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Token {
    pub(super) fn decode(id: &str, stored: &[u8]) -> Option<Self> {
        serde_json::from_slice(stored).ok().map(|entry| Self::new(id, entry))
    }

    pub(super) fn new(id: &str, entry: TokenEntry) -> Self {
        let caller = Caller {
            policies: entry.policies.clone(),
            accessor: entry.accessor.clone(),
            display_name: entry.display_name.clone(),
            entity_id: entry.entity_id.clone(),
            token_id: id.to_owned(),
            metadata: entry.meta.clone().unwrap_or_default(),
            batch: entry.batch,
        };
        Self { entry, caller, client_id: OnceLock::new(), on_record: OnceLock::new() }
    }

    /// As [`Caller::client_id`], made once.
    pub fn client_id(&self) -> &str {
        self.client_id.get_or_init(|| self.caller.client_id())
    }
}

impl TokenEntry {
    /// Whether it may be used at `now`.
    pub fn valid(&self, now: Stamp) -> bool {
        self.expires.is_none_or(|at| now < at)
    }

    /// Seconds left; 0 for ever.
    pub fn ttl(&self, now: Stamp) -> u64 {
        let left = self.expires.map_or(0, |at| at.unix().saturating_sub(now.unix()));
        u64::try_from(left).unwrap_or(0)
    }

    /// Whether it holds the root policy.
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|p| p == crate::policy::ROOT)
    }
}

/// This many seconds after `now`.
pub(super) fn later(now: Stamp, seconds: u64) -> Stamp {
    now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}
