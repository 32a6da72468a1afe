//! The versions of one secret: which there are, which are gone, and what comes next. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::stamp::Stamp;
use super::config::Config;

/// Versions kept where neither the secret nor the mount says how many.
pub(super) const DEFAULT_MAX_VERSIONS: u64 = 10;

/// One version, without its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// When it was written.
    pub(super) created: Stamp,
    /// When it was or will be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deletion: Option<Stamp>,
    /// Its data is removed for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) destroyed: bool,
}

impl Version {
    /// Deleted by now, or destroyed.
    pub(super) fn is_gone(&self, now: Stamp) -> bool {
        self.destroyed || self.deletion.is_some_and(|at| at <= now)
    }
}

/// Custom metadata, by name.
pub(super) type Custom = BTreeMap<String, String>;

/// All that is stored about one secret, without its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) created: Stamp,
    pub(super) updated: Stamp,
    /// Number of the latest version; 0 before the first.
    pub(super) current: u64,
    /// Number of the oldest version kept; 0 until there are as many as are kept.
    pub(super) oldest: u64,
    /// 0: as the mount says.
    pub(super) max_versions: u64,
    pub(super) cas_required: bool,
    /// How often the metadata was set by itself, and whether setting it must carry that number.
    #[serde(default)]
    pub(super) metadata_version: u64,
    #[serde(default)]
    pub(super) metadata_cas_required: bool,
    /// Seconds; 0: as the mount says.
    pub(super) delete_version_after: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) custom: Option<Custom>,
    pub(super) versions: BTreeMap<u64, Version>,
}

/// One version as answers show it.
#[derive(Debug, Serialize)]
pub(super) struct VersionInfo {
    created_time: String,
    custom_metadata: Option<Custom>,
    deletion_time: String,
    destroyed: bool,
    version: u64,
}

impl Meta {
    /// A secret without versions.
    pub(super) fn new(now: Stamp) -> Self {
        Self {
            created: now,
            updated: now,
            current: 0,
            oldest: 0,
            max_versions: 0,
            cas_required: false,
            metadata_version: 0,
            metadata_cas_required: false,
            delete_version_after: 0,
            custom: None,
            versions: BTreeMap::new(),
        }
    }

    /// Adds a version and forgets the oldest ones beyond the limit; returns the numbers of those.
    pub(super) fn add_version(&mut self, config: &Config, now: Stamp) -> Vec<u64> {
        self.current += 1;
        let deletion = self.lifetime(config).map(|seconds| now.plus_seconds(seconds));
        let version = Version { created: now, deletion, destroyed: false };
        self.updated = now;
        self.versions.insert(self.current, version);
        let Some(last_pruned) = self.current.checked_sub(self.limit(config)) else {
            return Vec::new();
        };
        let pruned: Vec<u64> = self.versions.range(..=last_pruned).map(|(n, _)| *n).collect();
        self.versions.retain(|n, _| *n > last_pruned);
        self.oldest = self.oldest.max(last_pruned + 1);
        pruned
    }

    /// Versions kept: as the secret says, else as the mount says, else the default.
    fn limit(&self, config: &Config) -> u64 {
        [self.max_versions, config.max_versions, DEFAULT_MAX_VERSIONS]
            .into_iter()
            .find(|n| *n > 0)
            .unwrap_or(DEFAULT_MAX_VERSIONS)
    }

    /// Seconds until a new version deletes itself: the shorter of the secret's and the mount's.
    fn lifetime(&self, config: &Config) -> Option<i64> {
        match (self.delete_version_after, config.delete_version_after) {
            (_, ..0) | (0, 0) => None,
            (own, 0) => Some(own),
            (0, mount) => Some(mount),
            (own, mount) => Some(own.min(mount)),
        }
    }

    /// A version as answers show it.
    pub(super) fn info(&self, number: u64, version: &Version) -> VersionInfo {
        VersionInfo {
            created_time: version.created.rfc3339(),
            custom_metadata: self.custom.clone(),
            deletion_time: version.deletion.map(Stamp::rfc3339).unwrap_or_default(),
            destroyed: version.destroyed,
            version: number,
        }
    }
}
