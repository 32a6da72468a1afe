//! `kv delete|undelete|destroy|rollback`.

use clap::Args;
use serde_json::{Value, json};

use super::mount::Target;
use super::secret::print_written;
use crate::cli::client::Verb;
use crate::cli::error::CliError;
use crate::cli::generic::{no_value, report};
use crate::cli::session::Session;

#[derive(Debug, Args)]
pub(in crate::cli) struct DeleteArgs {
    #[command(flatten)]
    target: Target,
    /// Versions, such as 1,2; the latest when absent
    #[arg(long, value_delimiter = ',')]
    versions: Vec<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VersionsArgs {
    #[command(flatten)]
    target: Target,
    /// Versions, such as 1,2
    #[arg(long, value_delimiter = ',', required = true)]
    versions: Vec<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RollbackArgs {
    #[command(flatten)]
    target: Target,
    /// The version to write again
    #[arg(long)]
    version: u64,
}

pub(in crate::cli) fn delete(args: &DeleteArgs, session: &mut Session) -> Result<(), CliError> {
    let place = args.target.find(session)?;
    let answer = if args.versions.is_empty() {
        session.client.call(Verb::Delete, &place.path("data"), &[], None)?
    } else {
        place.require_version2("-versions")?;
        session.client.write(&place.path("delete"), &json!({"versions": args.versions}))?
    };
    let text = format!("Success! Data deleted (if it existed) at: {}", place.path("data"));
    report(session, &answer, &text)
}

/// `undelete` or `destroy`.
pub(in crate::cli) fn act(
    action: &'static str,
    args: &VersionsArgs,
    session: &mut Session,
) -> Result<(), CliError> {
    let place = args.target.find(session)?;
    place.require_version2(action)?;
    let path = place.path(action);
    let answer = session.client.write(&path, &json!({"versions": args.versions}))?;
    report(session, &answer, &format!("Success! Data written to: {path}"))
}

pub(in crate::cli) fn rollback(args: &RollbackArgs, session: &mut Session) -> Result<(), CliError> {
    let place = args.target.find(session)?;
    place.require_version2("kv rollback")?;
    let path = place.path("data");
    let metadata_path = place.path("metadata");
    let metadata = session.client.read(&metadata_path).map_err(|e| no_value(e, &metadata_path))?;
    let current = metadata.body["data"]["current_version"].as_u64().unwrap_or(0);
    let query = [("version".to_owned(), args.version.to_string())];
    let old =
        session.client.call(Verb::Read, &path, &query, None).map_err(|e| no_value(e, &path))?;
    let data = &old.body["data"]["data"];
    if data == &Value::Null {
        let text = format!("version {} is deleted or destroyed; undelete it first", args.version);
        return Err(CliError::Usage(text));
    }
    let body = json!({"data": data, "options": {"cas": current}});
    let answer = session.client.write(&path, &body)?;
    print_written(session, &path, &answer)
}
