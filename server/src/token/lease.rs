//! `sys/leases`: the leases of this cluster. Every stored token has one, named by the path that made
//! it and its storage id; nothing else has any yet.

use serde::Deserialize;
use serde_json::json;

use super::lifetime::{self, Wish};
use super::{revocation, routes, store};
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::handler::{CoreCall, CoreRoute};
use crate::keyspace::LOCAL;
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Scalar, Seconds};

/// Leases that one LIST answers at most.
const LIST_MAX: usize = 10_000;
/// Leases that are counted at most.
const COUNT_MAX: usize = 1_000_000;

const LEASES_LOOKUP: &[Field] = &[Field::text("lease_id", "Id of the lease")];
const LEASES_RENEW: &[Field] = &[
    Field::seconds("increment", "By how much to prolong"),
    Field::text("lease_id", "Id of the lease"),
];
const LEASES_REVOKE: &[Field] = &[
    Field::text("lease_id", "Id of the lease"),
    Field::flag("sync", "Whether to wait until it is done"),
];
const LEASES_REVOKE_PREFIX: &[Field] = &[Field::flag("sync", "Whether to wait until it is done")];

const COUNTED: &[Field] = &[
    Field::text("type", "Which leases: `irrevocable`").query(),
    Field::integer("limit", "List so many at most").query(),
    Field::flag("include_child_namespaces", "There are none").query(),
];

/// The routes below `sys/`. Leases are local to their cluster.
pub static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "leases/lookup",
        "Show a lease",
        &[Method::local(Operation::Write, lookup), Method::local(Operation::List, list)],
    )
    .takes(LEASES_LOOKUP),
    CoreRoute::new(
        "leases/lookup/{prefix..}",
        "List the leases below a prefix",
        &[Method::local(Operation::List, list)],
    )
    .sudo()
    .takes(&[]),
    CoreRoute::new("leases/renew", "Prolong a lease", &[Method::local(Operation::Write, renew)])
        .takes(LEASES_RENEW),
    CoreRoute::new(
        "leases/renew/{lease..}",
        "Prolong a lease",
        &[Method::local(Operation::Write, renew)],
    )
    .takes(LEASES_RENEW),
    CoreRoute::new("renew", "Prolong a lease", &[Method::local(Operation::Write, renew)])
        .takes(LEASES_RENEW),
    CoreRoute::new("renew/{lease..}", "Prolong a lease", &[Method::local(Operation::Write, renew)])
        .takes(LEASES_RENEW),
    CoreRoute::new("leases/revoke", "Revoke a lease", &[Method::local(Operation::Write, revoke)])
        .takes(LEASES_REVOKE),
    CoreRoute::new(
        "leases/revoke/{lease..}",
        "Revoke a lease",
        &[Method::local(Operation::Write, revoke)],
    )
    .takes(LEASES_REVOKE),
    CoreRoute::new("revoke", "Revoke a lease", &[Method::local(Operation::Write, revoke)])
        .takes(LEASES_REVOKE),
    CoreRoute::new(
        "revoke/{lease..}",
        "Revoke a lease",
        &[Method::local(Operation::Write, revoke)],
    )
    .takes(LEASES_REVOKE),
    CoreRoute::new(
        "leases/revoke-prefix/{prefix..}",
        "Revoke all leases below a prefix",
        &[Method::local(Operation::Write, revoke_prefix)],
    )
    .sudo()
    .takes(LEASES_REVOKE_PREFIX),
    CoreRoute::new(
        "leases/revoke-force/{prefix..}",
        "Revoke all leases below a prefix, whatever their engines say",
        &[Method::local(Operation::Write, revoke_prefix)],
    )
    .sudo()
    .takes(&[]),
    CoreRoute::new(
        "revoke-prefix/{prefix..}",
        "Revoke all leases below a prefix",
        &[Method::local(Operation::Write, revoke_prefix)],
    )
    .sudo()
    .takes(LEASES_REVOKE_PREFIX),
    CoreRoute::new(
        "revoke-force/{prefix..}",
        "Revoke all leases below a prefix, whatever their engines say",
        &[Method::local(Operation::Write, revoke_prefix)],
    )
    .sudo()
    .takes(&[]),
    CoreRoute::new(
        "leases/tidy",
        "Look for expired leases at once",
        &[Method::local(Operation::Write, routes::tidy)],
    )
    .takes(&[]),
    CoreRoute::new(
        "leases/count",
        "Count the leases by mount",
        &[Method::local(Operation::Read, count)],
    )
    .takes(COUNTED),
    CoreRoute::new(
        "leases",
        "List the leases that cannot be revoked",
        &[Method::local(Operation::Read, irrevocable)],
    )
    .takes(COUNTED),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    lease_id: Scalar,
    increment: Option<Seconds>,
}

/// The lease that the path or the body names.
fn named(core: &CoreCall<'_>) -> ApiResult<(String, Body)> {
    let body: Body = core.call.parse()?;
    let in_path = core.call.param("lease");
    let id = if in_path.is_empty() { body.lease_id.0.clone() } else { in_path.to_owned() };
    if id.is_empty() {
        return Err(ApiError::bad_request("lease_id must be specified"));
    }
    Ok((id, body))
}

/// The storage id of the token that a lease is of.
fn find(session: &mut Session, lease: &str) -> ApiResult<Option<String>> {
    if !session.view(LOCAL).exists(&format!("lease/{lease}"))? {
        return Ok(None);
    }
    Ok(lease.rsplit('/').next().map(str::to_owned))
}

fn lookup(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let (lease, _) = named(core)?;
    let now = Stamp::from(core.call.now);
    let invalid = || ApiError::bad_request("invalid lease");
    let id = find(session, &lease)?.ok_or_else(invalid)?;
    let token = store::load(session, &id)?.filter(|t| t.entry.valid(now)).ok_or_else(invalid)?;
    let entry = &token.entry;
    Response::data(&json!({
        "id": lease,
        "path": entry.path,
        "issue_time": entry.created.rfc3339(),
        "expire_time": entry.expires.map(Stamp::rfc3339),
        "last_renewal": entry.renewed.map(Stamp::rfc3339),
        "renewable": entry.renewable,
        "ttl": entry.ttl(now),
    }))
}

fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let prefix = core.call.param("prefix").trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    Response::list(&session.view(LOCAL).list(&format!("lease/{prefix}"), None, LIST_MAX))
}

fn renew(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let (lease, body) = named(core)?;
    let id = find(session, &lease)?.ok_or_else(|| ApiError::bad_request("lease not found"))?;
    let wish = Wish {
        increment: body.increment.map_or(0, |s| s.0),
        certificates: &core.peer.certificates,
        at: core.call.now,
    };
    let renewed = lifetime::renew(session, &id, &wish).map_err(routes::renew_error)?;
    Ok(Response {
        lease_id: lease,
        renewable: renewed.entry.renewable,
        lease_duration: renewed.entry.ttl(core.call.now.into()),
        ..Response::data(&serde_json::Value::Null)?
    })
}

fn revoke(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let (lease, _) = named(core)?;
    if let Some(id) = find(session, &lease)? {
        revocation::revoke(session, &id)?;
    }
    Ok(Response::empty())
}

fn revoke_prefix(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let prefix = core.call.param("prefix").trim_matches('/');
    if prefix.is_empty() {
        return Err(ApiError::bad_request("a prefix must be specified"));
    }
    // A whole lease, or all below the prefix; never what merely begins with the same letters.
    if let Some(id) = find(session, prefix)? {
        revocation::revoke(session, &id)?;
    }
    revocation::revoke_prefix(session, &format!("{prefix}/"))?;
    Ok(Response::empty())
}

/// Only what cannot be revoked is asked for by these two, and nothing is.
fn only_irrevocable(core: &CoreCall<'_>) -> ApiResult<()> {
    match core.call.query("type") {
        Some("irrevocable") => Ok(()),
        _ => Err(ApiError::not_found()),
    }
}

fn count(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    if core.call.query("type") == Some("token") {
        let leases = session.view(LOCAL).scan_unvalidated("lease/", None, COUNT_MAX).len();
        return Response::data(&json!({ "lease_count": leases, "counts": {} }));
    }
    only_irrevocable(core)?;
    Response::data(&json!({ "lease_count": 0, "counts": {} }))
}

fn irrevocable(core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    only_irrevocable(core)?;
    let limit = core.call.query("limit").unwrap_or("");
    if !["", "none"].contains(&limit) && limit.parse::<i64>().is_err() {
        return Err(ApiError::listed(
            400,
            "invalid 'limit' provided: neither a number nor \"none\"",
        ));
    }
    Response::data(&json!({ "lease_count": 0, "leases": [] }))
}
