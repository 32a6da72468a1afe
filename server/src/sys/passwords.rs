//! `sys/policies/password`. Replicated; a policy is CORE/`password-policy/<name>`, its text as it was given.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::keyspace::CORE;
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Scalar};
use crate::password::{PasswordPolicy, generate};

/// Longest text, bytes.
const TEXT_MAX: usize = 64 << 10;
/// Longest name, bytes.
const NAME_MAX: usize = 512;
const PREFIX: &str = "password-policy/";

const POLICY: &[Field] =
    &[Field::text("policy", "The policy, in HCL, JSON or either of them in base64")];
const LISTED: &[Field] = &[
    Field::text("after", "List what comes after this name").query(),
    Field::integer("limit", "List so many at most").query(),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "policies/password",
        "List the password policies",
        &[Method::local(Operation::List, list)],
    )
    .takes(LISTED),
    CoreRoute::new(
        "policies/password/{name}",
        "Show, write or delete a password policy",
        &[
            Method::local(Operation::Read, read),
            Method::primary(Operation::Write, write),
            Method::primary(Operation::Delete, delete),
        ],
    )
    .takes(POLICY),
    CoreRoute::new(
        "policies/password/{name}/generate",
        "Make a password that follows a policy",
        &[Method::local(Operation::Read, make)],
    )
    .takes(&[]),
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    policy: Scalar,
}

fn key(core: &CoreCall<'_>) -> String {
    format!("{PREFIX}{}", core.call.param("name"))
}

fn text(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<String> {
    let stored: Option<String> = session.view(CORE).get_json(&key(core))?;
    stored.ok_or_else(|| ApiError::listed(404, "policy does not exist"))
}

fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let (after, limit) = core.call.page(usize::MAX)?;
    Response::list(&session.view(CORE).list(PREFIX, after, limit))
}

fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let text = text(core, session)?;
    Response::data(&json!({ "policy": text }))
}

fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let given = core.call.parse::<Body>()?.policy.0;
    if given.is_empty() {
        return Err(ApiError::listed(400, "missing policy"));
    }
    if given.len() > TEXT_MAX || core.call.param("name").len() > NAME_MAX {
        return Err(ApiError::listed(400, "the policy or its name is too long"));
    }
    let decoded = STANDARD.decode(&given).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = decoded.unwrap_or(given);
    PasswordPolicy::parse(&text)
        .map_err(|e| ApiError::listed(400, format!("invalid password policy: {e}")))?;
    session.view(CORE).put_json(&key(core), &text)?;
    Ok(Response::empty())
}

#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    session.view(CORE).delete(&key(core));
    Ok(Response::empty())
}

fn make(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let text = text(core, session)?;
    // What is stored was checked when it was written.
    let policy = PasswordPolicy::parse(&text).map_err(ApiError::internal)?;
    let password = generate(&policy).map_err(ApiError::internal)?;
    Response::data(&json!({ "password": password.as_str() }))
}
