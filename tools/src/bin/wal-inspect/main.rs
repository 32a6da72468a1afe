//! `wal-inspect`: shows the log of a store and says where it is damaged.
//!
//! Read-only: it takes no lock and changes nothing, so it may run beside a live server. Exit code
//! 0: the log is sound. 1: it is damaged, or ends in an unfinished write. 2: it cannot be read.

mod json;
mod records;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use strongroom_storage::log_hint;
use strongroom_tools::folder;
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::inspect::{Finding, FindingKind, Inspector, Passed, SegmentFile, Summary};
use strongroom_wal::{Frame, LogError, Lsn, OpenHint};

/// Tries against a live server that recycles segments while they are listed.
const TRIES_MAX: usize = 3;

/// Shows the log of a store: segments, frames, records, and where it is damaged.
#[derive(Parser)]
#[command(name = "wal-inspect", version)]
struct Args {
    /// Data folder of a server, or store folder.
    folder: PathBuf,
    /// Show the records of each frame too.
    #[arg(long)]
    records: bool,
    /// Show only frames at or after this LSN.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Show only frames before this LSN.
    #[arg(long, default_value_t = u64::MAX)]
    to: u64,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Receives what is found, in this order: one head, frames and findings as they stand in the log,
/// one end.
trait Output {
    fn head(&mut self, head: &Head) -> io::Result<()>;
    fn frame(&mut self, frame: &Frame, segment_size: u64) -> io::Result<()>;
    fn finding(&mut self, finding: &Finding) -> io::Result<()>;
    fn end(&mut self, summary: &Summary, clean: bool) -> io::Result<()>;
}

/// What is known before the frames are read.
struct Head {
    log_id: [u8; 16],
    segment_size: u64,
    spares: usize,
    segments: Vec<SegmentFile>,
}

/// Why the log could not be shown.
#[derive(Debug)]
enum Failure {
    /// The log cannot be read.
    Read(LogError),
    /// Nobody reads what we write.
    Output(io::Error),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let out = BufWriter::new(io::stdout().lock());
    let shown = match args.format {
        Format::Table => show(&args, &mut table::Table::new(out, args.records)),
        Format::Json => show(&args, &mut json::Json::new(out, args.records)),
    };
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Failure::Output(error)) => fail(&format!("cannot write the answer: {error}"), 2),
        // Nothing could be shown because the damage is at the very front.
        Err(Failure::Read(error @ LogError::Rotten { .. })) => fail(&error.to_string(), 1),
        Err(Failure::Read(error)) => fail(&error.to_string(), 2),
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    // Without a standard error stream there is nobody to tell.
    let _ = writeln!(io::stderr(), "wal-inspect: {message}");
    ExitCode::from(code)
}

/// Shows the log; whether it is sound.
fn show(args: &Args, out: &mut dyn Output) -> Result<bool, Failure> {
    let Opened { inspector, head, hint } = open(args)?;
    out.head(&head).map_err(Failure::Output)?;
    let shown = Lsn(args.from)..Lsn(args.to);
    let mut written = Ok(());
    let looked = inspector.look(hint, &mut |passed| {
        if written.is_err() {
            return;
        }
        written = match passed {
            Passed::Frame(frame) if shown.contains(&frame.start()) => {
                out.frame(frame, head.segment_size)
            }
            Passed::Finding(finding) => out.finding(&finding),
            Passed::Frame(_) | Passed::Segment(_) => Ok(()),
        };
    });
    let summary = looked.map_err(|error| Failure::Read(error.into()))?;
    written.map_err(Failure::Output)?;
    let clean = !summary.findings.iter().any(|finding| finding.kind.is_damage());
    out.end(&summary, clean).map_err(Failure::Output)?;
    Ok(clean)
}

struct Opened {
    inspector: Inspector,
    head: Head,
    hint: OpenHint,
}

/// Opens the log and lists its segments. A live server may recycle a segment in between.
fn open(args: &Args) -> Result<Opened, Failure> {
    let read = |error: io::Error| Failure::Read(error.into());
    let folder = folder::store_folder(&args.folder).map_err(read)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let disk: Arc<dyn Disk> = Arc::new(SysDisk::open_existing(&folder).map_err(read)?);
        // Before the listing: what the store needs from here on was there when it said so.
        let hint = hint(&disk);
        let inspector = Inspector::open(disk).map_err(Failure::Read)?;
        match inspector.segments() {
            Ok(segments) => {
                let (log_id, segment_size) = (inspector.log_id(), inspector.segment_size());
                let head = Head { log_id, segment_size, spares: inspector.spares(), segments };
                return Ok(Opened { inspector, head, hint });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES_MAX => {}
            Err(error) => return Err(read(error)),
        }
    }
}

/// What the store says that it needs of the log. A log without its store is shown too.
fn hint(disk: &Arc<dyn Disk>) -> OpenHint {
    let hint = log_hint(disk).unwrap_or_else(|error| {
        let mut err = io::stderr();
        // Without a standard error stream there is nobody to tell.
        let _ = writeln!(err, "wal-inspect: {error}; it is not known what the store needs");
        None
    });
    hint.unwrap_or_default()
}

/// What a finding means, for people.
fn explain(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Recycled => "segments were recycled here (no damage)",
        FindingKind::Torn => "unfinished write, never acknowledged; opening the store drops it",
        FindingKind::Rotten => {
            "acknowledged data is damaged; restore the file from a replica or a backup"
        }
        FindingKind::Missing => "a segment is missing; restore it from a replica or a backup",
        FindingKind::Foreign => "segment of another log; move it away",
        FindingKind::Newer => "written by a newer version; use that version",
    }
}

/// One word for a finding.
fn word(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Recycled => "recycled",
        FindingKind::Torn => "torn",
        FindingKind::Rotten => "rotten",
        FindingKind::Missing => "missing",
        FindingKind::Foreign => "foreign",
        FindingKind::Newer => "newer",
    }
}
