//! The command: runs rows, prints one Markdown table, and leaves it and all samples as JSON in a
//! folder, anew after each row.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};

use strongroom_load::client::Identity;
use strongroom_load::hello::{self, Hello};
use strongroom_load::report::{Report, table};
use strongroom_load::run::{Row, Run, Settings};
use strongroom_load::servers::{Audit, Grounds};

/// As in our server's binary; the bare one has it too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The server under load, beside `bao` and a bare HTTP server.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    order: Option<Order>,
    /// Only these rows.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Over plain HTTP, TLS, or both in turns of rows.
    #[arg(long, value_delimiter = ',', default_value = "off")]
    tls: Vec<Tls>,
    /// Audit devices of ours; `bao` has its file device beside both kinds of file.
    #[arg(long, value_delimiter = ',', default_value = "off,file,durable")]
    audit: Vec<Audit>,
    /// Without `bao`.
    #[arg(long)]
    alone: bool,
    /// A smoke run: few and short slices. Its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Slices of each server that count.
    #[arg(long)]
    rounds: Option<usize>,
    /// Length of a slice, milliseconds.
    #[arg(long)]
    slice_ms: Option<u64>,
    /// Connections of all rows but the mix.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Connections of the mix.
    #[arg(long, default_value_t = 64)]
    mix_connections: usize,
    /// Our server.
    #[arg(long, default_value = "target/release/strongroom")]
    strongroom: PathBuf,
    /// The other one.
    #[arg(long, default_value = "target/clients/bin/bao")]
    bao: PathBuf,
    /// Where the servers keep their data and logs: on the device to be measured.
    #[arg(long, default_value = "target/load-data")]
    data: PathBuf,
    /// Where table and JSON are left.
    #[arg(long, default_value = "target/load-report")]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// The bare server, in a process of its own.
    #[command(hide = true)]
    Hello(Hello),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tls {
    Off,
    On,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.order {
        Some(Order::Hello(hello)) => hello::run(hello),
        None => measure(&cli),
    }
}

fn measure(cli: &Cli) -> Result<()> {
    let (rounds, slice) = if cli.quick { (2, 100) } else { (10, 1000) };
    let settings = Settings {
        rounds: cli.rounds.unwrap_or(rounds),
        length: Duration::from_millis(cli.slice_ms.unwrap_or(slice)),
        connections: cli.connections,
        mix_connections: cli.mix_connections,
        audits: cli.audit.clone(),
        alone: cli.alone,
    };
    let mut report = Report {
        machine: machine(),
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        began: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        rounds: settings.rounds,
        slice_ms: settings.length.as_millis(),
        idle: Vec::new(),
        lines: Vec::new(),
    };
    fs::create_dir_all(&cli.out).context("the folder for the report")?;
    let mut run = Run::start(settings, grounds(cli)?)?;
    let rows = if cli.rows.is_empty() { Row::ALL.to_vec() } else { cli.rows.clone() };
    for row in rows {
        let began = Instant::now();
        eprint!("{row:?} ... ");
        if row == Row::Idle {
            report.idle = run.idle()?;
            leave(&report, &cli.out)?;
        } else {
            for tls in &cli.tls {
                let lines = run.row(row, *tls == Tls::On).with_context(|| format!("{row:?}"))?;
                report.lines.extend(lines);
                leave(&report, &cli.out)?;
            }
        }
        eprintln!("{:.0} s", began.elapsed().as_secs_f64());
    }
    print!("{}", table::markdown(&report));
    eprintln!("table.md and report.json: {}", cli.out.display());
    Ok(())
}

fn grounds(cli: &Cli) -> Result<Grounds> {
    fs::create_dir_all(&cli.data).context("the folder for the servers")?;
    let of = |path: &Path| path.canonicalize().with_context(|| path.display().to_string());
    ensure!(!cli.audit.is_empty(), "--audit names no device");
    let data = of(&cli.data)?;
    Ok(Grounds {
        strongroom: of(&cli.strongroom)?,
        bao: if cli.alone { cli.bao.clone() } else { of(&cli.bao)? },
        identity: Identity::make(&data)?,
        data,
    })
}

fn leave(report: &Report, out: &Path) -> Result<()> {
    fs::write(out.join("table.md"), table::markdown(report))?;
    fs::write(out.join("report.json"), serde_json::to_string_pretty(report)?)?;
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
