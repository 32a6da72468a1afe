//! `kv metadata get|put|patch|delete`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::mount::Target;
use crate::cli::client::Verb;
use crate::cli::data;
use crate::cli::error::CliError;
use crate::cli::generic::{no_value, report};
use crate::cli::session::Session;
use crate::cli::table;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum MetadataCommand {
    /// Show settings and versions
    Get(PlainArgs),
    /// Replace settings
    Put(SettingsArgs),
    /// Change some settings
    Patch(SettingsArgs),
    /// Remove the secret with all versions, for ever
    Delete(PlainArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PlainArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SettingsArgs {
    #[command(flatten)]
    target: Target,
    /// Versions that are kept, 0 for the mount's setting
    #[arg(long)]
    max_versions: Option<u64>,
    /// Whether writes must give -cas
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    cas_required: Option<bool>,
    /// Time after which a version is deleted, such as 720h
    #[arg(long)]
    delete_version_after: Option<String>,
    /// key=value; may be given several times
    #[arg(long)]
    custom_metadata: Vec<String>,
}

pub(in crate::cli) fn run(command: MetadataCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        MetadataCommand::Get(args) => get(&args, session),
        MetadataCommand::Put(args) => set(Verb::Write, &args, session),
        MetadataCommand::Patch(args) => set(Verb::Patch, &args, session),
        MetadataCommand::Delete(args) => {
            let place = args.target.find(session)?;
            place.require_version2("kv metadata")?;
            let path = place.path("metadata");
            let answer = session.client.call(Verb::Delete, &path, &[], None)?;
            report(session, &answer, &format!("Success! Data deleted (if it existed) at: {path}"))
        }
    }
}

fn get(args: &PlainArgs, session: &Session) -> Result<(), CliError> {
    let place = args.target.find(session)?;
    place.require_version2("kv metadata")?;
    let path = place.path("metadata");
    let answer = session.client.read(&path).map_err(|e| no_value(e, &path))?;
    if session.out.is_json() || session.out.field().is_some() {
        return session.out.answer(&answer);
    }
    let mut settings = answer.body["data"].clone();
    let versions = settings.as_object_mut().and_then(|fields| fields.remove("versions"));
    let below = table::two_columns(&table::rows_of(&settings));
    let mut text = table::heading("Metadata Path", &format!("{path}\n"));
    text.push('\n');
    text.push_str(&table::heading("Metadata", &below));
    let mut numbered: Vec<(u64, &Value)> = versions
        .as_ref()
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(number, version)| Some((number.parse().ok()?, version)))
        .collect();
    numbered.sort_by_key(|(number, _)| *number);
    for (number, version) in numbered {
        let below = table::two_columns(&table::rows_of(version));
        text.push('\n');
        text.push_str(&table::heading(&format!("Version {number}"), &below));
    }
    session.out.text(&text)
}

fn set(verb: Verb, args: &SettingsArgs, session: &mut Session) -> Result<(), CliError> {
    let place = args.target.find(session)?;
    place.require_version2("kv metadata")?;
    let mut body = Map::new();
    if let Some(versions) = args.max_versions {
        body.insert("max_versions".to_owned(), versions.into());
    }
    if let Some(required) = args.cas_required {
        body.insert("cas_required".to_owned(), required.into());
    }
    if let Some(after) = &args.delete_version_after {
        body.insert("delete_version_after".to_owned(), after.clone().into());
    }
    if !args.custom_metadata.is_empty() {
        let custom = data::parse(&args.custom_metadata, &mut session.stdin)?;
        body.insert("custom_metadata".to_owned(), custom.into());
    }
    let path = place.path("metadata");
    let answer = session.client.call(verb, &path, &[], Some(&Value::Object(body)))?;
    report(session, &answer, &format!("Success! Data written to: {path}"))
}
