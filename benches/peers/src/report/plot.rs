//! Throughput and latency over writers, as an SVG picture of three panels with logarithmic axes.

use std::fmt::Write as _;

use super::{Report, Work};
use crate::harness::sample::Figure;
use crate::harness::stat::Summary;
use crate::report::table::short;

const PANELS: [(&str, Figure); 3] = [
    ("commits/s", Figure::KeysPerSecond),
    ("p50 latency, us", Figure::P50Us),
    ("p99 latency, us", Figure::P99Us),
];
/// Sizes in pixels.
const PANEL_WIDTH: f64 = 380.0;
const PANEL_HEIGHT: f64 = 330.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 64.0;
const GAP: f64 = 74.0;
const LEGEND_LINE: f64 = 20.0;
const LEGEND_COLUMNS: usize = 4;
/// Ours are the first two; the others are paler.
const COLOURS: [&str; 10] = [
    "#c2185b", "#7b1fa2", "#1565c0", "#2e7d32", "#81a94c", "#ef6c00", "#6d4c41", "#546e7a",
    "#90a4ae", "#00838f",
];

/// A line of a panel.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// The picture, if writers were varied.
pub fn svg(report: &Report) -> Option<String> {
    let works: Vec<&Work> = report.found.works.iter().filter(|w| w.writers.is_some()).collect();
    let names: Vec<String> = works.first()?.series.iter().map(|s| s.name.clone()).collect();
    let legend = names.len().div_ceil(LEGEND_COLUMNS) as f64 * LEGEND_LINE;
    let width = LEFT + 3.0 * PANEL_WIDTH + 2.0 * GAP + 24.0;
    let height = TOP + PANEL_HEIGHT + 62.0 + legend;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let title = "Durable commits of one record (64 B key, 256 B value), over writers";
    text(
        &mut out,
        (width / 2.0, 24.0),
        "middle",
        &format!("{title}; median of {} slices", report.pairs),
        15,
    );
    for (at, (label, figure)) in PANELS.iter().enumerate() {
        let left = LEFT + at as f64 * (PANEL_WIDTH + GAP);
        let curves: Vec<Curve> = names.iter().map(|name| curve(&works, name, *figure)).collect();
        panel(&mut out, left, label, &curves);
    }
    for (at, name) in names.iter().enumerate() {
        let x = LEFT + (at % LEGEND_COLUMNS) as f64 * (width - LEFT) / LEGEND_COLUMNS as f64;
        let y = TOP + PANEL_HEIGHT + 62.0 + (at / LEGEND_COLUMNS) as f64 * LEGEND_LINE;
        let colour = COLOURS[at % COLOURS.len()];
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"22\" height=\"4\" fill=\"{colour}\"/>",
            y - 6.0
        );
        text(&mut out, (x + 28.0, y), "start", name, 12);
    }
    out.push_str("</svg>\n");
    Some(out)
}

fn curve(works: &[&Work], name: &str, figure: Figure) -> Curve {
    let point = |work: &&Work| {
        let series = work.series.iter().find(|series| series.name == name)?;
        let median = Summary::of(&series.of(figure))?.median;
        Some((work.writers? as f64, median))
    };
    Curve { name: name.to_owned(), points: works.iter().filter_map(point).collect() }
}

fn panel(out: &mut String, left: f64, label: &str, curves: &[Curve]) {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, 0.0f64), |(min, max), v| (min.min(v), max.max(v)))
    };
    let ((x_min, x_max), (y_min, y_max)) = (bounds(|p| p.0), bounds(|p| p.1));
    // Whole powers of ten, widened to at least one.
    let low = y_min.max(1e-3).log10().floor();
    let high = y_max.max(1e-3).log10().ceil().max(low + 1.0);
    let bottom = TOP + PANEL_HEIGHT;
    let span = (x_max / x_min).log2().max(1.0);
    let x_of = |x: f64| left + (x / x_min).log2() / span * PANEL_WIDTH;
    let y_of = |y: f64| bottom - (y.max(1e-3).log10() - low) / (high - low) * PANEL_HEIGHT;
    text(out, (left + PANEL_WIDTH / 2.0, TOP - 12.0), "middle", label, 13);
    let mut power = low;
    while power <= high {
        let y = y_of(10f64.powf(power));
        rule(out, (left, y), (left + PANEL_WIDTH, y));
        text(out, (left - 6.0, y + 4.0), "end", &short(10f64.powf(power)), 11);
        power += 1.0;
    }
    let mut xs: Vec<f64> = points().map(|p| p.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    for x in xs {
        rule(out, (x_of(x), TOP), (x_of(x), bottom));
        text(out, (x_of(x), bottom + 16.0), "middle", &short(x), 11);
    }
    text(out, (left + PANEL_WIDTH / 2.0, bottom + 34.0), "middle", "writers", 12);
    // Ours last, so that they lie on top.
    for (at, curve) in curves.iter().enumerate().rev() {
        draw(
            out,
            curve,
            COLOURS[at % COLOURS.len()],
            if at < 2 { 2.6 } else { 1.5 },
            (&x_of, &y_of),
        );
    }
}

type Scale<'a> = &'a dyn Fn(f64) -> f64;

fn draw(
    out: &mut String,
    curve: &Curve,
    colour: &str,
    width: f64,
    (x_of, y_of): (Scale<'_>, Scale<'_>),
) {
    let mut path = String::new();
    for (x, y) in &curve.points {
        let _ = write!(path, "{:.1},{:.1} ", x_of(*x), y_of(*y));
    }
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"><title>{}</title></polyline>",
        path.trim_end(),
        curve.name
    );
    for (x, y) in &curve.points {
        let (x, y) = (x_of(*x), y_of(*y));
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{width:.1}\" fill=\"{colour}\"/>"
        );
    }
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>"
    );
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, words: &str, size: u32) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{words}</text>"
    );
}
