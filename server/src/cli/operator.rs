//! `operator`: initialise, unseal, seal, rotate, back up.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::backup::{self, BackupArgs, RestoreArgs};
use super::error::CliError;
use super::prompt;
use super::session::Session;
use super::status;
use super::table;

#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Make the keys of a new server and print them, once
    Init(InitArgs),
    /// Give one key share; repeat until the threshold is reached
    Unseal(UnsealArgs),
    /// Seal the server: it forgets its keys and serves nothing until it is unsealed
    Seal,
    /// Begin a new term of the encryption key
    Rotate,
    /// Show the term of the encryption key
    KeyStatus,
    /// Write a backup of the running server to a file
    Backup(BackupArgs),
    /// Make a data folder from a backup; the server must not be running
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// How many shares the unseal key is split into
    #[arg(long, short = 'n', default_value_t = 5)]
    key_shares: u8,
    /// How many of them unseal
    #[arg(long, short = 't', default_value_t = 3)]
    key_threshold: u8,
    /// Only tell whether the server is initialised: exit code 0 if so, 2 if not
    #[arg(long)]
    status: bool,
}

#[derive(Debug, Args)]
pub(super) struct UnsealArgs {
    /// A key share, or - for standard input; asked for when absent
    key: Option<String>,
    /// Forget the shares given so far
    #[arg(long)]
    reset: bool,
}

pub(super) fn run(command: OperatorCommand, session: &mut Session) -> Result<ExitCode, CliError> {
    match command {
        OperatorCommand::Init(args) if args.status => return init_status(session),
        OperatorCommand::Init(args) => init(&args, session),
        OperatorCommand::Unseal(args) => unseal(&args, session),
        OperatorCommand::Seal => {
            session.client.write("sys/seal", &json!({}))?;
            session.out.done("Success! The server is sealed.")
        }
        OperatorCommand::Rotate => {
            session.client.write("sys/rotate", &json!({}))?;
            let status = session.client.read("sys/key-status")?;
            session.out.answer(&status)
        }
        OperatorCommand::Backup(args) => backup::back_up(&args, session),
        OperatorCommand::Restore(args) => backup::restore(&args, session),
        OperatorCommand::KeyStatus => {
            let status = session.client.read("sys/key-status")?;
            session.out.answer(&status)
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

fn init_status(session: &Session) -> Result<ExitCode, CliError> {
    let answer = session.client.read("sys/init")?;
    if answer.body["initialized"].as_bool() == Some(true) {
        session.out.done("The server is initialised.")?;
        return Ok(ExitCode::SUCCESS);
    }
    session.out.done("The server is not initialised.")?;
    Ok(ExitCode::from(2))
}

fn init(args: &InitArgs, session: &Session) -> Result<(), CliError> {
    let (shares, threshold) = (args.key_shares, args.key_threshold);
    let body = json!({"secret_shares": shares, "secret_threshold": threshold});
    let keys = session.client.write("sys/init", &body)?.body;
    if session.out.is_json() {
        return session.out.json(&json!({
            "unseal_keys_b64": keys["keys_base64"],
            "unseal_keys_hex": keys["keys"],
            "unseal_shares": shares,
            "unseal_threshold": threshold,
            "recovery_keys_b64": [],
            "recovery_keys_hex": [],
            "recovery_keys_shares": 0,
            "recovery_keys_threshold": 0,
            "root_token": keys["root_token"],
        }));
    }
    if let Some(name) = session.out.field() {
        let value = if name == "root_token" { &keys["root_token"] } else { &Value::Null };
        let text = value.as_str().ok_or_else(|| CliError::NoField(name.to_owned()))?;
        return session.out.bare(text);
    }
    // Writing to a string cannot fail.
    let mut text = String::new();
    for (i, key) in keys["keys_base64"].as_array().into_iter().flatten().enumerate() {
        let _ = writeln!(text, "Unseal Key {}: {}", i + 1, table::plain(key));
    }
    let _ = writeln!(text, "\nInitial Root Token: {}\n", table::plain(&keys["root_token"]));
    let _ = writeln!(
        text,
        "These {shares} key shares are shown only now; give them to different people.\n\
         After every start, {threshold} of them unseal the server:\n\n    \
         strongroom operator unseal\n\n\
         If fewer than {threshold} of them can be found, the data cannot be read by anyone."
    );
    session.out.text(&text)
}

fn unseal(args: &UnsealArgs, session: &mut Session) -> Result<(), CliError> {
    let body = if args.reset {
        json!({"reset": true})
    } else {
        let key = match args.key.as_deref() {
            None => prompt::secret("Unseal Key")?,
            Some("-") => session.stdin.read()?,
            Some(key) => key.to_owned().into(),
        };
        json!({"key": key.trim()})
    };
    let answer = session.client.write("sys/unseal", &body)?;
    if session.out.is_json() {
        return session.out.json(&answer.body);
    }
    session.out.rows(&status::rows(&answer.body))
}
