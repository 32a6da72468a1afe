//! Renewing tokens.

use super::target::{Body, id_by_accessor, required, stored};
use crate::barrier::Session;
use crate::engine::duration::format_short;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Response};
use crate::token::lifetime::{self, RenewError, Wish};
use crate::token::{id, issue};

pub(super) fn renew_self(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    stored(core.token, "renewed")?;
    prolong(core, session, &core.call.caller.token_id, core.token)
}

pub(super) fn renew(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let token = required(&body.token, "missing token ID")?;
    stored(token, "renewed")?;
    let id = id::storage_id(session, token)?;
    prolong(core, session, &id, token)
}

pub(super) fn renew_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
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
    let response = Response { auth: Some(Box::new(auth)), ..Response::empty() };
    let Some((what, asked, left)) = renewed.capped else { return Ok(response) };
    let (asked, left) = (format_short(asked), format_short(left));
    Ok(response.warn(format!(
        "{what} of {asked:?} exceeded the effective max_ttl of {left:?}; {what} value is capped \
         accordingly"
    )))
}

/// For the client.
pub(in crate::token) fn renew_error(e: RenewError) -> ApiError {
    match e {
        RenewError::View(e) => e.into(),
        RenewError::Refused(e) => e,
        e => ApiError::bad_request(e.to_string()),
    }
}
