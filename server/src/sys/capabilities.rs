//! `sys/capabilities`, `-self`, `-accessor`.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{
    ApiError, ApiResult, Caller, Field, Method, Operation, Response, Scalar, Words,
};
use crate::{policy, token};

/// Paths that one call asks about at most.
const PATHS_MAX: usize = 4096;

const CAPABILITIES_SELF: &[Field] = &[
    Field::words("path", "Path"),
    Field::words("paths", "Paths"),
    Field::text("token", "The token"),
];
const CAPABILITIES_ACCESSOR: &[Field] = &[
    Field::text("accessor", "The accessor"),
    Field::words("path", "Path"),
    Field::words("paths", "Paths"),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "capabilities-self",
        "Tell what the calling token may do on paths",
        &[Method::local(Operation::Write, of_self)],
    )
    .takes(CAPABILITIES_SELF),
    CoreRoute::new(
        "capabilities",
        "Tell what a token may do on paths",
        &[Method::local(Operation::Write, of_token)],
    )
    .takes(CAPABILITIES_SELF),
    CoreRoute::new(
        "capabilities-accessor",
        "Tell what the token of an accessor may do on paths",
        &[Method::local(Operation::Write, of_accessor)],
    )
    .takes(CAPABILITIES_ACCESSOR),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    token: Scalar,
    accessor: Scalar,
    path: Option<Words>,
    paths: Option<Words>,
}

fn of_self(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    answer(session, core.call.caller, body, core.call.now)
}

fn of_token(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    if body.token.0.is_empty() {
        return Err(ApiError::listed(400, "no token found"));
    }
    let found = token::lookup(session, &body.token.0, core.call.now)?;
    let found = found.ok_or_else(|| ApiError::listed(400, "invalid token"))?;
    answer(session, &found.caller, body, core.call.now)
}

fn of_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let now = core.call.now.into();
    if body.accessor.0.is_empty() {
        return Err(ApiError::bad_request("missing accessor"));
    }
    let found = match token::id_of_accessor(session, &body.accessor.0)? {
        Some(id) => token::load(session, &id)?.filter(|t| t.entry.valid(now)),
        None => None,
    };
    let found = found.ok_or_else(|| ApiError::listed(400, "invalid accessor"))?;
    answer(session, &found.caller, body, core.call.now)
}

fn answer(
    session: &mut Session,
    caller: &Caller,
    body: Body,
    now: SystemTime,
) -> ApiResult<Response> {
    let paths = body.paths.or(body.path).unwrap_or_default().0;
    if paths.is_empty() {
        return Err(ApiError::bad_request("paths must be supplied"));
    }
    if paths.len() > PATHS_MAX {
        return Err(ApiError::bad_request("too many paths: 4096 is the limit"));
    }
    let acl = policy::Acl::of(session, caller, now)?;
    let mut data = Map::new();
    for path in &paths {
        let names = if acl.is_root() {
            vec!["root"]
        } else {
            let path = path.trim_start_matches('/');
            // A folder is there to be listed.
            let op = if path.ends_with('/') { Operation::List } else { Operation::Read };
            acl.granted(op, path).capabilities.names()
        };
        data.insert(path.clone(), names.into());
    }
    if let [only] = paths.as_slice() {
        let names = data[only].clone();
        data.insert("capabilities".to_owned(), names);
    }
    Ok(Response { flatten: true, ..Response::data(&Value::Object(data))? })
}
