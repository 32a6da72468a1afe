//! Making tokens.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::entry::{self, TokenEntry};
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::logical::{
    ApiError, ApiResult, Auth, Call, Flag, Integer, Operation, Response, Scalar, Seconds, Words,
};
use crate::mount::MAX_LEASE_TTL;
use crate::policy::{self, Capabilities};
use crate::sys::CoreCall;

/// Longest custom id, display name or policy name, bytes.
const TEXT_MAX: usize = 512;
/// Metadata in all, bytes.
const META_MAX: usize = 512 * 1024;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    id: Option<Scalar>,
    policies: Option<Words>,
    meta: Option<BTreeMap<String, Scalar>>,
    no_parent: Flag,
    no_default_policy: Flag,
    renewable: Option<Flag>,
    ttl: Option<Seconds>,
    lease: Option<Seconds>,
    r#type: Scalar,
    explicit_max_ttl: Option<Seconds>,
    display_name: Scalar,
    num_uses: Integer,
    period: Option<Seconds>,
    entity_alias: Scalar,
}

/// Makes a root token with this id.
///
/// # Errors
/// See [`ViewError`].
pub fn create_root(session: &mut Session, token: &str, now: SystemTime) -> Result<(), ViewError> {
    let id = entry::storage_id(session, token)?;
    let accessor = entry::generate_accessor().map_err(|_| crate::barrier::BarrierError::Random)?;
    let root = TokenEntry {
        accessor,
        parent: None,
        policies: vec![policy::ROOT.to_owned()],
        path: "auth/token/root".to_owned(),
        meta: None,
        display_name: "root".to_owned(),
        num_uses: 0,
        created: now.into(),
        creation_ttl: 0,
        explicit_max_ttl: 0,
        period: 0,
        renewable: false,
        entity_id: String::new(),
        expires: None,
        renewed: None,
    };
    entry::store(session, &id, &root, None)
}

/// `auth/token/create`.
pub(super) fn create(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    make(core, session, false)
}

/// `auth/token/create-orphan`.
pub(super) fn create_orphan(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    make(core, session, true)
}

fn make(core: &CoreCall<'_>, session: &mut Session, orphan: bool) -> ApiResult<Response> {
    let call = &core.call;
    let body: Body = call.parse()?;
    let parent =
        entry::load(session, &call.caller.token_id)?.ok_or_else(ApiError::permission_denied)?;
    if parent.entry.num_uses != 0 {
        return Err(ApiError::bad_request("restricted use token cannot generate child tokens"));
    }
    let privileged = is_privileged(call, session)?;
    check(&body, privileged, parent.entry.is_root())?;
    let policies = choose_policies(&body, &parent.entry, privileged)?;
    let times = choose_times(&body, &parent.entry, &policies, call)?;
    let no_parent = orphan || body.no_parent.0;
    let token = match body.id.as_ref().map(|s| s.0.as_str()).filter(|id| !id.is_empty()) {
        Some(id) => Zeroizing::new(id.to_owned()),
        None => entry::generate_id().map_err(ApiError::internal)?,
    };
    let id = entry::storage_id(session, &token)?;
    if body.id.is_some() && entry::load(session, &id)?.is_some() {
        return Err(ApiError::bad_request("cannot create a token with a duplicate ID"));
    }
    let now = Stamp::from(call.now);
    let made = TokenEntry {
        accessor: entry::generate_accessor().map_err(ApiError::internal)?,
        parent: (!no_parent).then(|| call.caller.token_id.clone()),
        policies,
        path: format!("{}{}", call.mount.path, call.path),
        meta: body.meta.map(|m| m.into_iter().map(|(k, v)| (k, v.0)).collect()),
        display_name: display_name(&body.display_name.0),
        num_uses: body.num_uses.0,
        created: now,
        creation_ttl: times.ttl,
        explicit_max_ttl: times.explicit_max_ttl,
        period: times.period,
        renewable: times.ttl != 0 && body.renewable.is_none_or(|r| r.0),
        entity_id: if no_parent { String::new() } else { parent.entry.entity_id.clone() },
        expires: (times.ttl != 0).then(|| later(now, times.ttl)),
        renewed: None,
    };
    entry::store(session, &id, &made, None)?;
    let mut warnings = times.warnings;
    for name in made.policies.iter().filter(|n| *n != policy::ROOT) {
        if policy::read(session, name)?.is_none() {
            warnings.push(format!("Policy {name:?} does not exist"));
        }
    }
    let auth = auth(&token, &made, now);
    Ok(Response { auth: Some(auth), warnings, ..Response::empty() })
}

/// Whether the caller has `sudo` on the path, root included.
fn is_privileged(call: &Call<'_>, session: &mut Session) -> ApiResult<bool> {
    let path = format!("{}{}", call.mount.path, call.path);
    let granted = policy::granted(session, &call.caller.policies, Operation::Write, &path)?;
    Ok(granted.allows(Capabilities::SUDO))
}

fn check(body: &Body, privileged: bool, root: bool) -> ApiResult<()> {
    let refuse = |message: &str| Err(ApiError::bad_request(message));
    match body.r#type.0.as_str() {
        "" | "service" => {}
        "batch" => return refuse("batch tokens are not supported by this version"),
        _ => return refuse("invalid 'token_type' value"),
    }
    if !body.entity_alias.0.is_empty() {
        return refuse("'entity_alias' is only allowed in combination with token role");
    }
    if body.num_uses.0 < 0 {
        return refuse("number of uses cannot be negative");
    }
    let id = body.id.as_ref().map_or("", |s| s.0.as_str());
    if !id.is_empty() {
        if !root {
            return refuse("root or sudo privileges required to specify token id");
        }
        for prefix in ["hvs.", "s."] {
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
    if body.period.is_some_and(|p| p.0 != 0) && !privileged {
        return refuse("root or sudo privileges required to create periodic token");
    }
    let meta: usize = body.meta.iter().flatten().map(|(k, v)| k.len() + v.0.len()).sum();
    if meta > META_MAX {
        return refuse("token metadata is too large: 512 KiB is the limit");
    }
    if body.display_name.0.len() > TEXT_MAX {
        return refuse("display_name is too long: 512 bytes is the limit");
    }
    Ok(())
}

/// A child's policies are its parent's or a subset of them, unless the caller is privileged.
fn choose_policies(body: &Body, parent: &TokenEntry, privileged: bool) -> ApiResult<Vec<String>> {
    let mut wanted: Vec<String> = match &body.policies {
        Some(Words(words)) if !words.is_empty() => words.iter().map(|w| w.to_lowercase()).collect(),
        _ => parent.policies.clone(),
    };
    let root = wanted.iter().any(|p| p == policy::ROOT);
    if root && !parent.is_root() {
        return Err(ApiError::bad_request(
            "root tokens may not be created without parent token being root",
        ));
    }
    if !privileged {
        let subset = wanted.iter().all(|p| parent.policies.contains(p) || p == policy::DEFAULT);
        if !subset {
            return Err(ApiError::bad_request("child policies must be subset of parent"));
        }
    }
    if root {
        return Ok(vec![policy::ROOT.to_owned()]);
    }
    if body.no_default_policy.0 {
        if body.policies.is_none() {
            wanted.retain(|p| p != policy::DEFAULT);
        }
    } else {
        wanted.push(policy::DEFAULT.to_owned());
    }
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.len() > policy::POLICIES_PER_TOKEN_MAX {
        return Err(ApiError::bad_request("too many policies: 1024 is the limit"));
    }
    Ok(wanted)
}

struct Times {
    ttl: u64,
    explicit_max_ttl: u64,
    period: u64,
    warnings: Vec<String>,
}

fn choose_times(
    body: &Body,
    parent: &TokenEntry,
    policies: &[String],
    call: &Call<'_>,
) -> ApiResult<Times> {
    let or_zero = |s: Option<Seconds>| s.map_or(0, |s| s.0);
    let mut times = Times {
        ttl: or_zero(body.ttl.or(body.lease)),
        explicit_max_ttl: or_zero(body.explicit_max_ttl),
        period: or_zero(body.period),
        warnings: Vec::new(),
    };
    let root = policies.iter().any(|p| p == policy::ROOT);
    if root && times.ttl == 0 && times.period == 0 && times.explicit_max_ttl == 0 {
        if parent.expires.is_some() {
            return Err(ApiError::bad_request(
                "expiring root tokens cannot create non-expiring root tokens",
            ));
        }
        return Ok(times);
    }
    let max = call.mount.max_lease_ttl.min(MAX_LEASE_TTL);
    if times.period > 0 {
        times.ttl = times.period;
    } else if times.ttl == 0 {
        times.ttl = call.mount.default_lease_ttl;
    }
    if times.period == 0 && times.ttl > max {
        times.warnings.push(format!(
            "TTL of \"{}s\" exceeded the effective max_ttl of \"{max}s\"; TTL value is capped \
             accordingly",
            times.ttl
        ));
        times.ttl = max;
    }
    if times.explicit_max_ttl > 0 {
        times.ttl = times.ttl.min(times.explicit_max_ttl);
    }
    Ok(times)
}

/// `token`, or `token-<name>` with odd characters as dashes.
fn display_name(wanted: &str) -> String {
    if wanted.is_empty() {
        return "token".to_owned();
    }
    let dashed: String =
        wanted.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("token-{}", dashed.trim_matches('-'))
}

pub(super) fn later(now: Stamp, seconds: u64) -> Stamp {
    now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// The `auth` object of a token.
pub(super) fn auth(token: &str, entry: &TokenEntry, now: Stamp) -> Auth {
    Auth {
        client_token: token.to_owned(),
        accessor: entry.accessor.clone(),
        policies: entry.policies.clone(),
        token_policies: entry.policies.clone(),
        identity_policies: Vec::new(),
        metadata: entry.meta.clone(),
        lease_duration: entry.ttl(now),
        renewable: entry.renewable,
        entity_id: entry.entity_id.clone(),
        token_type: "service".to_owned(),
        orphan: entry.parent.is_none(),
        num_uses: u64::try_from(entry.num_uses).unwrap_or(0),
        mfa_requirement: None,
    }
}
