//! `merkle-verify`: recomputes the Merkle trees of a stopped store, or of a backup, from the values
//! and compares.
//!
//! Reads the checkpoint's pages and the log as a restart would, without changing anything, and
//! holds the outcome against the roots that the log promises. Then reads every value, recomputes
//! key hashes, leaf digests, trees and roots, and lists what differs. A folder that a live server
//! holds is refused: what it writes next would look like damage; take a backup and check that.
//!
//! A folder that cannot be locked, as on a disk that cannot be written, is looked at all the same, and
//! that it was not locked is told.
//!
//! A backup is read from one end to the other: checksums, counts and roots. Long work shows a bar
//! when standard error is a terminal.
//!
//! Exit code 0: all is the same. 1: something differs or is damaged. 2: there is nothing that can
//! be read.

mod backup;
mod check;
mod reading;
mod report;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use strongroom_storage::{OpenError, look_at, store_log};
use strongroom_tools::folder;
use strongroom_tools::format::Format;
use strongroom_wal::disk::Disk;
use strongroom_wal::inspect::{Inspector, Passed};
use strongroom_wal::{LogError, OpenHint, ReadError};

use reading::Reading;
use report::Report;

/// Recomputes the Merkle trees of a stopped store, or of a backup, from the values and lists what
/// differs.
#[derive(Parser)]
#[command(name = "merkle-verify", version)]
struct Args {
    /// Data folder of a server, store folder, or backup: a file, or `/dev/stdin`.
    path: PathBuf,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The folder cannot be had.
    #[error("{0}")]
    Read(io::Error),
    /// There is a store, but it cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "the store is in use, and what its server writes next would look like damage: stop it, or take a backup \
         and check that"
    )]
    InUse,
    #[error("there is no store; name a server's data folder, a store folder or a backup file")]
    NoStore,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match verify(&args.path) {
        Ok(outcome) => outcome,
        Err(failure) => {
            // Without a standard error stream there is nobody to tell.
            let _ = writeln!(io::stderr(), "merkle-verify: {failure}");
            return ExitCode::from(2);
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let (written, same) = match (&outcome, args.format) {
        (Outcome::Store(report), Format::Table) => (report.table(&mut out), report.same()),
        (Outcome::Store(report), Format::Json) => (report.json(&mut out), report.same()),
        (Outcome::Backup(backup), Format::Table) => (backup.table(&mut out), backup.is_whole()),
        (Outcome::Backup(backup), Format::Json) => (backup.json(&mut out), backup.is_whole()),
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "merkle-verify: cannot write the answer: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::from(u8::from(!same)),
    }
}

/// What was checked, and what came of it.
enum Outcome {
    Store(Report),
    Backup(backup::Outcome),
}

fn verify(given: &Path) -> Result<Outcome, Failure> {
    // What is not there is told as a folder that is not.
    if given.exists() && !given.is_dir() {
        return backup::check(given).map(Outcome::Backup).map_err(Failure::Read);
    }
    verify_store(given).map(Outcome::Store)
}

fn verify_store(given: &Path) -> Result<Report, Failure> {
    let folder = folder::store_folder(given).map_err(Failure::Read)?;
    let reading = Arc::new(Reading::new(folder::open(&folder).map_err(Failure::Read)?));
    let disk: Arc<dyn Disk> = Arc::clone(&reading) as _;
    // A damaged master record is damage, and so is a log without one; no log either is no store.
    if let Ok(None) = store_log(&disk) {
        return if holds_records(&disk) {
            Ok(Report::damaged("MASTER is missing, though there is a log".to_owned()))
        } else {
            Err(Failure::NoStore)
        };
    }
    let looked = look_at(&disk);
    reading.done();
    match looked {
        Ok(look) => Ok(check::check(&look)),
        Err(OpenError::InUse) => Err(Failure::InUse),
        Err(error) if is_damage(&error) => Ok(Report::damaged(error.to_string())),
        Err(error) => Err(Failure::Open(error)),
    }
}

/// Whether there is a log with something in it.
fn holds_records(disk: &Arc<dyn Disk>) -> bool {
    let Ok(log) = Inspector::open(Arc::clone(disk)) else { return false };
    let mut records = 0;
    let looked = log.look(OpenHint::default(), &mut |passed| {
        if let Passed::Frame(frame) = passed {
            records += frame.header.records;
        }
    });
    looked.is_ok() && records > 0
}

/// Whether the store is there but is not what it was, rather than out of reach.
fn is_damage(error: &OpenError) -> bool {
    match error {
        OpenError::Io { .. } | OpenError::LogRead(ReadError::Io { .. }) => false,
        // A stray file is to be moved away; what is the matter with the rest shows then.
        OpenError::Log(error) => !matches!(
            error,
            LogError::Io { .. } | LogError::Newer { .. } | LogError::Foreign { .. }
        ),
        _ => true,
    }
}
