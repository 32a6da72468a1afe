//! Making tokens: who may have which.

use std::time::SystemTime;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::entry::{self, TokenEntry};
use super::issue::{NewToken, issue};
use super::lifetime;
use super::role::{self, TokenRole};
use crate::auth::Origin;
use crate::barrier::{Session, ViewError};
use crate::engine::duration::parse_seconds;
use crate::engine::stamp::Stamp;
use crate::identity::{self, Arrival, Metadata};
use crate::logical::{
    ApiError, ApiResult, Call, Flag, Integer, Operation, Pairs, Response, Scalar, Texts,
};
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
    policies: Option<Texts>,
    meta: Option<Pairs>,
    no_parent: Flag,
    no_default_policy: Flag,
    renewable: Option<Flag>,
    ttl: Option<Scalar>,
    lease: Option<Scalar>,
    r#type: Scalar,
    explicit_max_ttl: Option<Scalar>,
    display_name: Scalar,
    num_uses: Integer,
    period: Option<Scalar>,
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
        max_ttl: 0,
        role: String::new(),
        bound_cidrs: Vec::new(),
        mount_accessor: String::new(),
        origin: Origin::default(),
        batch: false,
    };
    entry::store(session, &id, &root, None)
}

/// `auth/token/create`.
pub(super) fn create(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    make(core, session, false, None)
}

/// `auth/token/create-orphan`.
pub(super) fn create_orphan(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    make(core, session, true, None)
}

/// `auth/token/create/<role>`.
pub(super) fn create_by_role(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("role");
    let role = role::load(session, name)?
        .ok_or_else(|| ApiError::bad_request(format!("unknown role {name}")))?;
    make(core, session, role.orphan, Some(&role))
}

fn make(
    core: &CoreCall<'_>,
    session: &mut Session,
    orphan: bool,
    role: Option<&TokenRole>,
) -> ApiResult<Response> {
    let call = &core.call;
    let body: Body = call.parse()?;
    let parent =
        entry::lookup(session, core.token, call.now)?.ok_or_else(ApiError::permission_denied)?;
    if parent.entry.batch {
        return Err(ApiError::bad_request("batch tokens cannot create more tokens"));
    }
    if parent.entry.num_uses != 0 {
        return Err(ApiError::bad_request("restricted use token cannot generate child tokens"));
    }
    let privileged = is_privileged(call, session)?;
    let batch = wants_batch(&body, role)?;
    check(&body, privileged, parent.entry.is_root(), role)?;
    let policies = choose_policies(&body, &parent.entry, privileged, role)?;
    check_batch(batch, &body, &policies)?;
    let times = choose_times(&body, &parent.entry, &policies, call, role)?;
    let no_parent = orphan || body.no_parent.0;
    let now = Stamp::from(call.now);
    let entity_id = match body.entity_alias.0.as_str() {
        "" if no_parent => String::new(),
        "" => parent.entry.entity_id.clone(),
        alias => entity_of(session, alias, call, now)?,
    };
    let path = format!("{}{}", call.mount.path, call.path.trim_end_matches('/'));
    let new = NewToken {
        id: chosen_id(&body, session)?,
        batch,
        parent: (!no_parent).then(|| call.caller.token_id.clone()),
        policies,
        path: match role.map(|r| r.path_suffix.as_str()) {
            None | Some("") => path,
            Some(suffix) => format!("{path}/{suffix}"),
        },
        meta: body.meta.map(|m| m.0),
        display_name: display_name(&body.display_name.0),
        num_uses: match (body.num_uses.0, role.map_or(0, |r| r.params.num_uses)) {
            (0, role) => role,
            (own, 0) => own,
            (own, role) => own.min(role),
        },
        ttl: times.ttl,
        max_ttl: 0,
        explicit_max_ttl: times.explicit_max_ttl,
        period: times.period,
        renewable: role.is_none_or(|r| r.renewable) && body.renewable.is_none_or(|r| r.0),
        entity_id,
        role: role.map(|r| r.name.clone()).unwrap_or_default(),
        bound_cidrs: role.map(|r| r.params.bound_cidrs.clone()).unwrap_or_default(),
        mount_accessor: String::new(),
        origin: Origin::default(),
    };
    let mut warnings = times.warnings;
    for name in new.policies.iter().filter(|n| *n != policy::ROOT) {
        if policy::read(session, name)?.is_none() {
            warnings.push(format!("Policy {name:?} does not exist"));
        }
    }
    let auth = issue(session, new, now)?;
    Ok(Response { auth: Some(Box::new(auth)), warnings, ..Response::empty() })
}

fn chosen_id(body: &Body, session: &mut Session) -> ApiResult<Option<Zeroizing<String>>> {
    let Some(id) = body.id.as_ref().map(|s| s.0.as_str()).filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let storage_id = entry::storage_id(session, id)?;
    if entry::load(session, &storage_id)?.is_some() {
        return Err(ApiError::bad_request("cannot create a token with a duplicate ID"));
    }
    Ok(Some(Zeroizing::new(id.to_owned())))
}

/// The entity whose alias at the token store this is, made if there is none.
fn entity_of(session: &mut Session, alias: &str, call: &Call<'_>, now: Stamp) -> ApiResult<String> {
    let metadata = Metadata::new();
    let arrival = Arrival {
        mount_accessor: &call.mount.accessor,
        name: alias,
        metadata: &metadata,
        groups: None,
    };
    Ok(identity::arrive(session, &arrival, now)?.id.clone())
}

/// Whether the token is to be a batch token, by the request or by the role.
fn wants_batch(body: &Body, role: Option<&TokenRole>) -> ApiResult<bool> {
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

fn check_batch(batch: bool, body: &Body, policies: &[String]) -> ApiResult<()> {
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

/// Whether the caller has `sudo` on the path, root included.
fn is_privileged(call: &Call<'_>, session: &mut Session) -> ApiResult<bool> {
    let path = format!("{}{}", call.mount.path, call.path);
    let granted = policy::granted(session, call.caller, Operation::Write, &path, call.now)?;
    Ok(granted.capabilities.allows(Capabilities::SUDO))
}

fn check(body: &Body, privileged: bool, root: bool, role: Option<&TokenRole>) -> ApiResult<()> {
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

/// A child's policies are its parent's or a subset of them, unless the caller is privileged.
fn choose_policies(
    body: &Body,
    parent: &TokenEntry,
    privileged: bool,
    role: Option<&TokenRole>,
) -> ApiResult<Vec<String>> {
    let asked: Vec<String> =
        body.policies.iter().flat_map(|w| &w.0).map(|w| w.to_lowercase()).collect();
    let root_by_other = |wanted: &[String]| {
        let root = wanted.iter().any(|p| p == policy::ROOT);
        if root && !parent.is_root() { Err(not_by_root()) } else { Ok(root) }
    };
    if let Some(role) = role
        && let Some(chosen) = role.choose(&asked, body.no_default_policy.0)?
    {
        root_by_other(&chosen)?;
        return Ok(chosen);
    }
    let mut wanted: Vec<String> = match &body.policies {
        Some(Texts(words)) if !words.is_empty() => words.iter().map(|w| w.to_lowercase()).collect(),
        _ => parent.policies.clone(),
    };
    if !privileged {
        let subset = wanted.iter().all(|p| parent.policies.contains(p) || p == policy::DEFAULT);
        if !subset {
            return Err(ApiError::bad_request("child policies must be subset of parent"));
        }
    }
    if root_by_other(&wanted)? {
        return Ok(vec![policy::ROOT.to_owned()]);
    }
    if body.no_default_policy.0 {
        if asked.is_empty() {
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

fn not_by_root() -> ApiError {
    ApiError::bad_request("root tokens may not be created without parent token being root")
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
    role: Option<&TokenRole>,
) -> ApiResult<Times> {
    let mut times = Times {
        ttl: time("ttl", body.ttl.as_ref().or(body.lease.as_ref()))?,
        explicit_max_ttl: time("explicit_max_ttl", body.explicit_max_ttl.as_ref())?,
        period: time("period", body.period.as_ref())?,
        warnings: Vec::new(),
    };
    if let Some(params) = role.map(|r| &r.params) {
        if params.period > 0 {
            times.period = params.period;
        }
        times.explicit_max_ttl = match (times.explicit_max_ttl, params.explicit_max_ttl) {
            (0, role) => role,
            (own, 0) => own,
            (own, role) => own.min(role),
        };
    }
    let root = policies.iter().any(|p| p == policy::ROOT);
    if root && times.ttl == 0 && times.period == 0 && times.explicit_max_ttl == 0 {
        if parent.expires.is_some() {
            return Err(ApiError::bad_request(
                "expiring root tokens cannot create non-expiring root tokens",
            ));
        }
        return Ok(times);
    }
    let max = call.mount.max_lease_ttl;
    if times.period > 0 {
        times.ttl = times.period;
    } else if times.ttl == 0 {
        times.ttl = call.mount.default_lease_ttl;
    }
    let max = match times.explicit_max_ttl {
        0 => max,
        explicit => explicit.min(max),
    };
    let what = if times.period > 0 { "period" } else { "TTL" };
    let asked = times.period > 0 || body.ttl.is_some() || body.lease.is_some();
    let mut warnings = Vec::new();
    times.ttl = lifetime::capped(what, times.ttl, max, &mut warnings);
    // Nobody is told of a bound who asked for nothing beyond it.
    times.warnings.extend(warnings.into_iter().filter(|_| asked));
    Ok(times)
}

/// Seconds; nothing is 0.
fn time(name: &str, given: Option<&Scalar>) -> ApiResult<u64> {
    let Some(Scalar(text)) = given else { return Ok(0) };
    let seconds = parse_seconds(text)
        .ok_or_else(|| ApiError::bad_request(format!("time: {name} is not a duration")))?;
    u64::try_from(seconds).map_err(|_| ApiError::bad_request(format!("{name} must be positive")))
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
