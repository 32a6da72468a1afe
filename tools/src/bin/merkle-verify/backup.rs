//! The check of a backup file: its checksums, and its roots from its values.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use serde_json::{Value, json};
use strongroom_storage::{BackupReport, VerifyError, verify_backup};
use strongroom_tools::folder;
use strongroom_tools::progress::Watched;

use crate::report::{class_word, hex};

/// The outcome: what the backup holds, or why it is refused.
pub(crate) enum Outcome {
    /// It is whole.
    Whole(BackupReport),
    /// It is not; restoring refuses it for the same reason.
    Refused(String),
}

/// Reads a backup from one end to the other: a file, or what a pipe brings.
pub(crate) fn check(path: &Path) -> io::Result<Outcome> {
    let file = File::open(path).map_err(folder::at(path))?;
    let len = file.metadata()?.len();
    match verify_backup(&mut Watched::new("reading", BufReader::new(file), len)) {
        Ok(report) => Ok(Outcome::Whole(report)),
        Err(VerifyError::Io { cause, .. }) => Err(folder::at(path)(cause)),
        // Nothing says that it ever was a backup that can be judged here.
        Err(error @ (VerifyError::NotABackup | VerifyError::Version(_))) => {
            Err(folder::at(path)(io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
        }
        Err(error) => Ok(Outcome::Refused(error.to_string())),
    }
}

impl Outcome {
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Outcome::Whole(_))
    }

    pub(crate) fn table(&self, out: &mut impl Write) -> io::Result<()> {
        let report = match self {
            Outcome::Whole(report) => report,
            Outcome::Refused(why) => {
                writeln!(out, "DAMAGED: {why}")?;
                return writeln!(out, "restoring refuses it; take another backup");
            }
        };
        let (log, position) = (hex(&report.log_id), report.position);
        writeln!(out, "backup of log {log} at {position}, {} bytes\n", report.bytes)?;
        writeln!(
            out,
            "{:<32}  {:<10}  {:>9}  {:>12}  ROOT",
            "KEYSPACE", "CLASS", "ENTRIES", "VALUE BYTES"
        )?;
        for k in &report.keyspaces {
            let (id, class) = (hex(&k.id.0), class_word(k.class));
            let (entries, bytes, root) = (k.entries, k.value_bytes, k.root);
            writeln!(out, "{id}  {class:<10}  {entries:>9}  {bytes:>12}  {root}")?;
        }
        writeln!(out, "\nroot over all {}", report.root)?;
        writeln!(out, "checksum {}", hex(&report.checksum))?;
        writeln!(out, "whole: every root is that of the values")
    }

    pub(crate) fn json(&self, out: &mut impl Write) -> io::Result<()> {
        let value = match self {
            Outcome::Refused(why) => json!({ "backup": true, "same": false, "damage": why }),
            Outcome::Whole(report) => {
                let keyspace = |k: &strongroom_storage::KeyspaceReport| {
                    json!({
                        "id": hex(&k.id.0),
                        "class": class_word(k.class),
                        "entries": k.entries,
                        "value_bytes": k.value_bytes,
                        "root": k.root.to_string(),
                    })
                };
                json!({
                    "backup": true,
                    "same": true,
                    "damage": null,
                    "log_id": hex(&report.log_id),
                    "position": report.position,
                    "bytes": report.bytes,
                    "keyspaces": report.keyspaces.iter().map(keyspace).collect::<Vec<Value>>(),
                    "root": report.root.to_string(),
                    "checksum": hex(&report.checksum),
                })
            }
        };
        writeln!(out, "{value}")
    }
}
