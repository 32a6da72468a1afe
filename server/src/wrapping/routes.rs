//! `sys/wrapping/`.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{lookup, unwrap};
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Scalar};

const WRAPPING_LOOKUP: &[Field] = &[Field::text("token", "The token")];

/// Wrapped answers are local to their cluster.
pub static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "wrapping/wrap",
        "Wrap the given data; asks for X-Vault-Wrap-TTL",
        &[Method::local(Operation::Write, wrap_data)],
    ),
    CoreRoute::new(
        "wrapping/lookup",
        "Show when and by which path an answer was wrapped",
        &[
            Method::local(Operation::Read, lookup_info),
            Method::local(Operation::Write, lookup_info),
        ],
    )
    .public()
    .takes(WRAPPING_LOOKUP),
    CoreRoute::new(
        "wrapping/unwrap",
        "Hand out a wrapped answer, once",
        &[
            Method::local(Operation::Read, unwrap_answer),
            Method::local(Operation::Write, unwrap_answer),
        ],
    )
    .public()
    .takes(WRAPPING_LOOKUP),
    CoreRoute::new(
        "wrapping/rewrap",
        "Exchange a wrapping token for a new one",
        &[Method::local(Operation::Read, rewrap), Method::local(Operation::Write, rewrap)],
    )
    .public()
    .takes(WRAPPING_LOOKUP),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    token: Option<Scalar>,
}

/// The wrapping token of the body, or the client's own token.
fn given(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<String> {
    let body: Body = core.call.parse()?;
    let token = body.token.map_or_else(|| core.token.to_owned(), |token| token.0);
    if token.is_empty() {
        return Err(ApiError::new(403, "error validating wrapping token: token is empty"));
    }
    // An activation token of replication is a JWT that carries the wrapping token.
    Ok(crate::replication::wrapping_id(session, &token).unwrap_or(token))
}

fn invalid() -> ApiError {
    ApiError::bad_request("wrapping token is not valid or does not exist")
}

fn wrap_data(core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    if !core.wrapped {
        return Err(ApiError::bad_request("endpoint requires response wrapping to be used"));
    }
    let data: Box<RawValue> = core.call.parse()?;
    Ok(Response::json(data.into()))
}

fn lookup_info(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let token = given(core, session)?;
    let found = lookup(session, &token, core.call.now)?.ok_or_else(invalid)?;
    Response::data(&json!({
        "creation_path": found.creation_path,
        "creation_time": found.created.rfc3339(),
        "creation_ttl": found.ttl,
    }))
}

fn unwrap_answer(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let token = given(core, session)?;
    let found = unwrap(session, &token, core.call.now)?.ok_or_else(invalid)?;
    let answer: Response = serde_json::from_str(&found.payload)
        .map_err(|_| ApiError::internal("the wrapped answer is not in the expected form"))?;
    // Only the path that made it shows its data twice.
    Ok(Response { flatten: false, ..answer })
}

fn rewrap(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let token = given(core, session)?;
    let found = unwrap(session, &token, core.call.now)?.ok_or_else(invalid)?;
    let info = super::wrap(session, found.payload, found.ttl, &found.creation_path, core.call.now)?;
    Ok(Response { wrap_info: Some(Box::new(info)), ..Response::empty() })
}
