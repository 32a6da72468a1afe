//! `sys/audit`, `sys/audit-hash`, `sys/config/auditing/request-headers`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, json};

use super::broker::entries;
use super::entry::{DeviceEntry, Table};
use super::hash::Hasher;
use super::{TABLE_KEY, headers, probe};
use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::keyspace::{CORE, LOCAL};
use crate::logical::{ApiError, ApiResult, Field, Flag, Method, Operation, Response, Scalar};

/// Devices at most.
const DEVICES_MAX: usize = 64;
/// Longest path of a device, bytes.
const PATH_MAX: usize = 256;

const AUDIT: &[Field] = &[
    Field::text("description", "What it is for"),
    Field::flag("local", "Whether it stays in this cluster"),
    Field::pairs("options", "Options"),
    Field::text("type", "Its type"),
];
const AUDIT_HASH: &[Field] = &[Field::text("input", "The input")];
const CONFIG_AUDITING_REQUEST_HEADERS: &[Field] =
    &[Field::flag("hmac", "Whether values are hashed")];

/// The routes. Writes run here first: whether a device is local is for the handler to find out.
pub static ROUTES: &[CoreRoute] = &[
    CoreRoute::new("audit", "List the audit devices", &[Method::local(Operation::Read, list)])
        .sudo()
        .takes(&[]),
    CoreRoute::new(
        "audit/{path..}",
        "Enable or disable an audit device",
        &[Method::local(Operation::Write, enable), Method::local(Operation::Delete, disable)],
    )
    .sudo()
    .takes(AUDIT),
    CoreRoute::new(
        "audit-hash/{path..}",
        "Hash a text as an audit device does",
        &[Method::local(Operation::Write, hash)],
    )
    .takes(AUDIT_HASH),
    CoreRoute::new(
        "config/auditing/request-headers",
        "List the request headers that go on record",
        &[Method::local(Operation::Read, headers::list)],
    )
    .sudo()
    .takes(&[]),
    CoreRoute::new(
        "config/auditing/request-headers/{name}",
        "Put a request header on record, or no longer",
        &[
            Method::local(Operation::Read, headers::read),
            Method::primary(Operation::Write, headers::write),
            Method::primary(Operation::Delete, headers::delete),
        ],
    )
    .sudo()
    .takes(CONFIG_AUDITING_REQUEST_HEADERS),
];

fn list(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let all: Map<_, _> = entries(session)?
        .into_iter()
        .map(|e| {
            let shown = json!({
                "type": e.kind,
                "description": e.description,
                "options": e.options,
                "local": e.local,
                "path": e.path,
            });
            (e.path, shown)
        })
        .collect();
    Ok(Response { flatten: true, ..Response::data(&all)? })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    r#type: Scalar,
    description: Scalar,
    options: Option<BTreeMap<String, Scalar>>,
    local: Flag,
}

/// The device's path with its slash.
fn path(core: &CoreCall<'_>) -> ApiResult<String> {
    let path = core.call.param("path").trim_end_matches('/');
    let bad_segment = |s: &str| s.is_empty() || s == "." || s == "..";
    if path.len() > PATH_MAX || path.split('/').any(bad_segment) || path.contains(char::is_control)
    {
        return Err(ApiError::bad_request("the path of an audit device must be given"));
    }
    Ok(format!("{path}/"))
}

fn enable(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let path = path(core)?;
    let all = entries(session)?;
    if all.iter().any(|e| e.path.starts_with(&path) || path.starts_with(&e.path)) {
        return Err(ApiError::bad_request("path already in use"));
    }
    if all.len() >= DEVICES_MAX {
        return Err(ApiError::bad_request(format!(
            "there are {DEVICES_MAX} audit devices already"
        )));
    }
    let options = body.options.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0)).collect();
    let entry = DeviceEntry::new(path, body.r#type.0, body.description.0, options, body.local.0)?;
    let settings = entry.settings()?;
    let skip = entry.options.get("skip_test").is_some_and(|v| v == "true");
    if !skip && let Err(e) = probe::probe(&settings.place) {
        return Err(ApiError::bad_request(format!(
            "the audit device cannot be used, so it was not enabled: {e}"
        )));
    }
    let keyspace = if entry.local { LOCAL } else { CORE };
    let mut view = session.view(keyspace);
    let mut table: Table = view.get_json(TABLE_KEY)?.unwrap_or_default();
    table.entries.push(entry);
    view.put_json(TABLE_KEY, &table)?;
    Ok(Response::empty())
}

fn disable(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let path = path(core)?;
    for keyspace in [LOCAL, CORE] {
        let mut view = session.view(keyspace);
        let mut table: Table = view.get_json(TABLE_KEY)?.unwrap_or_default();
        let before = table.entries.len();
        table.entries.retain(|e| e.path != path);
        if table.entries.len() != before {
            view.put_json(TABLE_KEY, &table)?;
        }
    }
    Ok(Response::empty())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HashBody {
    input: Scalar,
}

fn hash(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: HashBody = core.call.parse()?;
    let path = path(core)?;
    if body.input.0.is_empty() {
        return Err(ApiError::bad_request("the \"input\" parameter is empty"));
    }
    let all = entries(session)?;
    let entry = all
        .iter()
        .find(|e| e.path == path)
        .ok_or_else(|| ApiError::bad_request(format!("unknown audit backend {path:?}")))?;
    let hash = Hasher::new(&entry.key()).hash(&body.input.0);
    Ok(Response { flatten: true, ..Response::data(&json!({ "hash": hash }))? })
}
