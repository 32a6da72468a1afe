//! `auth/token/`.

use serde::Deserialize;
use serde_json::json;

use super::entry::{self, Token, TokenEntry};
use super::lifetime::{self, RenewError, Wish};
use super::takes;
use super::{batch, create, issue, role};
use crate::barrier::Session;
use crate::engine::duration::format_short;
use crate::engine::stamp::Stamp;
use crate::keyspace::LOCAL;
use crate::logical::{ApiError, ApiResult, Method, Operation, Response, Scalar, Seconds};
use crate::sys::{CoreCall, CoreRoute};
use crate::wrapping;

/// Accessors that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;

/// Tokens are local to their cluster, so all but the roles is served locally.
pub static ROUTES: &[CoreRoute] = &[
    CoreRoute::new("create", "Make a token", &[Method::local(Operation::Write, create::create)])
        .takes(takes::CREATE),
    CoreRoute::new(
        "create/{role}",
        "Make a token as a role says",
        &[Method::local(Operation::Write, create::create_by_role)],
    )
    .takes(takes::CREATE),
    CoreRoute::new("roles", "List the token roles", &[Method::local(Operation::List, role::list)])
        .takes(&[]),
    CoreRoute::new(
        "roles/{name}",
        "Show, make, change or delete a token role",
        &[
            Method::local(Operation::Read, role::read),
            Method::primary(Operation::Write, role::write),
            Method::primary(Operation::Delete, role::delete),
        ],
    )
    .takes(takes::ROLES),
    CoreRoute::new(
        "tidy",
        "Look for expired tokens at once",
        &[Method::local(Operation::Write, tidy)],
    )
    .takes(&[]),
    CoreRoute::new(
        "create-orphan",
        "Make a token without a parent",
        &[Method::local(Operation::Write, create::create_orphan)],
    )
    .takes(takes::CREATE),
    CoreRoute::new(
        "lookup-self",
        "Show the calling token",
        &[
            Method::local(Operation::Read, lookup_self),
            Method::local(Operation::Write, lookup_self),
        ],
    )
    .takes(takes::LOOKUP_SELF),
    CoreRoute::new(
        "lookup",
        "Show a token",
        &[Method::local(Operation::Read, lookup), Method::local(Operation::Write, lookup)],
    )
    .takes(takes::LOOKUP_SELF),
    CoreRoute::new(
        "lookup-accessor",
        "Show a token by its accessor",
        &[Method::local(Operation::Write, lookup_accessor)],
    )
    .takes(takes::LOOKUP_ACCESSOR),
    CoreRoute::new(
        "renew-self",
        "Prolong the calling token",
        &[Method::local(Operation::Write, renew_self)],
    )
    .takes(takes::RENEW_SELF),
    CoreRoute::new("renew", "Prolong a token", &[Method::local(Operation::Write, renew)])
        .takes(takes::RENEW_SELF),
    CoreRoute::new(
        "renew-accessor",
        "Prolong a token by its accessor",
        &[Method::local(Operation::Write, renew_accessor)],
    )
    .takes(takes::RENEW_ACCESSOR),
    CoreRoute::new(
        "revoke-self",
        "Revoke the calling token and its children",
        &[Method::local(Operation::Write, revoke_self)],
    )
    .takes(&[]),
    CoreRoute::new(
        "revoke",
        "Revoke a token and its children",
        &[Method::local(Operation::Write, revoke)],
    )
    .takes(takes::LOOKUP_SELF),
    CoreRoute::new(
        "revoke-accessor",
        "Revoke a token and its children by its accessor",
        &[Method::local(Operation::Write, revoke_accessor)],
    )
    .takes(takes::LOOKUP_ACCESSOR),
    CoreRoute::new(
        "revoke-orphan",
        "Revoke a token and leave its children",
        &[Method::local(Operation::Write, revoke_orphan)],
    )
    .sudo()
    .takes(takes::LOOKUP_SELF),
    CoreRoute::new(
        "accessors",
        "List the accessors of all tokens",
        &[Method::local(Operation::List, accessors)],
    )
    .sudo()
    .takes(&[]),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    token: Scalar,
    accessor: Scalar,
    increment: Option<Seconds>,
}

fn lookup_self(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let found = entry::lookup(session, core.token, core.call.now)?;
    show(core, session, found.as_deref(), core.token)
}

fn lookup(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let token = core.call.query("token").unwrap_or(body.token.0.as_str());
    if token.is_empty() {
        // As with lookup-self: a GET has no body to name another token in.
        return lookup_self(core, session);
    }
    let found = entry::lookup(session, token, core.call.now)?;
    if found.is_none()
        && let Some(wrapped) = wrapping::lookup(session, token, core.call.now)?
    {
        return Response::data(&wrapping::shown(&wrapped, token, core.call.now.into()));
    }
    show(core, session, found.as_deref(), token)
}

fn lookup_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = id_by_accessor(core, session)?;
    let now = Stamp::from(core.call.now);
    let found = entry::load(session, &id)?.filter(|t| t.entry.valid(now));
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

/// Expired tokens are removed all the time; this changes nothing.
#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
pub(super) fn tidy(_core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    let started = "Tidy operation successfully started. Any information from the operation will \
                   be printed to the server's logs.";
    Ok(Response { status: Some(202), ..Response::empty().warn(started) })
}

/// Refuses a batch token, which is stored nowhere.
fn stored(token: &str, what: &str) -> ApiResult<()> {
    if batch::is_batch(token) {
        return Err(ApiError::bad_request(format!("batch tokens cannot be {what}")));
    }
    Ok(())
}

fn renew_self(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    stored(core.token, "renewed")?;
    prolong(core, session, &core.call.caller.token_id, core.token)
}

fn renew(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let token = required(&body.token, "missing token ID")?;
    stored(token, "renewed")?;
    let id = entry::storage_id(session, token)?;
    prolong(core, session, &id, token)
}

fn renew_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = id_by_accessor(core, session)?;
    prolong(core, session, &id, "")
}

fn prolong(
    core: &CoreCall<'_>,
    session: &mut Session,
    id: &str,
    token: &str,
) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let wish = Wish {
        increment: body.increment.map_or(0, |s| s.0),
        certificates: &core.peer.certificates,
        at: core.call.now,
    };
    let renewed = lifetime::renew(session, id, &wish).map_err(renew_error)?;
    let auth = issue::auth(session, token, &renewed.entry, core.call.now.into())?;
    let left = auth.lease_duration;
    let response = Response { auth: Some(Box::new(auth)), ..Response::empty() };
    let Some((what, asked)) = renewed.capped else { return Ok(response) };
    let (asked, left) = (format_short(asked), format_short(left));
    Ok(response.warn(format!(
        "{what} of {asked:?} exceeded the effective max_ttl of {left:?}; {what} value is capped \
         accordingly"
    )))
}

/// For the client.
pub(super) fn renew_error(e: RenewError) -> ApiError {
    match e {
        RenewError::View(e) => e.into(),
        RenewError::Refused(e) => e,
        e => ApiError::bad_request(e.to_string()),
    }
}

fn revoke_self(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    stored(core.token, "revoked")?;
    lifetime::revoke(session, &core.call.caller.token_id)?;
    Ok(Response::empty())
}

fn revoke(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = id_in_body(core, session)?;
    lifetime::revoke(session, &id)?;
    wrapping::forget(session, &id)?;
    Ok(Response::empty())
}

fn revoke_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let Some(id) = find_by_accessor(core, session)? else {
        return Ok(Response::empty().warn("No token found with this accessor"));
    };
    lifetime::revoke(session, &id)?;
    wrapping::forget(session, &id)?;
    Ok(Response::empty())
}

fn revoke_orphan(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = id_in_body(core, session)?;
    if entry::load(session, &id)?.is_none() {
        return Err(ApiError::bad_request("token to revoke not found"));
    }
    lifetime::revoke_orphan(session, &id)?;
    Ok(Response::empty())
}

fn accessors(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut keys = session.view(LOCAL).scan("accessor/", None, LIST_MAX);
    for key in &mut keys {
        key.drain(.."accessor/".len());
    }
    Response::list(&keys)
}

fn id_in_body(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<String> {
    let body: Body = core.call.parse()?;
    let token = required(&body.token, "missing token ID")?;
    stored(token, "revoked")?;
    Ok(entry::storage_id(session, token)?)
}

fn id_by_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<String> {
    find_by_accessor(core, session)?.ok_or_else(|| ApiError::listed(400, "invalid accessor"))
}

fn find_by_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Option<String>> {
    let body: Body = core.call.parse()?;
    if body.accessor.0.is_empty() {
        return Err(ApiError::listed(400, "missing accessor"));
    }
    Ok(entry::id_of_accessor(session, &body.accessor.0)?)
}

fn required<'b>(value: &'b Scalar, missing: &str) -> ApiResult<&'b str> {
    if value.0.is_empty() {
        return Err(ApiError::bad_request(missing));
    }
    Ok(&value.0)
}
