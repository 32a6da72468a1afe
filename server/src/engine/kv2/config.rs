//! `config`: settings for all secrets of a mount.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::duration::format_seconds;
use super::super::fields::Fields;
use super::load_config;
use crate::barrier::View;
use crate::logical::{ApiResult, Call, Response};

/// The mount's settings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Config {
    /// Versions kept per secret; 0 means the default.
    pub(super) max_versions: u64,
    /// Whether every write must carry `cas`.
    pub(super) cas_required: bool,
    /// Whether every change of metadata must carry `metadata_cas`.
    #[serde(default)]
    pub(super) metadata_cas_required: bool,
    /// Seconds until a new version deletes itself; 0 for never, negative to forbid it to secrets too.
    pub(super) delete_version_after: i64,
}

pub(super) fn read(_: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let config = load_config(view)?;
    Response::data(&json!({
        "max_versions": config.max_versions,
        "cas_required": config.cas_required,
        "metadata_cas_required": config.metadata_cas_required,
        "delete_version_after": format_seconds(config.delete_version_after),
    }))
}

pub(super) fn write(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let fields = Fields::of(call)?;
    let mut config = load_config(view)?;
    if let Some(n) = fields.integer("max_versions")? {
        config.max_versions = version_limit(n);
    }
    if let Some(required) = fields.flag("cas_required")? {
        config.cas_required = required;
    }
    if let Some(required) = fields.flag("metadata_cas_required")? {
        config.metadata_cas_required = required;
    }
    if let Some(seconds) = fields.seconds("delete_version_after")? {
        config.delete_version_after = seconds.max(-1);
    }
    view.put_json("config", &config)?;
    Ok(Response::empty())
}

/// `max_versions` as stored: 32 bits without a sign, so that -1 is as good as no limit.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
pub(super) fn version_limit(n: i64) -> u64 {
    u64::from(n as u32)
}
