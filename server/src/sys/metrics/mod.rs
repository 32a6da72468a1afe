//! `sys/metrics` and `sys/in-flight-req`.
//!
//! - this module: the routes, and the figures of requests, mounts, audit devices and the process;
//! - [`store`]: those of the store, its log and its background work;
//! - [`figures`]: figures by kind, and the two forms in which they are shown.

mod figures;
mod store;

use serde_json::{Map, Value, json};

use crate::audit::Counted;
use crate::cluster::{Cluster, Unsealed};
use crate::engine::stamp::Stamp;
use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response};
use crate::mount::{AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, entries};
use crate::replication::Role;
use crate::telemetry::Timed;
use figures::{Figures, Labels, count_f64};

const METRICS: &[Field] = &[Field::text("format", "Form of the output")];

/// The routes; each server has figures of its own.
pub(super) static ROUTES: &[SysRoute] = &[
    SysRoute::new(
        "metrics",
        "Show the server's figures, in JSON or for Prometheus",
        &[Method::local(Operation::Read, metrics)],
    )
    .takes(METRICS),
    SysRoute::new(
        "in-flight-req",
        "List the requests in flight",
        &[Method::local(Operation::Read, in_flight)],
    )
    .takes(&[]),
];

fn metrics(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let figures = collect(&call.cluster)?;
        match call.query("format") {
            Some("prometheus") => Ok(Response::text(figures.prometheus())),
            None | Some("") => Response::bare(&figures.json(call.now.into())),
            Some(_) => Err(ApiError::bad_request("metric response format is unknown")),
        }
    })
}

fn in_flight(call: SysCall) -> SysFuture {
    Box::pin(async move {
        let list: Map<String, Value> = call
            .cluster
            .flights()
            .all()
            .into_iter()
            .map(|(id, flight)| {
                let shown = json!({
                    "start_time": Stamp::from(flight.since).rfc3339(),
                    "client_remote_address": flight.remote,
                    "request_path": format!("/v1/{}", flight.path),
                    "request_method": verb(flight.op),
                });
                (id.to_string(), shown)
            })
            .collect();
        Response::bare(&list)
    })
}

fn verb(op: Operation) -> &'static str {
    match op {
        Operation::Read => "GET",
        Operation::List => "LIST",
        Operation::Scan => "SCAN",
        Operation::Write => "POST",
        Operation::Patch => "PATCH",
        Operation::Delete => "DELETE",
        Operation::Head => "HEAD",
    }
}

fn collect(cluster: &Cluster) -> ApiResult<Figures> {
    let unsealed = cluster.unsealed()?;
    let mut figures = Figures::default();
    requests(&mut figures, cluster);
    standing(&mut figures, &unsealed);
    mounts(&mut figures, &unsealed)?;
    store::add(&mut figures, &unsealed);
    audit(&mut figures, &unsealed);
    process(&mut figures);
    Ok(figures)
}

fn requests(figures: &mut Figures, cluster: &Cluster) {
    let (mut count, mut sum, mut max) = (0, std::time::Duration::ZERO, std::time::Duration::ZERO);
    for (verb, timed) in cluster.meters().verbs() {
        count += timed.count;
        sum += timed.sum;
        max = max.max(timed.max);
        figures.timers.push((format!("vault.route.{verb}"), timed));
    }
    figures.timers.push(("vault.core.handle_request".to_owned(), Timed { count, sum, max }));
    let (refused, failed) = cluster.meters().errors();
    for (kind, n) in [("4xx", refused), ("5xx", failed)] {
        let labels = vec![("type", kind.to_owned())];
        figures.counters.push(("vault.core.response_status_code", n, labels));
    }
    let flying = count_f64(cluster.flights().all().len() as u64);
    figures.gauges.push(("vault.core.in_flight_requests", flying, Labels::new()));
}

fn standing(figures: &mut Figures, unsealed: &Unsealed) {
    let cluster = || vec![("cluster", unsealed.identity.name.clone())];
    let flag = |is: bool| if is { 1.0 } else { 0.0 };
    let role = unsealed.role();
    let secondary = matches!(role, Role::Secondary { .. });
    figures.gauges.extend([
        ("vault.core.unsealed", 1.0, cluster()),
        ("vault.core.active", 1.0, cluster()),
        ("vault.core.performance_standby", 0.0, cluster()),
        ("vault.core.replication.performance.primary", flag(role == Role::Primary), cluster()),
        ("vault.core.replication.performance.secondary", flag(secondary), cluster()),
        ("vault.core.replication.dr.primary", 0.0, cluster()),
        ("vault.core.replication.dr.secondary", 0.0, cluster()),
    ]);
}

fn mounts(figures: &mut Figures, unsealed: &Unsealed) -> ApiResult<()> {
    let mut session = unsealed.session();
    for (key, kind, local) in
        [(MOUNTS_KEY, "logical", false), (LOCAL_KEY, "logical", true), (AUTH_KEY, "auth", false)]
    {
        let labels = vec![("type", kind.to_owned()), ("local", local.to_string())];
        let n = count_f64(entries(&mut session, key)?.len() as u64);
        figures.gauges.push(("vault.core.mount_table.num_entries", n, labels));
    }
    Ok(())
}

fn audit(figures: &mut Figures, unsealed: &Unsealed) {
    let all = unsealed.audit.counted();
    // One name after the other, as the format for Prometheus asks for it.
    let counters = &mut figures.counters;
    let mut add = |name, of: fn(&Counted) -> u64| {
        counters.extend(all.iter().map(|c| (name, of(c), vec![("device", c.device.clone())])));
    };
    add("strongroom.audit.records", |c| c.records);
    add("strongroom.audit.bytes", |c| c.bytes);
    add("strongroom.audit.batches", |c| c.batches);
    add("strongroom.audit.syncs", |c| if c.durable { c.batches } else { 0 });
}

/// What the operating system knows of this process.
fn process(figures: &mut Figures) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    if let Some(kib) = field("VmRSS:") {
        figures.gauges.push(("vault.runtime.sys_bytes", count_f64(kib * 1024), Labels::new()));
    }
    if let Some(threads) = field("Threads:") {
        figures.gauges.push(("strongroom.process.threads", count_f64(threads), Labels::new()));
    }
}
