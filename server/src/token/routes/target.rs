//! Which token a call is about: by itself, or by its accessor.

use serde::Deserialize;

use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Scalar, Seconds};
use crate::token::{batch, id, store};

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Body {
    pub(super) token: Scalar,
    accessor: Scalar,
    pub(super) increment: Option<Seconds>,
}

/// Refuses a batch token, which is stored nowhere.
pub(super) fn stored(token: &str, what: &str) -> ApiResult<()> {
    if batch::is_batch(token) {
        return Err(ApiError::bad_request(format!("batch tokens cannot be {what}")));
    }
    Ok(())
}

pub(super) fn id_in_body(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<String> {
    let body: Body = core.call.parse()?;
    let token = required(&body.token, "missing token ID")?;
    stored(token, "revoked")?;
    Ok(id::storage_id(session, token)?)
}

pub(super) fn id_by_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<String> {
    find_by_accessor(core, session)?.ok_or_else(|| ApiError::listed(400, "invalid accessor"))
}

pub(super) fn find_by_accessor(
    core: &CoreCall<'_>,
    session: &mut Session,
) -> ApiResult<Option<String>> {
    let body: Body = core.call.parse()?;
    if body.accessor.0.is_empty() {
        return Err(ApiError::listed(400, "missing accessor"));
    }
    Ok(store::id_of_accessor(session, &body.accessor.0)?)
}

pub(super) fn required<'b>(value: &'b Scalar, missing: &str) -> ApiResult<&'b str> {
    if value.0.is_empty() {
        return Err(ApiError::bad_request(missing));
    }
    Ok(&value.0)
}
