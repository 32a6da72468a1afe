//! The limit: this program's own subcommand.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Grounds, Ports, Process};

pub(super) fn spawn(grounds: &Grounds, folder: &Path, ports: Ports) -> Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("hello").args(["--plain", &ports.plain.to_string()]);
    command.args(["--tls", &ports.tls.to_string()]);
    command.arg("--certificate").arg(&grounds.identity.certificate);
    command.arg("--key").arg(&grounds.identity.key);
    Process::spawn(&mut command, folder)
}
