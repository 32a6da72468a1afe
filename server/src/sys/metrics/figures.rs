//! Figures by kind, in JSON and for Prometheus.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::engine::stamp::Stamp;
use crate::telemetry::Timed;

/// A figure's labels.
pub(super) type Labels = Vec<(&'static str, String)>;

/// Figures by kind, with Vault's names. Those of one name stand together: the form for Prometheus
/// tells of each name once.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) gauges: Vec<(&'static str, f64, Labels)>,
    pub(super) counters: Vec<(&'static str, u64, Labels)>,
    pub(super) timers: Vec<(String, Timed)>,
}

/// Figures are shown as floating-point numbers; those beyond 2^53 lose their last digits.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) fn count_f64(n: u64) -> f64 {
    n as f64
}

impl Figures {
    pub(super) fn json(&self, now: Stamp) -> Value {
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
    pub(super) fn prometheus(&self) -> String {
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
