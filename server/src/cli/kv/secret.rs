//! `kv get|put|patch|list`.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::mount::{Folder, Place, Target};
use crate::cli::client::{Answer, Verb};
use crate::cli::data;
use crate::cli::error::CliError;
use crate::cli::generic::{no_value, report};
use crate::cli::session::Session;
use crate::cli::table;

#[derive(Debug, Args)]
pub(in crate::cli) struct GetArgs {
    #[command(flatten)]
    target: Target,
    /// A version other than the latest
    #[arg(long)]
    version: Option<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PutArgs {
    #[command(flatten)]
    target: Target,
    /// key=value, key=@file, key=-, @file.json or -
    #[arg(required = true)]
    data: Vec<String>,
    /// Write only if this is the current version; 0: only if there is none
    #[arg(long)]
    cas: Option<u64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PatchArgs {
    #[command(flatten)]
    target: Target,
    /// key=value, key=@file, key=-, @file.json or -
    #[arg(required = true)]
    data: Vec<String>,
    /// Write only if this is the current version
    #[arg(long)]
    cas: Option<u64>,
    /// `patch` in one step; `rw` reads, changes and writes; without it the first that is allowed
    #[arg(long, value_enum)]
    method: Option<PatchMethod>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PatchMethod {
    Patch,
    Rw,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    folder: Folder,
}

pub(in crate::cli) fn get(args: &GetArgs, session: &mut Session) -> Result<(), CliError> {
    let place = args.target.find(session)?;
    let mut query = Vec::new();
    if let Some(version) = args.version {
        place.require_version2("-version")?;
        query.push(("version".to_owned(), version.to_string()));
    }
    let path = place.path("data");
    let answer =
        session.client.call(Verb::Read, &path, &query, None).map_err(|e| no_value(e, &path))?;
    if session.out.is_json() {
        return session.out.json(&answer.body);
    }
    let data = if place.version2 { &answer.body["data"]["data"] } else { &answer.body["data"] };
    if let Some(name) = session.out.field() {
        return session.out.one_field(&json!({"data": data}), name);
    }
    session.out.warnings(&answer.body);
    let mut text = String::new();
    if place.version2 {
        text.push_str(&path_and_metadata(&path, &answer.body["data"]["metadata"]));
        text.push('\n');
    }
    if !data.is_null() {
        let below = table::two_columns(&table::rows_of(data));
        text.push_str(&table::heading("Data", &below));
    }
    session.out.text(&text)
}

pub(in crate::cli) fn put(args: &PutArgs, session: &mut Session) -> Result<(), CliError> {
    let place = args.target.find(session)?;
    let data = data::parse(&args.data, &mut session.stdin)?;
    let path = place.path("data");
    if !place.version2 {
        if args.cas.is_some() {
            place.require_version2("-cas")?;
        }
        let answer = session.client.write(&path, &Value::Object(data))?;
        return report(session, &answer, &format!("Success! Data written to: {path}"));
    }
    let answer = session.client.write(&path, &versioned(&data, args.cas))?;
    print_written(session, &path, &answer)
}

pub(in crate::cli) fn patch(args: &PatchArgs, session: &mut Session) -> Result<(), CliError> {
    let place = args.target.find(session)?;
    place.require_version2("kv patch")?;
    let data = data::parse(&args.data, &mut session.stdin)?;
    let path = place.path("data");
    if args.method != Some(PatchMethod::Rw) {
        let body = versioned(&data, args.cas);
        match session.client.call(Verb::Patch, &path, &[], Some(&body)) {
            Ok(answer) => return print_written(session, &path, &answer),
            // Without the right to patch, or with a server that cannot: read, change, write.
            Err(CliError::Server { status: 403 | 405, .. }) if args.method.is_none() => {}
            Err(error) => return Err(no_value(error, &path)),
        }
    }
    let answer = read_change_write(&place, &data, args.cas, session)?;
    print_written(session, &path, &answer)
}

pub(in crate::cli) fn list(args: ListArgs, session: &mut Session) -> Result<(), CliError> {
    let path = args.folder.find(session)?.path("metadata");
    let answer =
        session.client.call(Verb::List, &path, &[], None).map_err(|e| no_value(e, &path))?;
    session.out.keys(&answer)
}

fn read_change_write(
    place: &Place,
    change: &Map<String, Value>,
    cas: Option<u64>,
    session: &Session,
) -> Result<Answer, CliError> {
    let path = place.path("data");
    let current = session.client.read(&path).map_err(|e| no_value(e, &path))?;
    let Value::Object(mut data) = current.body["data"]["data"].clone() else {
        return Err(CliError::NoValue(path));
    };
    for (key, value) in change {
        data.insert(key.clone(), value.clone());
    }
    // Nobody may have written in between.
    let cas = cas.or_else(|| current.body["data"]["metadata"]["version"].as_u64());
    session.client.write(&path, &versioned(&data, cas))
}

fn versioned(data: &Map<String, Value>, cas: Option<u64>) -> Value {
    match cas {
        None => json!({"data": data, "options": {}}),
        Some(cas) => json!({"data": data, "options": {"cas": cas}}),
    }
}

/// What a write of a version answers.
pub(in crate::cli) fn print_written(
    session: &Session,
    path: &str,
    answer: &Answer,
) -> Result<(), CliError> {
    if session.out.is_json() || session.out.field().is_some() {
        return session.out.answer(answer);
    }
    session.out.warnings(&answer.body);
    session.out.text(&path_and_metadata(path, &answer.body["data"]))
}

fn path_and_metadata(path: &str, metadata: &Value) -> String {
    let below = table::two_columns(&table::rows_of(metadata));
    let place = table::heading("Secret Path", &format!("{path}\n"));
    format!("{place}\n{}", table::heading("Metadata", &below))
}
