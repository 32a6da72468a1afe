//! What a client asks of a new token, and whether it may ask for that.

use serde::Deserialize;

use super::role::TokenRole;
use crate::engine::duration::parse_seconds;
use crate::logical::{ApiError, ApiResult, Flag, Integer, Pairs, Scalar, Texts};
use crate::policy;

/// Longest custom id, display name or policy name, bytes.
const TEXT_MAX: usize = 512;
/// Metadata in all, bytes.
const META_MAX: usize = 512 * 1024;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Body {
    pub(super) id: Option<Scalar>,
    pub(super) policies: Option<Texts>,
    pub(super) meta: Option<Pairs>,
    pub(super) no_parent: Flag,
    pub(super) no_default_policy: Flag,
    pub(super) renewable: Option<Flag>,
    pub(super) ttl: Option<Scalar>,
    pub(super) lease: Option<Scalar>,
    pub(super) r#type: Scalar,
    pub(super) explicit_max_ttl: Option<Scalar>,
    pub(super) display_name: Scalar,
    pub(super) num_uses: Integer,
    pub(super) period: Option<Scalar>,
    pub(super) entity_alias: Scalar,
}

pub(super) fn check(
    body: &Body,
    privileged: bool,
    root: bool,
    role: Option<&TokenRole>,
) -> ApiResult<()> {
    let refuse = |message: &str| Err(ApiError::bad_request(message));
    if !body.entity_alias.0.is_empty() {
        match role {
            None => return refuse("'entity_alias' is only allowed in combination with token role"),
            Some(role) if !role.allows_alias(&body.entity_alias.0) => {
                return refuse("invalid 'entity_alias' value");
            }
            Some(_) => {}
        }
    }
    if body.num_uses.0 < 0 {
        return refuse("number of uses cannot be negative");
    }
    let id = body.id.as_ref().map_or("", |s| s.0.as_str());
    if !id.is_empty() {
        if !(root || privileged) {
            return refuse("root or sudo privileges required to specify token id");
        }
        for prefix in ["hvs.", "hvb.", "s.", "b."] {
            if id.starts_with(prefix) {
                return refuse(&format!("custom token ID cannot have the '{prefix}' prefix"));
            }
        }
        if id.contains('.') {
            return refuse("custom token ID cannot have a '.' in the value");
        }
        if id.contains(|c: char| c.is_whitespace() || c.is_control()) || id.len() > TEXT_MAX {
            return refuse("custom token ID must be of at most 512 characters without spaces");
        }
    }
    if body.no_parent.0 && !privileged {
        return refuse("root or sudo privileges required to create orphan token");
    }
    if time("period", body.period.as_ref())? != 0 && !privileged && role.is_none() {
        return refuse("root or sudo privileges required to create periodic token");
    }
    let meta: usize = body.meta.iter().flat_map(|m| &m.0).map(|(k, v)| k.len() + v.len()).sum();
    if meta > META_MAX {
        return refuse("token metadata is too large: 512 KiB is the limit");
    }
    if body.display_name.0.len() > TEXT_MAX {
        return refuse("display_name is too long: 512 bytes is the limit");
    }
    Ok(())
}

/// Whether the token is to be a batch token, by the request or by the role.
pub(super) fn wants_batch(body: &Body, role: Option<&TokenRole>) -> ApiResult<bool> {
    let asked = match body.r#type.0.as_str() {
        "" => None,
        "service" => Some(false),
        "batch" => Some(true),
        _ => return Err(ApiError::bad_request("invalid 'token_type' value")),
    };
    Ok(match role.map_or("", |r| r.params.kind.as_str()) {
        "service" => false,
        "batch" => true,
        "default-batch" => asked.unwrap_or(true),
        _ => asked.unwrap_or(false),
    })
}

pub(super) fn check_batch(batch: bool, body: &Body, policies: &[String]) -> ApiResult<()> {
    if !batch {
        return Ok(());
    }
    for (given, name) in [
        (time("explicit_max_ttl", body.explicit_max_ttl.as_ref())? != 0, "explicit_max_ttl"),
        (body.num_uses.0 != 0, "num_uses"),
        (time("period", body.period.as_ref())? != 0, "period"),
        (body.id.as_ref().is_some_and(|id| !id.0.is_empty()), "id"),
    ] {
        if given {
            return Err(ApiError::bad_request(format!("batch tokens cannot have {name:?} set")));
        }
    }
    if policies.iter().any(|p| p == policy::ROOT) {
        return Err(ApiError::bad_request("batch tokens cannot be root tokens"));
    }
    Ok(())
}

/// Seconds; nothing is 0.
pub(super) fn time(name: &str, given: Option<&Scalar>) -> ApiResult<u64> {
    let Some(Scalar(text)) = given else { return Ok(0) };
    let seconds = parse_seconds(text)
        .ok_or_else(|| ApiError::bad_request(format!("time: {name} is not a duration")))?;
    u64::try_from(seconds).map_err(|_| ApiError::bad_request(format!("{name} must be positive")))
}

/// `token`, or `token-<name>` with odd characters as dashes.
pub(super) fn display_name(wanted: &str) -> String {
    if wanted.is_empty() {
        return "token".to_owned();
    }
    let dashed: String =
        wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("token-{}", dashed.trim_matches('-'))
}
