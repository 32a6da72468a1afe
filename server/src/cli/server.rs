//! `server`: start a server from a configuration file or in development mode.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::error::CliError;
use crate::config::{self, Env};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// Configuration file (HCL)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// trace, debug, info, warn or error; wins over the file
    #[arg(long)]
    log_level: Option<String>,
}

pub(super) fn run(args: &ServerArgs, env: &Env) -> Result<ExitCode, CliError> {
    let Some(path) = &args.config else {
        return Err(CliError::Usage("name a configuration file with -config".to_owned()));
    };
    let loaded = config::load(path, env)?;
    let level = args.log_level.as_deref().unwrap_or(&loaded.config.log_level);
    telemetry::start(level).map_err(|e| CliError::Start(e.to_string()))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Err(CliError::Start("the server's listener is not part of this build".to_owned()))
}
