//! `sys/locked-users`: names that failed to log in too often, on this server.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::barrier::Session;
use crate::handler::{CoreCall, CoreRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response};
use crate::mount::{self, LockoutConfig};

/// The routes. Failures are counted by each cluster for itself.
pub(super) static ROUTES: &[CoreRoute] = &[
    CoreRoute::new(
        "locked-users",
        "List the names that are locked after failed logins",
        &[Method::local(Operation::Read, list)],
    )
    .takes(&[Field::text("mount_accessor", "Of one auth method alone").query()]),
    CoreRoute::new(
        "locked-users/{accessor}/unlock/{alias}",
        "Let a locked name log in again",
        &[Method::local(Operation::Write, unlock)],
    )
    .takes(&[]),
];

fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut configs: BTreeMap<String, LockoutConfig> = BTreeMap::new();
    for key in [mount::AUTH_KEY, mount::LOCAL_AUTH_KEY] {
        for mount in mount::router(session, key)?.all() {
            let config = mount.info.lockout.unwrap_or_default();
            configs.insert(mount.info.accessor.clone(), config);
        }
    }
    let config = |accessor: &str| configs.get(accessor).copied().unwrap_or_default();
    let mut by_mount: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let wanted = core.call.query("mount_accessor").filter(|a| !a.is_empty());
    for (accessor, name) in core.lockout.all(config, core.call.now) {
        if wanted.is_none_or(|w| w == accessor) {
            by_mount.entry(accessor).or_default().push(name);
        }
    }
    let total: usize = by_mount.values().map(Vec::len).sum();
    let mounts: Vec<Value> = by_mount
        .into_iter()
        .map(|(accessor, names)| {
            json!({
                "mount_accessor": accessor,
                "counts": names.len(),
                "alias_identifiers": names,
            })
        })
        .collect();
    let namespaces = json!([{
        "namespace_id": "root",
        "namespace_path": "",
        "counts": total,
        "mount_accessors": mounts,
    }]);
    Response::data(&json!({ "by_namespace": namespaces, "total": total }))
}

fn unlock(core: &CoreCall<'_>, _session: &mut Session) -> ApiResult<Response> {
    let (accessor, alias) = (core.call.param("accessor"), core.call.param("alias"));
    if accessor.is_empty() || alias.is_empty() {
        return Err(ApiError::bad_request("missing mount_accessor or alias_identifier"));
    }
    core.lockout.forget(accessor, alias);
    Ok(Response::empty())
}
