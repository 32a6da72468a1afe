//! `sys/config`: CORS, headers of a user interface.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::barrier::{Session, ViewError};
use crate::handler::{CoreCall, CoreRoute};
use crate::keyspace::CORE;
use crate::logical::{ApiError, ApiResult, Field, Flag, Method, Operation, Response, Texts, Words};

const CORS_KEY: &str = "cors";
const HEADERS_KEY: &str = "ui-headers";
/// Headers of the user interface at most.
const HEADERS_MAX: usize = 256;
/// Headers that browsers may send whatever else is allowed.
const STANDARD_HEADERS: [&str; 10] = [
    "Content-Type",
    "Authorization",
    "X-Vault-Token",
    "X-Vault-MFA",
    "X-Vault-No-Request-Forwarding",
    "X-Vault-Wrap-Format",
    "X-Vault-Wrap-TTL",
    "X-Requested-With",
    "X-Vault-AWS-IAM-Server-ID",
    "X-Vault-Policy-Override",
];

const CONFIG_CORS: &[Field] = &[
    Field::flag("allow_credentials", "Whether browsers may send credentials"),
    Field::words("allowed_headers", "Headers that browsers may send"),
    Field::words("allowed_origins", "Origins that may call"),
    Field::flag("enable", "Whether other origins may call"),
];
const CONFIG_UI_HEADERS: &[Field] = &[
    Field::flag("multivalue", "Whether all values are shown"),
    Field::words("values", "The values"),
];

/// The routes.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "config/cors",
        "Say which origins may call from a browser",
        &[
            Method::local(Operation::Read, read_cors),
            Method::primary(Operation::Write, write_cors),
            Method::primary(Operation::Delete, delete_cors),
        ],
    )
    .sudo()
    .takes(CONFIG_CORS),
    CoreRoute::new(
        "config/ui/headers",
        "List the headers of a user interface",
        &[Method::local(Operation::List, list_headers)],
    )
    .sudo()
    .takes(&[]),
    CoreRoute::new(
        "config/ui/headers/{name}",
        "Set, show or remove a header of a user interface",
        &[
            Method::local(Operation::Read, read_header),
            Method::primary(Operation::Write, write_header),
            Method::primary(Operation::Delete, delete_header),
        ],
    )
    .sudo()
    .takes(CONFIG_UI_HEADERS),
];

/// CORE/`cors`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Cors {
    /// Off when empty; `*` alone is everyone.
    pub(crate) allowed_origins: Vec<String>,
    /// That browsers may send.
    pub(crate) allowed_headers: Vec<String>,
    /// Whether browsers may send cookies and the like.
    pub(crate) allow_credentials: bool,
}

impl Cors {
    /// As it is stored; `None` when it is off.
    pub(crate) fn load(session: &mut Session) -> Result<Option<std::sync::Arc<Self>>, ViewError> {
        session.view(CORE).cached_json(CORS_KEY)
    }

    /// Whether an origin may call.
    pub(crate) fn allows(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|o| o == "*" || o == origin)
    }
}

fn read_cors(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let data = match Cors::load(session)? {
        None => json!({ "enabled": false }),
        Some(cors) => json!({
            "enabled": true,
            "allowed_origins": cors.allowed_origins,
            "allowed_headers": cors.allowed_headers,
            "allow_credentials": cors.allow_credentials,
        }),
    };
    Ok(Response { flatten: true, ..Response::data(&data)? })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CorsBody {
    allowed_origins: Words,
    allowed_headers: Words,
    allow_credentials: Flag,
}

fn write_cors(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: CorsBody = core.call.parse()?;
    let origins = body.allowed_origins.0;
    if origins.is_empty() {
        return Err(ApiError::listed(400, "at least one origin or the wildcard must be provided"));
    }
    if origins.len() > 1 && origins.iter().any(|o| o == "*") {
        return Err(ApiError::listed(
            400,
            "to allow all origins the '*' must be the only value for allowed_origins",
        ));
    }
    let mut headers = STANDARD_HEADERS.map(str::to_owned).to_vec();
    for header in body.allowed_headers.0 {
        if hyper::header::HeaderName::try_from(header.as_str()).is_err() {
            return Err(ApiError::bad_request("allowed_headers holds what is no header's name"));
        }
        if !headers.contains(&header) {
            headers.push(header);
        }
    }
    let allowed = Cors {
        allowed_origins: origins,
        allowed_headers: headers,
        allow_credentials: body.allow_credentials.0,
    };
    session.view(CORE).put_json(CORS_KEY, &allowed)?;
    Ok(Response::empty())
}

#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
fn delete_cors(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    session.view(CORE).delete(CORS_KEY);
    Ok(Response::empty())
}

/// By lower-case name: as it was written, and its values.
type Headers = BTreeMap<String, (String, Vec<String>)>;

fn headers(session: &mut Session) -> ApiResult<Headers> {
    Ok(session.view(CORE).get_json(HEADERS_KEY)?.unwrap_or_default())
}

fn list_headers(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let names: Vec<String> = headers(session)?.into_values().map(|(name, _)| name).collect();
    Response::list(&names)
}

fn read_header(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let all = headers(session)?;
    let found = all.get(&core.call.param("name").to_ascii_lowercase());
    let (_, values) = found.ok_or_else(ApiError::not_found)?;
    if matches!(core.call.query("multivalue"), Some("true" | "1")) {
        return Response::data(&json!({ "values": values }));
    }
    Response::data(&json!({ "value": values.first() }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HeaderBody {
    /// Values have commas of their own.
    values: Texts,
}

fn write_header(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: HeaderBody = core.call.parse()?;
    let name = core.call.param("name");
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("x-vault-") {
        return Err(ApiError::bad_request("X-Vault headers cannot be set"));
    }
    let sound = |v: &String| hyper::header::HeaderValue::try_from(v.as_str()).is_ok();
    if hyper::header::HeaderName::try_from(lower.as_str()).is_err()
        || !body.values.0.iter().all(sound)
    {
        return Err(ApiError::bad_request("name or value is not that of a header"));
    }
    if body.values.0.is_empty() {
        return Err(ApiError::bad_request("'values' must be given"));
    }
    let mut all = headers(session)?;
    if all.len() >= HEADERS_MAX && !all.contains_key(&lower) {
        return Err(ApiError::bad_request(format!("there are {HEADERS_MAX} headers already")));
    }
    all.insert(lower, (name.to_owned(), body.values.0));
    session.view(CORE).put_json(HEADERS_KEY, &all)?;
    Ok(Response::empty())
}

fn delete_header(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut all = headers(session)?;
    if all.remove(&core.call.param("name").to_ascii_lowercase()).is_some() {
        session.view(CORE).put_json(HEADERS_KEY, &all)?;
    }
    Ok(Response::empty())
}
