//! `sys/metrics` and `sys/in-flight-req`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::audit::Counted;
use crate::cluster::{Cluster, Unsealed};
use crate::engine::stamp::Stamp;
use crate::handler::{SysCall, SysFuture, SysRoute};
use crate::logical::{ApiError, ApiResult, Field, Method, Operation, Response};
use crate::mount::{AUTH_KEY, LOCAL_KEY, MOUNTS_KEY, entries};
use crate::replication::Role;
use crate::telemetry::Timed;

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

/// A figure's labels.
type Labels = Vec<(&'static str, String)>;

/// Figures by kind, with Vault's names.
#[derive(Default)]
struct Figures {
    gauges: Vec<(&'static str, f64, Labels)>,
    counters: Vec<(&'static str, u64, Labels)>,
    timers: Vec<(String, Timed)>,
}

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
    store(&mut figures, &unsealed);
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

fn store(figures: &mut Figures, unsealed: &Unsealed) {
    let stats = unsealed.store.stats();
    let position = count_f64(unsealed.store.position().0);
    let term = vec![("term", unsealed.barrier.keyring().active_term().to_string())];
    let none = Labels::new;
    figures.gauges.extend([
        ("vault.replication.wal.last_wal", position, none()),
        ("vault.replication.wal.last_performance_wal", position, none()),
        ("vault.replication.merkle.commit_index", position, none()),
        ("strongroom.store.keys", count_f64(stats.keys), none()),
        ("strongroom.store.live_bytes", count_f64(stats.live_bytes), none()),
        ("strongroom.store.healthy", f64::from(u8::from(unsealed.store.health().is_ok())), none()),
    ]);
    figures.counters.extend([
        ("vault.barrier.estimated_encryptions", unsealed.barrier.seals(), term),
        ("vault.wal.persistWALs", stats.frames, none()),
        ("vault.wal.gc.deleted", stats.recycled_segments, none()),
        ("vault.merkle.saveCheckpoint", stats.checkpoints, none()),
        ("strongroom.store.commits", stats.commits, none()),
        ("strongroom.store.conflicts", stats.conflicts, none()),
        ("strongroom.store.pages_unreadable", stats.pages_unreadable, none()),
        ("strongroom.wal.bytes", stats.log_bytes, none()),
    ]);
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

/// Figures are shown as floating-point numbers; those beyond 2^53 lose their last digits.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn count_f64(n: u64) -> f64 {
    n as f64
}

impl Figures {
    fn json(&self, now: Stamp) -> Value {
        let labels =
            |l: &Labels| l.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect::<Map<_, _>>();
        let gauges: Vec<Value> = self
            .gauges
            .iter()
            .map(|(name, value, l)| json!({ "Name": name, "Value": value, "Labels": labels(l) }))
            .collect();
        let counters: Vec<Value> = self
            .counters
            .iter()
            .map(|(name, n, l)| json!({ "Name": name, "Count": n, "Sum": n, "Labels": labels(l) }))
            .collect();
        let samples: Vec<Value> = self
            .timers
            .iter()
            .map(|(name, timed)| {
                let sum = timed.sum.as_secs_f64() * 1e3;
                let mean = if timed.count == 0 { 0.0 } else { sum / count_f64(timed.count) };
                json!({
                    "Name": name,
                    "Count": timed.count,
                    "Sum": sum,
                    "Max": timed.max.as_secs_f64() * 1e3,
                    "Mean": mean,
                    "Labels": {},
                })
            })
            .collect();
        json!({
            "Timestamp": now.rfc3339(),
            "Gauges": gauges,
            "Points": [],
            "Counters": counters,
            "Samples": samples,
        })
    }

    /// Times are in milliseconds, as Vault's are.
    fn prometheus(&self) -> String {
        let mut text = String::with_capacity(8192);
        let mut last = String::new();
        let mut head = |text: &mut String, name: &str, kind: &str| {
            if last != name {
                let _ = writeln!(text, "# HELP {name} {name}\n# TYPE {name} {kind}");
                name.clone_into(&mut last);
            }
        };
        for (name, value, labels) in &self.gauges {
            let name = plain(name);
            head(&mut text, &name, "gauge");
            let _ = writeln!(text, "{name}{} {value}", braces(labels));
        }
        for (name, n, labels) in &self.counters {
            let name = plain(name);
            head(&mut text, &name, "counter");
            let _ = writeln!(text, "{name}{} {n}", braces(labels));
        }
        for (name, timed) in &self.timers {
            let name = plain(name);
            head(&mut text, &name, "summary");
            let sum = timed.sum.as_secs_f64() * 1e3;
            let _ = writeln!(text, "{name}_sum {sum}\n{name}_count {}", timed.count);
        }
        text
    }
}

/// `vault.core.unsealed` as `vault_core_unsealed`.
fn plain(name: &str) -> String {
    name.replace(['.', '-'], "_")
}

fn braces(labels: &Labels) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escape = |v: &str| v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let all: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
    format!("{{{}}}", all.join(","))
}
