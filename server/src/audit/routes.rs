//! `sys/audit`, `sys/audit-hash`, `sys/config/auditing/request-headers`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, json};

use super::broker::entries;
use super::entry::{DeviceEntry, Table};
use super::hash::Hasher;
use super::{TABLE_KEY, headers, probe};
use crate::barrier::Session;
use crate::keyspace::{CORE, LOCAL};
use crate::logical::{
    Access, ApiError, ApiResult, Flag, Method, Operation, Response, Route, Scalar,
};
use crate::sys::{CoreCall, CoreHandler};

/// Devices at most.
const DEVICES_MAX: usize = 64;
/// Longest path of a device, bytes.
const PATH_MAX: usize = 256;

/// The routes. Writes run here first: whether a device is local is for the handler to find out.
pub static ROUTES: &[Route<CoreHandler>] = &[
    Route {
        pattern: "audit",
        summary: "List the audit devices",
        access: Access::Sudo,
        exists: None,
        methods: &[Method::local(Operation::Read, list)],
    },
    Route {
        pattern: "audit/{path..}",
        summary: "Enable or disable an audit device",
        access: Access::Sudo,
        exists: None,
        methods: &[
            Method::local(Operation::Write, enable),
            Method::local(Operation::Delete, disable),
        ],
    },
    Route {
        pattern: "audit-hash/{path..}",
        summary: "Hash a text as an audit device does",
        access: Access::Token,
        exists: None,
        methods: &[Method::local(Operation::Write, hash)],
    },
    Route {
        pattern: "config/auditing/request-headers",
        summary: "List the request headers that go on record",
        access: Access::Sudo,
        exists: None,
        methods: &[Method::local(Operation::Read, headers::list)],
    },
    Route {
        pattern: "config/auditing/request-headers/{name}",
        summary: "Put a request header on record, or no longer",
        access: Access::Sudo,
        exists: None,
        methods: &[
            Method::local(Operation::Read, headers::read),
            Method::primary(Operation::Write, headers::write),
            Method::primary(Operation::Delete, headers::delete),
        ],
    },
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
