//! `sys/plugins`: what is built in. There are no other plugins, and none can be registered.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response, Scalar, Words};
use crate::mount::{self, AUTH_KEY, LOCAL_AUTH_KEY, LOCAL_KEY, MOUNTS_KEY};

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"), "+builtin");
/// By type, names in order.
const BUILT_IN: [(&str, &[&str]); 3] = [
    ("auth", &["approle", "cert", "jwt", "userpass"]),
    ("database", &[]),
    ("secret", &["kv", "transit"]),
];

const PLUGIN: &[Field] = &[
    Field::words("args", "Arguments of the command"),
    Field::text("command", "What to run"),
    Field::words("env", "Its environment"),
    Field::text("sha256", "Digest of the program"),
    Field::text("sha_256", "Old name of `sha256`"),
    Field::text("version", "Its version"),
];
const RELOAD: &[Field] = &[
    Field::words("mounts", "Mounts whose plugins to load again"),
    Field::text("plugin", "Name of the plugin to load again"),
    Field::text("scope", "`global` for all clusters"),
];

/// The routes; every server answers for itself.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new("plugins/catalog", "List all plugins", &[Method::local(Operation::Read, all)])
        .takes(&[]),
    CoreRoute::new(
        "plugins/catalog/{type}",
        "List the plugins of a type",
        &[Method::local(Operation::List, of_type)],
    )
    .sudo()
    .takes(&[]),
    CoreRoute::new(
        "plugins/catalog/{type}/{name}",
        "Show a plugin",
        &[
            Method::local(Operation::Read, one),
            Method::local(Operation::Write, register),
            Method::local(Operation::Delete, deregister),
        ],
    )
    .sudo()
    .takes(PLUGIN),
    CoreRoute::new(
        "plugins/reload/backend",
        "Load plugins again",
        &[Method::local(Operation::Write, reload)],
    )
    .sudo()
    .takes(RELOAD),
];

fn names(kind: &str) -> Option<&'static [&'static str]> {
    BUILT_IN.iter().find(|(known, _)| *known == kind).map(|(_, names)| *names)
}

fn all(_core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    let mut detailed = Vec::new();
    for (kind, names) in BUILT_IN {
        detailed.extend(names.iter().map(|name| {
            json!({
                "name": name,
                "type": kind,
                "builtin": true,
                "deprecation_status": "supported",
                "version": VERSION,
            })
        }));
    }
    let mut data = json!({ "detailed": detailed });
    for (kind, names) in BUILT_IN {
        data[kind] = json!(names);
    }
    Response::data(&data)
}

fn of_type(core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    match names(core.call.param("type")) {
        Some(names) => Response::data(&json!({ "keys": names })),
        None => Err(ApiError::unsupported_operation()),
    }
}

fn one(core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    let (kind, name) = (core.call.param("type"), core.call.param("name"));
    if !names(kind).is_some_and(|names| names.contains(&name)) {
        return Err(ApiError::not_found());
    }
    Response::data(&json!({
        "name": name,
        "args": Value::Null,
        "builtin": true,
        "command": "",
        "deprecation_status": "supported",
        "sha256": "",
        "version": VERSION,
    }))
}

fn register(_core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    Err(ApiError::bad_request(
        "plugins cannot be registered: this server runs what is built in and nothing else",
    ))
}

#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
fn deregister(_core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    Ok(Response::empty())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reload {
    plugin: Scalar,
    mounts: Words,
}

/// Nothing has to be loaded; clients that do it after an upgrade go on.
fn reload(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Reload = core.call.parse()?;
    let plugin = body.plugin.0.as_str();
    if plugin.is_empty() == body.mounts.0.is_empty() {
        return Err(ApiError::bad_request(if plugin.is_empty() {
            "plugin or mounts must be provided"
        } else {
            "plugin and mounts cannot be set at the same time"
        }));
    }
    if !plugin.is_empty() && !BUILT_IN.iter().any(|(_, names)| names.contains(&plugin)) {
        return Err(ApiError::bad_request(format!("plugin not found in the catalog: {plugin:?}")));
    }
    for path in &body.mounts.0 {
        if !mounted(session, path)? {
            return Err(ApiError::listed(400, format!("cannot fetch mount entry on {path:?}")));
        }
    }
    Response::data(&json!({ "reload_id": Uuid::new_v4().to_string() }))
}

fn mounted(session: &mut Session, path: &str) -> ApiResult<bool> {
    let wanted = format!("{}/", path.trim_matches('/'));
    let (keys, wanted) = match wanted.strip_prefix("auth/") {
        Some(auth) => ([AUTH_KEY, LOCAL_AUTH_KEY], auth),
        None => ([MOUNTS_KEY, LOCAL_KEY], wanted.as_str()),
    };
    for key in keys {
        if mount::entries(session, key)?.iter().any(|entry| entry.path == wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_listed_can_be_mounted() {
        assert!(names("auth").unwrap().iter().all(|kind| crate::auth::routes(kind).is_some()));
        let none = BTreeMap::new();
        assert!(names("secret").unwrap().iter().all(|k| crate::engine::routes(k, &none).is_some()));
    }
}
