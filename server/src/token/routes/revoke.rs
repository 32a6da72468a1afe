//! Revoking tokens.

use super::target::{find_by_accessor, id_in_body, stored};
use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Response};
use crate::token::{revocation, store};
use crate::wrapping;

pub(super) fn revoke_self(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    stored(core.token, "revoked")?;
    revocation::revoke(session, &core.call.caller.token_id)?;
    Ok(Response::empty())
}

pub(super) fn revoke(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = id_in_body(core, session)?;
    revocation::revoke(session, &id)?;
    wrapping::forget(session, &id)?;
    Ok(Response::empty())
}

pub(super) fn revoke_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let Some(id) = find_by_accessor(core, session)? else {
        return Ok(Response::empty().warn("No token found with this accessor"));
    };
    revocation::revoke(session, &id)?;
    wrapping::forget(session, &id)?;
    Ok(Response::empty())
}

pub(super) fn revoke_orphan(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let id = id_in_body(core, session)?;
    if store::load(session, &id)?.is_none() {
        return Err(ApiError::bad_request("token to revoke not found"));
    }
    revocation::revoke_orphan(session, &id)?;
    Ok(Response::empty())
}
