//! `sys/config/auditing/request-headers`: which headers of a request go on record.

use serde::Deserialize;
use serde_json::{Map, json};

use super::HEADERS_KEY;
use super::broker::headers;
use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::keyspace::CORE;
use crate::logical::{ApiError, ApiResult, Flag, Response};

/// Headers on record at most.
const HEADERS_MAX: usize = 256;

/// GET without a name.
pub(super) fn list(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let all: Map<_, _> =
        headers(session)?.into_iter().map(|(name, hmac)| (name, json!({ "hmac": hmac }))).collect();
    Ok(Response { flatten: true, ..Response::data(&json!({ "headers": all }))? })
}

/// GET.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name");
    let all = headers(session)?;
    let hmac = all
        .get(&name.to_ascii_lowercase())
        .ok_or_else(|| ApiError::bad_request("Could not find header in config"))?;
    Ok(Response { flatten: true, ..Response::data(&json!({ name: { "hmac": hmac } }))? })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    hmac: Flag,
}

/// POST.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let name = core.call.param("name").to_ascii_lowercase();
    if hyper::header::HeaderName::try_from(name.as_str()).is_err() {
        return Err(ApiError::bad_request("the name is not that of a header"));
    }
    let mut all = headers(session)?;
    if all.len() >= HEADERS_MAX && !all.contains_key(&name) {
        return Err(ApiError::bad_request(format!("there are {HEADERS_MAX} headers already")));
    }
    all.insert(name, body.hmac.0);
    session.view(CORE).put_json(HEADERS_KEY, &all)?;
    Ok(Response::empty())
}

/// DELETE.
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut all = headers(session)?;
    if all.remove(&core.call.param("name").to_ascii_lowercase()).is_some() {
        session.view(CORE).put_json(HEADERS_KEY, &all)?;
    }
    Ok(Response::empty())
}
