//! `merkle-verify`: recomputes the Merkle trees of a stopped store from its values and compares.
//!
//! Reads the checkpoint's pages and the log as a restart would, without changing anything, and
//! holds the outcome against the roots that the log promises. Then reads every value, recomputes
//! key hashes, leaf digests, trees and roots, and lists what differs. Exit code 0: all is the same.
//! 1: something differs or is damaged. 2: there is nothing that can be read.

mod check;
mod report;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, ValueEnum};
use strongroom_storage::{OpenError, log_hint, look};
use strongroom_tools::folder;
use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{LogError, ReadError};

use report::Report;

/// Recomputes the Merkle trees of a stopped store from its values and lists what differs.
#[derive(Parser)]
#[command(name = "merkle-verify", version)]
struct Args {
    /// Data folder of a server, or store folder.
    folder: PathBuf,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The folder, or the lock on it, cannot be had.
    #[error("{0}")]
    Read(io::Error),
    /// There is a store, but it cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the folder holds no store; name the data folder of a server or its store folder")]
    NoStore,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let report = match verify(&args.folder) {
        Ok(report) => report,
        Err(failure) => {
            // Without a standard error stream there is nobody to tell.
            let _ = writeln!(io::stderr(), "merkle-verify: {failure}");
            return ExitCode::from(2);
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match args.format {
        Format::Table => report.table(&mut out),
        Format::Json => report.json(&mut out),
    };
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "merkle-verify: cannot write the answer: {error}");
            ExitCode::from(2)
        }
        _ => ExitCode::from(u8::from(!report.same())),
    }
}

fn verify(given: &Path) -> Result<Report, Failure> {
    let folder = folder::store_folder(given).map_err(Failure::Read)?;
    let disk: Arc<dyn Disk> = Arc::new(SysDisk::open_existing(&folder).map_err(Failure::Read)?);
    // A damaged master record is damage; none is no store.
    if let Ok(None) = log_hint(&disk) {
        return Err(Failure::NoStore);
    }
    match look(&folder) {
        Ok(look) => Ok(check::check(&look)),
        Err(error) if is_damage(&error) => Ok(Report::damaged(error.to_string())),
        Err(error) => Err(Failure::Open(error)),
    }
}

/// Whether the store is there but is not what it was, rather than out of reach.
fn is_damage(error: &OpenError) -> bool {
    match error {
        OpenError::InUse | OpenError::Io { .. } | OpenError::LogRead(ReadError::Io { .. }) => false,
        OpenError::Log(error) => !matches!(error, LogError::Io { .. } | LogError::Newer { .. }),
        _ => true,
    }
}
