//! `secrets`: what is mounted where.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::Verb;
use super::error::CliError;
use super::session::Session;
use super::table;

#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    /// List the mounted engines
    List,
    /// Mount an engine
    Enable(EnableArgs),
    /// Unmount an engine; its data is gone
    Disable {
        /// Where it is mounted
        path: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct EnableArgs {
    /// kv, kv-v2 or transit
    kind: String,
    /// Where to mount it; the kind's name when absent
    #[arg(long)]
    path: Option<String>,
    /// For humans
    #[arg(long)]
    description: Option<String>,
    /// Version of the key-value engine
    #[arg(long)]
    version: Option<u8>,
    /// Do not replicate it
    #[arg(long)]
    local: bool,
}

pub(super) fn run(command: SecretsCommand, session: &mut Session) -> Result<(), CliError> {
    match command {
        SecretsCommand::List => list(session),
        SecretsCommand::Enable(args) => enable(args, session),
        SecretsCommand::Disable { path } => {
            let path = with_slash(&path);
            let endpoint = format!("sys/mounts/{}", path.trim_end_matches('/'));
            session.client.call(Verb::Delete, &endpoint, &[], None)?;
            session
                .out
                .done(&format!("Success! Disabled the secrets engine (if it existed) at: {path}"))
        }
    }
}

fn list(session: &Session) -> Result<(), CliError> {
    let answer = session.client.read("sys/mounts")?;
    let mounts = &answer.body["data"];
    if session.out.is_json() {
        return session.out.json(mounts);
    }
    let mut rows: Vec<[String; 5]> = mounts
        .as_object()
        .into_iter()
        .flatten()
        .map(|(path, mount)| {
            let replication =
                if mount["local"] == Value::Bool(true) { "local" } else { "replicated" };
            [
                path.clone(),
                table::plain(&mount["type"]),
                table::plain(&mount["accessor"]),
                replication.to_owned(),
                table::plain(&mount["description"]),
            ]
        })
        .collect();
    rows.sort();
    let cells: Vec<[&str; 5]> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    let heads = ["Path", "Type", "Accessor", "Replication", "Description"];
    session.out.text(&table::columns(heads, &cells))
}

fn enable(args: EnableArgs, session: &Session) -> Result<(), CliError> {
    let path = with_slash(args.path.as_deref().unwrap_or(&args.kind));
    let mut options = Map::new();
    if let Some(version) = args.version {
        options.insert("version".to_owned(), version.to_string().into());
    }
    let body = json!({
        "type": args.kind,
        "description": args.description.unwrap_or_default(),
        "local": args.local,
        "options": options,
    });
    session.client.write(&format!("sys/mounts/{}", path.trim_end_matches('/')), &body)?;
    let text = format!("Success! Enabled the {} secrets engine at: {path}", args.kind);
    session.out.done(&text)
}

fn with_slash(path: &str) -> String {
    format!("{}/", path.trim_matches('/'))
}
