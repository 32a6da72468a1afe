//! Showing tokens, and listing their accessors.

use serde_json::json;

use super::target::{Body, id_by_accessor};
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::keyspace::LOCAL;
use crate::logical::{ApiError, ApiResult, Response};
use crate::token::entry::{Token, TokenEntry};
use crate::token::{issue, store};
use crate::wrapping;

/// Accessors that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;

pub(super) fn lookup_self(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let found = store::lookup(session, core.token, core.call.now)?;
    show(core, session, found.as_deref(), core.token)
}

pub(super) fn lookup(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let token = core.call.query("token").unwrap_or(body.token.0.as_str());
    if token.is_empty() {
        // As with lookup-self: a GET has no body to name another token in.
        return lookup_self(core, session);
    }
    let found = store::lookup(session, token, core.call.now)?;
    if found.is_none()
        && let Some(wrapped) = wrapping::lookup(session, token, core.call.now)?
    {
        return Response::data(&wrapping::shown(&wrapped, token, core.call.now.into()));
    }
    show(core, session, found.as_deref(), token)
}

pub(super) fn lookup_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = id_by_accessor(core, session)?;
    let now = Stamp::from(core.call.now);
    let found = store::load(session, &id)?.filter(|t| t.entry.valid(now));
    if found.is_none()
        && let Some(wrapped) = wrapping::by_id(session, &id, core.call.now)?
    {
        return Response::data(&wrapping::shown(&wrapped, "", now));
    }
    show(core, session, found.as_deref(), "")
}

fn show(
    core: &CoreCall<'_>,
    session: &mut Session,
    found: Option<&Token>,
    token: &str,
) -> ApiResult<Response> {
    let found = found.ok_or_else(|| ApiError::new(403, "bad token"))?;
    let mut data = view(&found.entry, token, core.call.now.into());
    let inherited = issue::inherited(session, &found.entry)?;
    if !inherited.is_empty() {
        data["identity_policies"] = json!(inherited);
        // There are no namespaces that could give more.
        data["external_namespace_policies"] = json!({});
    }
    Response::data(&data)
}

fn view(entry: &TokenEntry, token: &str, now: Stamp) -> serde_json::Value {
    let mut data = json!({
        "id": token,
        "accessor": entry.accessor,
        "policies": entry.policies,
        "path": entry.path,
        "meta": entry.meta,
        "display_name": entry.display_name,
        "num_uses": entry.num_uses,
        "orphan": entry.parent.is_none(),
        "creation_time": entry.created.unix(),
        "creation_ttl": entry.creation_ttl,
        "expire_time": entry.expires.map(Stamp::rfc3339),
        "explicit_max_ttl": entry.explicit_max_ttl,
        "issue_time": entry.created.rfc3339(),
        "ttl": entry.ttl(now),
        "renewable": entry.renewable,
        "entity_id": entry.entity_id,
        "type": if entry.batch { "batch" } else { "service" },
    });
    if let Some(at) = entry.renewed {
        data["last_renewal"] = at.rfc3339().into();
        data["last_renewal_time"] = at.unix().into();
    }
    if entry.period > 0 {
        data["period"] = entry.period.into();
    }
    if !entry.role.is_empty() {
        data["role"] = entry.role.clone().into();
    }
    if !entry.bound_cidrs.is_empty() {
        data["bound_cidrs"] = json!(entry.bound_cidrs);
    }
    data
}

pub(super) fn accessors(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut keys = session.view(LOCAL).scan("accessor/", None, LIST_MAX);
    for key in &mut keys {
        key.drain(.."accessor/".len());
    }
    Response::list(&keys)
}
