//! The command line: `strongroom server` and a client for everyday work.
//!
//! Names, options, variables and exit codes are those that users of Vault's client know: 0 for
//! success, 1 for a mistake on this side, 2 for an error that the server answered with. Long options
//! may have one dash or two.

mod args;
mod backup;
mod client;
mod data;
mod error;
mod generic;
mod kv;
mod login;
mod memory;
mod operator;
mod output;
mod policy;
mod prompt;
mod replication;
mod secrets;
mod server;
mod session;
mod status;
mod table;
mod token;
mod trust;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Env;
use error::CliError;
use session::{Global, Session};

/// Exit code for mistakes on this side.
const EXIT_LOCAL: u8 = 1;

#[derive(Debug, Parser)]
#[command(
    name = "strongroom",
    version,
    about = "A secrets and encryption server with the Vault HTTP API and performance replication",
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a server
    Server(server::ServerArgs),
    #[command(flatten)]
    Client(ClientCommand),
}

#[derive(Debug, Subcommand)]
enum ClientCommand {
    /// Print seal and replication state; exit code 2 when sealed
    Status,
    /// Initialise, unseal, seal, rotate
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// Check a token and keep it for the next commands
    Login(login::LoginArgs),
    /// Read a path
    Read(generic::ReadArgs),
    /// Write data to a path
    Write(generic::WriteArgs),
    /// List the keys below a path
    List(generic::ListArgs),
    /// Delete a path
    Delete(generic::DeleteArgs),
    /// Fetch a wrapped answer, once
    Unwrap(generic::UnwrapArgs),
    /// Work with the key-value engine, version 1 or 2
    #[command(subcommand)]
    Kv(kv::KvCommand),
    /// List, enable and disable secrets engines
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// List, read, write and delete policies
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Create, look up, renew and revoke tokens
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Show performance replication
    #[command(subcommand)]
    Replication(replication::ReplicationCommand),
}

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os(), Env::of_process())
}

fn run(arguments: impl Iterator<Item = OsString>, env: Env) -> ExitCode {
    let cli = match Cli::try_parse_from(args::with_two_dashes(arguments)) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe must not turn help into a failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_LOCAL } else { 0 });
        }
    };
    let outcome = match cli.command {
        Command::Server(args) => server::run(&args, env),
        Command::Client(command) => {
            Session::open(&cli.global, env).and_then(|mut session| client(command, &mut session))
        }
    };
    match outcome {
        Ok(code) => code,
        Err(CliError::ClosedPipe) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn client(command: ClientCommand, session: &mut Session) -> Result<ExitCode, CliError> {
    match command {
        ClientCommand::Status => return status::run(session),
        ClientCommand::Operator(command) => return operator::run(command, session),
        ClientCommand::Login(args) => return login::run(&args, session),
        ClientCommand::Read(args) => generic::read(&args, session),
        ClientCommand::Write(args) => generic::write(&args, session),
        ClientCommand::List(args) => generic::list(&args, session),
        ClientCommand::Delete(args) => generic::delete(&args, session),
        ClientCommand::Unwrap(args) => generic::unwrap(args, session),
        ClientCommand::Kv(command) => kv::run(command, session),
        ClientCommand::Secrets(command) => secrets::run(command, session),
        ClientCommand::Policy(command) => policy::run(command, session),
        ClientCommand::Token(command) => token::run(command, session),
        ClientCommand::Replication(command) => replication::run(&command, session),
    }?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    /// The parser checks itself only when it is asked: `kv put` once had an optional path before its
    /// required data, which ended every command in a debug build.
    #[test]
    fn the_parser_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
