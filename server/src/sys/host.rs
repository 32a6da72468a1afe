//! `sys/host-info`, `sys/ha-status`, `sys/version-history`, `sys/config/state/sanitized`.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use super::{SysCall, SysFuture, SysRoute};
use crate::cluster::Cluster;
use crate::engine::stamp::Stamp;
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

/// What `/proc` tells.
fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    json!({
        "cpu": processors(&read("/proc/cpuinfo")),
        "cpu_times": times(&read("/proc/stat")),
        "disk": [],
        "host": {
            "hostname": read("/proc/sys/kernel/hostname").trim(),
            "uptime": seconds(&read("/proc/uptime")),
            "os": "linux",
            "kernelVersion": read("/proc/sys/kernel/osrelease").trim(),
            "kernelArch": std::env::consts::ARCH,
        },
        "memory": memory(&read("/proc/meminfo")),
    })
}

fn processors(text: &str) -> Vec<Value> {
    let blocks = text.split("\n\n").filter(|b| !b.trim().is_empty());
    let one = |block: &str| {
        let fields: BTreeMap<&str, &str> = block
            .lines()
            .filter_map(|l| l.split_once(':'))
            .map(|(k, v)| (k.trim(), v.trim()))
            .collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or("");
        json!({
            "cpu": field("processor").parse::<u64>().unwrap_or(0),
            "vendorId": field("vendor_id"),
            "family": field("cpu family"),
            "model": field("model"),
            "modelName": field("model name"),
            "mhz": field("cpu MHz").parse::<f64>().unwrap_or(0.0),
        })
    };
    blocks.map(one).collect()
}

/// Seconds by state, of each processor; the kernel counts hundredths.
fn times(text: &str) -> Vec<Value> {
    const NAMES: [&str; 8] =
        ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
    let lines = text
        .lines()
        .filter(|l| l.starts_with("cpu") && l.as_bytes().get(3).is_some_and(u8::is_ascii_digit));
    let one = |line: &str| {
        let mut words = line.split_whitespace();
        let mut shown = Map::new();
        shown.insert("cpu".to_owned(), words.next().into());
        for (name, ticks) in NAMES.iter().zip(words) {
            shown.insert((*name).to_owned(), (ticks.parse::<f64>().unwrap_or(0.0) / 100.0).into());
        }
        Value::Object(shown)
    };
    lines.map(one).collect()
}

fn seconds(text: &str) -> u64 {
    text.split('.').next().and_then(|s| s.trim().parse().ok()).unwrap_or(0)
}

/// Bytes.
fn memory(text: &str) -> Value {
    let field = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        let kib: u64 = line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        kib * 1024
    };
    json!({
        "total": field("MemTotal"),
        "available": field("MemAvailable"),
        "free": field("MemFree"),
        "buffers": field("Buffers"),
        "cached": field("Cached"),
        "swapTotal": field("SwapTotal"),
        "swapFree": field("SwapFree"),
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
        "default_lease_ttl": crate::mount::DEFAULT_LEASE_TTL,
        "max_lease_ttl": crate::mount::MAX_LEASE_TTL,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let cpus =
            processors("processor\t: 0\nvendor_id\t: X\ncpu MHz\t\t: 2445.4\n\nprocessor\t: 1\n\n");
        assert_eq!(
            (cpus.len(), &cpus[0]["vendorId"], &cpus[1]["cpu"]),
            (2, &json!("X"), &json!(1))
        );
        assert_eq!(cpus[0]["mhz"], 2445.4);
        let times = times("cpu  1 2 3 4\ncpu0 100 0 50 0 0 0 0 0 0 0\nintr 5\n");
        assert_eq!(
            (times.len(), &times[0]["cpu"], &times[0]["user"]),
            (1, &json!("cpu0"), &json!(1.0))
        );
        assert_eq!(memory("MemTotal:       16 kB\n")["total"], 16384);
        assert_eq!(seconds("12.5 3.4\n"), 12);
    }
}
