//! `status`: seal and replication state of the server; exit code 0 unsealed, 2 sealed, 1 no answer.

use std::process::ExitCode;

use serde_json::Value;

use super::error::CliError;
use super::session::Session;
use super::table::{self, Rows};

/// What a script sees when the server is sealed.
const EXIT_SEALED: u8 = 2;

pub(super) fn run(session: &mut Session) -> Result<ExitCode, CliError> {
    let answer = match session.client.read("sys/seal-status") {
        Ok(answer) => answer,
        // 2 would mean sealed.
        Err(error @ (CliError::Unreachable { .. } | CliError::NotOurs { .. })) => {
            return Err(CliError::Start(error.to_string()));
        }
        Err(error) => return Err(error),
    };
    let status = answer.body;
    let sealed = status["sealed"].as_bool().unwrap_or(true);
    if session.out.is_json() || session.out.field().is_some() {
        print_for_programs(session, &status)?;
    } else {
        let mut rows = rows(&status);
        if !sealed && let Ok(answer) = session.client.read("sys/replication/performance/status") {
            rows.extend(replication_rows(&answer.body["data"]));
        }
        session.out.rows(&rows)?;
    }
    Ok(if sealed { ExitCode::from(EXIT_SEALED) } else { ExitCode::SUCCESS })
}

fn print_for_programs(session: &Session, status: &Value) -> Result<(), CliError> {
    match session.out.field() {
        None => session.out.json(status),
        Some(name) => match status.get(name) {
            Some(value) => session.out.bare(&table::plain(value)),
            None => Err(CliError::NoField(name.to_owned())),
        },
    }
}

/// The seal's state, also as `operator unseal` shows it.
pub(super) fn rows(status: &Value) -> Rows {
    let mut rows = Rows::new();
    let mut row = |name: &str, value: &Value| rows.push((name.to_owned(), table::plain(value)));
    row("Seal Type", &status["type"]);
    row("Initialized", &status["initialized"]);
    row("Sealed", &status["sealed"]);
    row("Total Shares", &status["n"]);
    row("Threshold", &status["t"]);
    if status["sealed"].as_bool() == Some(true) && status["initialized"].as_bool() == Some(true) {
        let progress = format!("{}/{}", table::plain(&status["progress"]), status["t"]);
        row("Unseal Progress", &progress.into());
        if status["nonce"].as_str().is_some_and(|n| !n.is_empty()) {
            row("Unseal Nonce", &status["nonce"]);
        }
    }
    for (title, name) in [
        ("Version", "version"),
        ("Storage Type", "storage_type"),
        ("Cluster Name", "cluster_name"),
        ("Cluster ID", "cluster_id"),
    ] {
        if status[name].as_str().is_some_and(|text| !text.is_empty()) {
            row(title, &status[name]);
        }
    }
    rows
}

fn replication_rows(data: &Value) -> Rows {
    let mut rows = Rows::new();
    if let Some(mode) = data["mode"].as_str() {
        rows.push(("Replication Mode".to_owned(), mode.to_owned()));
    }
    if let Some(state) = data["state"].as_str() {
        rows.push(("Replication State".to_owned(), state.to_owned()));
    }
    rows
}
