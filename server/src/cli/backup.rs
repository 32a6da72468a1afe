//! `operator backup` and `operator restore`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use strongroom_storage::{BackupFile, BackupReport, verify_backup};

use super::error::CliError;
use super::session::Session;
use crate::cluster;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to write; it gets its name once it is complete and was verified
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    /// The data folder, of which no server may be running
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Put the backup in the place of the store that is there
    #[arg(long)]
    replace: bool,
}

/// Takes a backup of a running server.
pub(super) fn back_up(args: &BackupArgs, session: &Session) -> Result<(), CliError> {
    let file = BackupFile::create(&args.file)?;
    let report = fetch(&file, session)?;
    file.publish()?;
    session.out.done(&told(&report, &format!("were backed up to {}", args.file.display())))
}

fn fetch(file: &BackupFile, session: &Session) -> Result<BackupReport, CliError> {
    let part = file.part();
    let mut out = BufWriter::new(file.file());
    session.client.download("sys/storage/strongroom/backup", &mut out)?;
    out.flush().map_err(file_error(part))?;
    let mut input = BufReader::new(File::open(part).map_err(file_error(part))?);
    verify_backup(&mut input)
        .map_err(|e| CliError::Start(format!("the backup that came is not sound: {e}")))
}

/// Makes a data folder from a backup.
pub(super) fn restore(args: &RestoreArgs, session: &Session) -> Result<(), CliError> {
    let mut input = BufReader::new(File::open(&args.file).map_err(file_error(&args.file))?);
    let report = cluster::restore(&mut input, &args.data, args.replace)
        .map_err(|e| CliError::Start(format!("nothing was restored: {e}")))?;
    session.out.done(&told(&report, &format!("were restored to {}", args.data.display())))
}

fn told(report: &BackupReport, done: &str) -> String {
    format!(
        "Success! {} entries at position {} with the root {} {done}.",
        report.entries(),
        report.position,
        report.root
    )
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> CliError {
    let path = path.to_owned();
    move |source| CliError::File { path, source }
}
