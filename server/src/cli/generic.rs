//! `read`, `write`, `list`, `delete` and `unwrap`: any path of the API.

use clap::Args;
use serde_json::Value;

use super::client::{Answer, Verb};
use super::data;
use super::error::CliError;
use super::session::Session;

/// `read PATH [key=value...]`
#[derive(Debug, Args)]
pub(super) struct ReadArgs {
    /// Path without /v1/
    path: String,
    /// Query parameters, key=value
    parameters: Vec<String>,
}

/// `write PATH [key=value...]`
#[derive(Debug, Args)]
pub(super) struct WriteArgs {
    /// Path without /v1/
    path: String,
    /// key=value, key=@file, key=- (standard input), @file.json or -
    data: Vec<String>,
    /// Write though there is no data
    #[arg(short, long)]
    force: bool,
}

/// `list PATH`
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Path without /v1/
    path: String,
}

/// `delete PATH [key=value...]`
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// Path without /v1/
    path: String,
    /// Query parameters, key=value
    parameters: Vec<String>,
}

/// `unwrap [TOKEN]`
#[derive(Debug, Args)]
pub(super) struct UnwrapArgs {
    /// The wrapping token; without it the current token is one
    token: Option<String>,
}

pub(super) fn read(args: &ReadArgs, session: &mut Session) -> Result<(), CliError> {
    let query = data::query(&args.parameters)?;
    let answer = session
        .client
        .call(Verb::Read, &args.path, &query, None)
        .map_err(|e| no_value(e, &args.path))?;
    session.out.answer(&answer)
}

pub(super) fn write(args: &WriteArgs, session: &mut Session) -> Result<(), CliError> {
    let body = data::parse(&args.data, &mut session.stdin)?;
    if body.is_empty() && !args.force {
        return Err(CliError::Usage(
            "there is nothing to write: add key=value, or -force to write without data".to_owned(),
        ));
    }
    let answer = session.client.write(&args.path, &Value::Object(body))?;
    report(session, &answer, &format!("Success! Data written to: {}", args.path))
}

pub(super) fn list(args: &ListArgs, session: &mut Session) -> Result<(), CliError> {
    let answer = session
        .client
        .call(Verb::List, &args.path, &[], None)
        .map_err(|e| no_value(e, &args.path))?;
    session.out.keys(&answer)
}

pub(super) fn delete(args: &DeleteArgs, session: &mut Session) -> Result<(), CliError> {
    let query = data::query(&args.parameters)?;
    let answer = session.client.call(Verb::Delete, &args.path, &query, None)?;
    let text = format!("Success! Data deleted (if it existed) at: {}", args.path);
    report(session, &answer, &text)
}

pub(super) fn unwrap(args: UnwrapArgs, session: &mut Session) -> Result<(), CliError> {
    // The wrapping token goes as the client token: it needs no other right.
    if let Some(token) = args.token {
        session.client.set_token(token.into());
    }
    let answer = session.client.write("sys/wrapping/unwrap", &serde_json::json!({}))?;
    session.out.answer(&answer)
}

/// The answer, or a sentence where the server had nothing to say.
pub(super) fn report(session: &Session, answer: &Answer, done: &str) -> Result<(), CliError> {
    let says = |name: &str| !answer.body[name].is_null();
    if says("data") || says("auth") || says("wrap_info") {
        return session.out.answer(answer);
    }
    session.out.warnings(&answer.body);
    session.out.done(done)
}

/// A 404 without messages means that nothing is there.
pub(super) fn no_value(error: CliError, path: &str) -> CliError {
    match error {
        CliError::Server { status: 404, errors, .. } if errors.is_empty() => {
            CliError::NoValue(path.to_owned())
        }
        other => other,
    }
}
