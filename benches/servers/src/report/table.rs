//! The table, in Markdown.

use std::fmt::Write as _;

use super::{Bar, Judged, Line, Report, Series};
use crate::servers::{Audit, Kind};
use crate::stat::Summary;

/// The whole table, with a line above it that says what was run where.
pub fn markdown(report: &Report) -> String {
    let mut text = format!(
        "{}; {} slices of {} ms each, in turns. Medians, smallest and largest in brackets; CPU is \
         the server's for a request, or for an item of a batch.\n\n",
        report.machine, report.rounds, report.slice_ms
    );
    // Writing to a string does not fail.
    if !report.idle.is_empty() {
        text.push_str("| at rest | memory, MB | start to unsealed, ms |\n|---|---|---|\n");
        for idle in &report.idle {
            let memory = short(idle.memory.median / 1e6);
            let _ = writeln!(
                text,
                "| {} | {memory} | {} |",
                name(idle.kind),
                spread(Some(idle.start_ms), 1.0)
            );
        }
        text.push('\n');
    }
    if !report.lines.is_empty() {
        text.push_str(
            "| work | audit | TLS | connections | CPU, us | `bao` | hyper, a request | a request over \
             hyper's | `bao` over ours | \
             requests/s | `bao` | p50, p99, us | `bao` | of that without audit | a sync: records, \
             bytes | bars |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
    }
    for line in &report.lines {
        row(&mut text, line);
    }
    text
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Strongroom => "Strongroom",
        Kind::Bao => "`bao`",
        Kind::Bare => "hyper",
    }
}

fn row(text: &mut String, line: &Line) {
    let items = line.items as f64;
    let cpu = |s: Option<&Series>, items| spread(s.and_then(|s| s.of(|s| s.cpu_us)), items);
    let rate = |s: Option<&Series>| median(s.and_then(|s| s.of(|s| s.per_second)));
    let latency = |s: Option<&Series>| {
        s.map_or("–".to_owned(), |s| {
            format!("{}, {}", median(s.of(|s| s.p50_us)), median(s.of(|s| s.p99_us)))
        })
    };
    let (ours, bao, bare) = (Some(&line.ours), line.bao.as_ref(), line.bare.as_ref());
    let load = bare.and_then(|bare| line.ours.over(bare, |s| s.cpu_us));
    let times = bao.and_then(|bao| bao.over(&line.ours, |s| s.cpu_us));
    let part = line.without.as_ref().and_then(|w| line.ours.over(w, |s| s.per_second));
    let audit = match line.ours.audit {
        Audit::Off => "off",
        Audit::File => "file",
        Audit::Durable => "durable (`bao`: file)",
    };
    let cells = [
        line.work.clone(),
        audit.to_owned(),
        if line.tls { "on" } else { "off" }.to_owned(),
        line.connections.to_string(),
        cpu(ours, items),
        cpu(bao, items),
        cpu(bare, 1.0),
        spread(load, 1.0),
        spread(times, 1.0),
        rate(ours),
        rate(bao),
        latency(ours),
        latency(bao),
        spread(part, 1.0),
        syncs(&line.ours),
        bars(line),
    ];
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn syncs(series: &Series) -> String {
    let [records, bytes, syncs] = series.audited;
    if syncs == 0.0 {
        return "–".to_owned();
    }
    format!("{}, {}", short(records / syncs), short(bytes / syncs))
}

fn bars(line: &Line) -> String {
    let words: Vec<String> = line.bars.iter().map(bar).collect();
    words.join("; ")
}

fn bar(judged: &Judged) -> String {
    let what = match judged.bar {
        Bar::CpuUs(most) => format!("CPU ≤ {} us", short(most)),
        Bar::OfBare(most) => format!("CPU ≤ {} × hyper", short(most)),
        Bar::UnderBao(least) => format!("`bao` ≥ {} × our CPU", short(least)),
        Bar::Times(least) => format!("requests ≥ {} × `bao`", short(least)),
        Bar::Part(least) => format!("≥ {} of that without audit", short(least)),
    };
    let found = judged.found.map(short).unwrap_or_default();
    match judged.reached {
        Some(true) => format!("{what}: {found}, reached"),
        Some(false) => format!("{what}: {found}, **missed**"),
        None => what,
    }
}

fn median(summary: Option<Summary>) -> String {
    summary.map_or("–".to_owned(), |s| short(s.median))
}

/// Divided by `by`.
fn spread(summary: Option<Summary>, by: f64) -> String {
    summary.map_or("–".to_owned(), |s| {
        format!("{} ({}..{})", short(s.median / by), short(s.min / by), short(s.max / by))
    })
}

/// Three digits, and a letter for thousands.
fn short(value: f64) -> String {
    let (scaled, letter) = if value >= 9_995.0 { (value / 1e3, " K") } else { (value, "") };
    let decimals = match scaled {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$}{letter}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short() {
        for (value, text) in
            [(0.823, "0.82"), (18.04, "18.0"), (305.2, "305"), (23_876.0, "23.9 K")]
        {
            assert_eq!(short(value), text);
        }
    }
}
