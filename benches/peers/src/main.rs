//! The command: runs rows, prints one Markdown table, and leaves it, all samples as JSON and an SVG
//! plot in a folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use strongroom_peers::child;
use strongroom_peers::report::{Found, Report, plot, table};
use strongroom_peers::rows::{Context, Row, Settings};

/// As in the server's binary; the other stores written in Rust have it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The engine beside other stores and the bare device.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    order: Option<Order>,
    /// Only these rows; all but `space` when none is named.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<Row>,
    /// A smoke run: few and short slices, few keys. Its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Interleaved pairs behind every ratio.
    #[arg(long)]
    pairs: Option<usize>,
    /// Length of a slice, milliseconds.
    #[arg(long)]
    slice_ms: Option<u64>,
    /// Keys in the rows over many keys.
    #[arg(long)]
    keys: Option<u64>,
    /// Where the stores are put while they run: on the device to be measured.
    #[arg(long, default_value = "target/peers-data")]
    data: PathBuf,
    /// Where table, JSON and plot are left.
    #[arg(long, default_value = "target/peers-report")]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// All rows but `space`; the same as nothing.
    All,
    /// A part of a row, in a process of its own.
    #[command(hide = true)]
    Child {
        #[command(subcommand)]
        order: child::Order,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match &cli.order {
        Some(Order::Child { order }) => child::run(order),
        Some(Order::All) | None => compare(&cli),
    }
}

fn compare(cli: &Cli) -> Result<()> {
    let settings = settings(cli);
    fs::create_dir_all(&cli.data).context("the folder for the stores")?;
    fs::create_dir_all(&cli.out).context("the folder for the report")?;
    let mut report = Report {
        machine: machine(),
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        began: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        pairs: settings.pairs,
        slice_ms: settings.slice.as_millis(),
        keys: settings.keys,
        found: Found::default(),
    };
    let rows = if cli.rows.is_empty() { Row::usual() } else { cli.rows.clone() };
    let mut context = Context::new(settings, &cli.data)?;
    for row in rows {
        let began = Instant::now();
        eprint!("{row:?} ... ");
        let found = row.run(&mut context).with_context(|| format!("row {row:?}"))?;
        eprintln!("{:.0} s", began.elapsed().as_secs_f64());
        report.found.lines.extend(found.lines);
        report.found.works.extend(found.works);
        // A long run that ends early leaves what it has.
        leave(&report, &cli.out)?;
    }
    print!("{}", table::markdown(&report));
    eprintln!("table.md, report.json, writers.svg: {}", cli.out.display());
    Ok(())
}

fn settings(cli: &Cli) -> Settings {
    let (pairs, slice, keys, space, wait) =
        if cli.quick { (3, 30, 20_000, 20_000, 2) } else { (15, 200, 1_000_000, 3_200_000, 60) };
    Settings {
        pairs: cli.pairs.unwrap_or(pairs),
        slice: Duration::from_millis(cli.slice_ms.unwrap_or(slice)),
        keys: cli.keys.unwrap_or(keys),
        space_keys: cli.keys.unwrap_or(space),
        space_wait: Duration::from_secs(wait),
    }
}

fn leave(report: &Report, out: &Path) -> Result<()> {
    fs::write(out.join("table.md"), table::markdown(report))?;
    fs::write(out.join("report.json"), serde_json::to_string_pretty(report)?)?;
    if let Some(picture) = plot::svg(report) {
        fs::write(out.join("writers.svg"), picture)?;
    }
    Ok(())
}

/// Processor, cores and kernel, as far as the system tells.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}
