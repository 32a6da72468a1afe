//! The table, in Markdown.

use std::fmt::Write as _;

use super::{Bar, Line, Report};
use crate::harness::sample::Figure;
use crate::harness::stat::Summary;

/// The whole table, with a line above it that says what was run where.
pub fn markdown(report: &Report) -> String {
    let mut text = format!(
        "{}; {} pairs of slices of {} ms; \"all keys\" are {}. Medians, quartiles in brackets; \
         ratios are ours over theirs, with all pairs between smallest and largest.\n\n",
        report.machine, report.pairs, report.slice_ms, report.keys
    );
    text.push_str("| row | work | Strongroom | beside | theirs | ratio | bar | n |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    for line in &report.found.lines {
        row(&mut text, line);
    }
    text
}

fn row(text: &mut String, line: &Line) {
    let unit = line.figure.unit();
    let beside = match (&line.against, line.best) {
        (Some(name), true) => format!("**{name}**"),
        (Some(name), false) => name.clone(),
        (None, _) => "–".to_owned(),
    };
    let theirs = line.theirs.map_or("–".to_owned(), |theirs| figure(theirs, line.figure));
    let ratio = line.ratio.map_or("–".to_owned(), |ratio| {
        let (median, min, max) = (short(ratio.median), short(ratio.min), short(ratio.max));
        if ratio.n > 1 { format!("{median} ({min}..{max})") } else { median }
    });
    let bar = match (line.bar, line.reached()) {
        (Some(bar), Some(true)) => format!("{}: reached", words(bar)),
        (Some(bar), _) => format!("{}: **missed**", words(bar)),
        (None, _) => String::new(),
    };
    let (row, work, ours) = (line.row, &line.work, figure(line.ours, line.figure));
    let n = line.ours.n;
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "| {row} | {work} | {ours} {unit} | {beside} | {theirs} | {ratio} | {bar} | {n} |"
    );
}

fn words(bar: Bar) -> String {
    match bar {
        Bar::RatioAtLeast(bar) => format!("ratio ≥ {bar}"),
        Bar::RatioAtMost(bar) => format!("ratio ≤ {bar}"),
        Bar::AtLeast(bar) => format!("≥ {}", short(bar)),
        Bar::AtMost(bar) => format!("≤ {}", short(bar)),
    }
}

fn figure(summary: Summary, figure: Figure) -> String {
    let (median, q1, q3) = (short(summary.median), short(summary.q1), short(summary.q3));
    if summary.n == 1 || figure == Figure::Trips {
        median
    } else {
        format!("{median} ({q1}..{q3})")
    }
}

/// Three digits, and a letter for thousands or millions.
pub fn short(value: f64) -> String {
    let (scaled, letter) = match value.abs() {
        v if v >= 999_500.0 => (value / 1e6, " M"),
        v if v >= 9_995.0 => (value / 1e3, " K"),
        _ => (value, ""),
    };
    let decimals = match scaled.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let digits = format!("{scaled:.decimals$}");
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        &digits
    };
    format!("{digits}{letter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.123, "0.12"),
            (2.0, "2"),
            (12.34, "12.3"),
            (307.4, "307"),
            (9_225.0, "9225"),
            (23_876.0, "23.9 K"),
            (999_600.0, "1 M"),
            (3_700_000.0, "3.7 M"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
