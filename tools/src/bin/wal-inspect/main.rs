//! `wal-inspect`: shows the log of a store and says where it is damaged.
//!
//! Read-only: it takes no lock and changes nothing, so it may run beside a live server, and follow
//! what that writes. Exit code 0: the log is sound. 1: it is damaged, or ends in an unfinished
//! write. 2: it cannot be read, or the arguments make no sense. Who reads only the beginning of what
//! is told gets the code of the whole log all the same; but who follows a log and is gone ends that.
//! Long work shows a bar when standard error is a terminal and what is told goes elsewhere.

mod json;
mod output;
mod passing;
mod reader;
mod records;
mod select;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use strongroom_storage::{StoreLog, store_log};
use strongroom_tools::folder;
use strongroom_tools::format::Format;
use strongroom_wal::disk::Disk;
use strongroom_wal::inspect::{FindingKind, Inspector, Passed, Summary};
use strongroom_wal::{LogError, Lsn, OpenHint};

use output::{Head, Output};
use passing::Passing;
use reader::{Gone, WhileRead, wait_while_read};
use select::{Picked, Selection};

/// Between two looks for what is new.
const POLL: Duration = Duration::from_millis(100);

/// Tries against a live server that recycles segments while they are listed.
const TRIES_MAX: usize = 3;

/// Shows the log of a store: segments, frames, records, and where it is damaged.
#[derive(Parser)]
#[command(name = "wal-inspect", version)]
struct Args {
    /// Data folder of a server, or store folder.
    folder: PathBuf,
    #[command(flatten)]
    selection: Selection,
    /// Go on with what a live server writes, until interrupted. JSON is one object a line then.
    #[arg(long)]
    follow: bool,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Why the log could not be shown.
#[derive(Debug)]
enum Failure {
    /// The log cannot be read.
    Read(LogError),
    /// The folder holds none.
    NoLog(PathBuf),
    /// Nor does this one, though its store needs it.
    Gone(PathBuf),
    /// What was found cannot be written.
    Output(io::Error),
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(why) = args.selection.check() {
        Args::command().error(ErrorKind::ValueValidation, why).exit();
    }
    let gone = Gone::default();
    let out = BufWriter::new(WhileRead::new(io::stdout().lock(), &gone));
    let shown = match args.format {
        Format::Table => show(&args, &gone, &mut table::Table::new(out)),
        Format::Json if args.follow => show(&args, &gone, &mut json::Lines::new(out)),
        Format::Json => show(&args, &gone, &mut json::Json::new(out)),
    };
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure::Output(error)) => fail(&format!("cannot write the answer: {error}"), 2),
        // Nothing could be shown because the damage is at the very front.
        Err(Failure::Read(error @ LogError::Rotten { .. })) => fail(&error.to_string(), 1),
        Err(Failure::Read(error)) => fail(&error.to_string(), 2),
        Err(Failure::NoLog(folder)) => fail(&format!("{}: it holds no log", folder.display()), 2),
        Err(Failure::Gone(folder)) => {
            let folder = folder.display();
            fail(&format!("{folder}: all of the store's log is missing; restore the store"), 1)
        }
    }
}

fn fail(message: &str, code: u8) -> ExitCode {
    // Without a standard error stream there is nobody to tell.
    let _ = writeln!(io::stderr(), "wal-inspect: {message}");
    ExitCode::from(code)
}

/// Shows the log; whether it is sound.
fn show(args: &Args, gone: &Gone, out: &mut dyn Output) -> Result<bool, Failure> {
    let opened = open(args)?;
    out.head(&opened.head).map_err(Failure::Output)?;
    let mut summary = pass(args, &opened, None, out)?;
    while args.follow && is_sound_so_far(&summary) {
        out.flush().map_err(Failure::Output)?;
        wait_while_read(io::stdout(), POLL, gone);
        if gone.get() {
            return Ok(true);
        }
        // Listed anew: there may be new segments.
        summary = pass(args, &open(args)?, Some(summary.end), out)?;
    }
    let clean = !summary.findings.iter().any(|finding| finding.kind.is_damage());
    out.end(&summary, clean).map_err(Failure::Output)?;
    Ok(clean)
}

/// Beside a live writer an unfinished write at the end is one that is under way.
fn is_sound_so_far(summary: &Summary) -> bool {
    summary.findings.iter().all(|finding| is_harmless(finding.kind))
}

fn is_harmless(kind: FindingKind) -> bool {
    matches!(kind, FindingKind::Torn | FindingKind::Recycled)
}

/// Shows what there is now, from a position on if there is one.
fn pass(
    args: &Args,
    opened: &Opened,
    from: Option<Lsn>,
    out: &mut dyn Output,
) -> Result<Summary, Failure> {
    let Opened { inspector, head, hint } = opened;
    let mut written = Ok(());
    let mut passing = Passing::new(head, args.follow);
    let mut visit = |passed: Passed<'_>| {
        passing.see(&passed);
        if written.is_err() {
            return;
        }
        written = match passed {
            Passed::Frame(frame) => match args.selection.pick(frame) {
                Picked::Nothing => Ok(()),
                Picked::Frame => out.frame(frame, head.segment_size, None),
                Picked::Records(records) => out.frame(frame, head.segment_size, Some(&records)),
            },
            // It would be told again with every look. What was recycled is passed once, and is a gap in
            // what is followed.
            Passed::Finding(finding) if args.follow && finding.kind == FindingKind::Torn => Ok(()),
            Passed::Finding(finding) => out.finding(&finding),
            Passed::Segment(_) => Ok(()),
        };
    };
    let looked = match from {
        Some(from) => inspector.look_from(from, *hint, &mut visit),
        None => inspector.look(*hint, &mut visit),
    };
    let summary = looked.map_err(|error| Failure::Read(error.into()))?;
    written.map_err(Failure::Output)?;
    Ok(summary)
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
        let disk = folder::open(&folder).map_err(read)?;
        // Before the listing: what the store needs from here on was there when it said so.
        let known = known(&disk);
        let opened = match &known {
            Some(log) => Inspector::open_known(disk, log.id, log.segment_size),
            None => Inspector::open(disk),
        };
        let inspector = opened.map_err(|error| match error {
            LogError::NotFound if known.is_some() => Failure::Gone(folder.clone()),
            LogError::NotFound => Failure::NoLog(folder.clone()),
            error => Failure::Read(error),
        })?;
        match inspector.segments() {
            Ok(segments) => {
                let (log_id, segment_size) = (inspector.log_id(), inspector.segment_size());
                let head = Head { log_id, segment_size, spares: inspector.spares(), segments };
                let hint = known.map(|log| log.hint).unwrap_or_default();
                return Ok(Opened { inspector, head, hint });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES_MAX => {}
            Err(error) => return Err(read(error)),
        }
    }
}

/// What the store says of its log. A log without its store is shown too.
fn known(disk: &Arc<dyn Disk>) -> Option<StoreLog> {
    store_log(disk).unwrap_or_else(|error| {
        let mut err = io::stderr();
        // Without a standard error stream there is nobody to tell.
        let _ = writeln!(err, "wal-inspect: {error}; it is not known what the store needs");
        None
    })
}
