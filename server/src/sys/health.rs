//! `sys/health`, `sys/leader`.

use std::time::UNIX_EPOCH;

use serde_json::json;

use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiError, ApiResult, Method, Operation, Response};
use crate::replication::Role;

/// Answer of a server whose store has failed; not to be wished away by a parameter.
const FAILED: u16 = 500;

/// The routes.
pub(super) static ROUTES: &[SysRoute] = &[
    SysRoute::new(
        "health",
        "Tell a load balancer how the cluster is",
        &[Method::local(Operation::Read, health)],
    )
    .always()
    .takes(&[]),
    SysRoute::new(
        "leader",
        "Tell who leads; a cluster of one node has no election",
        &[Method::local(Operation::Read, leader)],
    )
    .always()
    .takes(&[]),
];

fn health(call: SysCall) -> SysFuture {
    Box::pin(async move { answer(&call) })
}

fn answer(call: &SysCall) -> ApiResult<Response> {
    let status = call.cluster.seal_status();
    // All are checked, though only one counts.
    let active = code(call, "activecode", 200)?;
    let sealed = code(call, "sealedcode", 503)?;
    let uninitialised = code(call, "uninitcode", 501)?;
    for other in ["standbycode", "drsecondarycode", "performancestandbycode"] {
        code(call, other, 0)?;
    }
    let mode = match call.cluster.unsealed().map(|u| u.role()) {
        Err(_) => "unknown",
        Ok(Role::Disabled) => "disabled",
        Ok(Role::Primary) => "primary",
        Ok(Role::Secondary { .. }) => "secondary",
    };
    let dr_mode = if status.sealed { "unknown" } else { "disabled" };
    // A store that failed a durable write takes no more: no place to send clients to.
    let failure = call.cluster.unsealed().ok().and_then(|u| u.store.health().err());
    let mut body = json!({
        "initialized": status.initialized,
        "sealed": status.sealed,
        "standby": status.sealed,
        "performance_standby": false,
        "replication_performance_mode": mode,
        "replication_dr_mode": dr_mode,
        "server_time_utc": call.now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        "version": status.version,
    });
    if let (Some(name), Some(id)) = (status.cluster_name, status.cluster_id) {
        body["cluster_name"] = name.into();
        body["cluster_id"] = id.into();
    }
    let code = match (status.initialized, status.sealed) {
        (false, _) => uninitialised,
        (true, true) => sealed,
        (true, false) if failure.is_some() => FAILED,
        (true, false) => active,
    };
    if let Some(cause) = failure {
        body["store_failure"] = cause.into();
    }
    // It goes on without, for a while: whoever looks here should know.
    if let Some(cause) = call.cluster.unsealed().ok().and_then(|u| u.store.checkpoint_failure()) {
        body["checkpoint_failure"] = cause.into();
    }
    Ok(Response { status: Some(code), ..Response::bare(&body)? })
}

/// A status code that the load balancer wishes for.
fn code(call: &SysCall, name: &str, default: u16) -> ApiResult<u16> {
    let Some(text) = call.query(name) else { return Ok(default) };
    match text.parse::<u16>() {
        Ok(code) if (200..=599).contains(&code) => Ok(code),
        _ => Err(ApiError::bad_request(format!("{name} must be a status code of 200 to 599"))),
    }
}

fn leader(call: SysCall) -> SysFuture {
    Box::pin(async move {
        if let Err(e) = call.cluster.unsealed()
            && call.cluster.initialised()
        {
            return Err(e);
        }
        Response::bare(&json!({
            "ha_enabled": false,
            "is_self": false,
            "active_time": "0001-01-01T00:00:00Z",
            "leader_address": "",
            "leader_cluster_address": "",
            "performance_standby": false,
            "performance_standby_last_remote_wal": 0,
        }))
    })
}
