//! `sys/host-info`, `sys/ha-status`, `sys/version-history`, `sys/config/state/sanitized`.

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use super::machine::machine;
use crate::cluster::Cluster;
use crate::engine::stamp::Stamp;
use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiResult, Method, Operation, Response};

/// The routes; each server speaks for itself.
pub(super) static ROUTES: &[SysRoute] = &[
    SysRoute::new(
        "host-info",
        "Show the machine that the server runs on",
        &[Method::local(Operation::Read, host_info)],
    )
    .sudo()
    .takes(&[]),
    SysRoute::new(
        "ha-status",
        "List the nodes of the cluster",
        &[Method::local(Operation::Read, ha_status)],
    )
    .takes(&[]),
    SysRoute::new(
        "version-history",
        "List the versions that have run on this data",
        &[Method::local(Operation::List, versions)],
    )
    .takes(&[]),
    SysRoute::new(
        "config/state/sanitized",
        "Show the configuration without secrets",
        &[Method::local(Operation::Read, configuration)],
    )
    .sudo()
    .takes(&[]),
    SysRoute::new(
        "step-down",
        "Give up leading; a cluster of one node leads at once again",
        &[Method::local(Operation::Write, step_down)],
    )
    .sudo()
    .takes(&[]),
];

#[expect(clippy::needless_pass_by_value, reason = "the type of every handler")]
fn host_info(call: SysCall) -> SysFuture {
    let now = call.now;
    Box::pin(async move {
        let looked = tokio::task::spawn_blocking(machine).await;
        let mut data = looked.map_err(crate::logical::ApiError::internal)?;
        data["timestamp"] = Stamp::from(now).rfc3339().into();
        Response::data(&data)
    })
}

fn ha_status(call: SysCall) -> SysFuture {
    Box::pin(async move {
        call.cluster.unsealed()?;
        let config = call.cluster.config();
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let node = json!({
            "hostname": hostname.trim(),
            "api_address": config.api_addr,
            "cluster_address": config.cluster_addr,
            "active_node": true,
            "last_echo": null,
            "version": env!("CARGO_PKG_VERSION"),
        });
        Ok(Response { flatten: true, ..Response::data(&json!({ "nodes": [node] }))? })
    })
}

fn versions(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let installed = call.cluster.unsealed()?.versions()?;
        let mut before: Option<String> = None;
        let (mut keys, mut info) = (Vec::new(), Map::new());
        for (version, at) in installed {
            let shown = json!({
                "previous_version": before,
                "timestamp_installed": at.rfc3339(),
                "build_date": "",
            });
            info.insert(version.clone(), shown);
            before = Some(version.clone());
            keys.push(version);
        }
        Response::data(&json!({ "keys": keys, "key_info": info }))
    })
}

fn configuration(call: SysCall) -> SysFuture {
    Box::pin(async move { sanitized(&call.cluster) })
}

fn sanitized(cluster: &Cluster) -> ApiResult<Response> {
    let config = cluster.config();
    let listeners: Vec<Value> = config
        .listeners
        .iter()
        .map(|l| {
            json!({
                "type": "tcp",
                "config": {
                    "address": l.address.to_string(),
                    "cluster_address": l.cluster_address.map(|a| a.to_string()),
                    "tls_disable": l.tls.is_none(),
                },
            })
        })
        .collect();
    Response::data(&json!({
        "api_addr": config.api_addr.as_deref().unwrap_or(""),
        "cluster_addr": config.cluster_addr.as_deref().unwrap_or(""),
        "cluster_name": config.cluster_name.as_deref().unwrap_or(""),
        "default_lease_ttl": config.lease_times.default,
        "max_lease_ttl": config.lease_times.max,
        "disable_mlock": config.disable_mlock,
        "log_level": config.log_level,
        "listeners": listeners,
        "seals": [{ "type": "shamir", "disabled": false }],
        "storage": { "type": "strongroom" },
        "raw_storage_endpoint": false,
    }))
}

/// There is nobody to give way to.
fn step_down(call: SysCall) -> SysFuture {
    Box::pin(async move {
        call.cluster.unsealed()?;
        let asked = call.now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        tracing::warn!(asked, "asked to step down: this cluster has one node, which goes on");
        Ok(Response::empty())
    })
}
