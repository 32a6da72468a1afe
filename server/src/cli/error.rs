//! What a command fails with; every message says what to do next, none holds a secret.

use std::io;
use std::path::PathBuf;

use strongroom_storage::BackupFileError;

use crate::config::ConfigError;

/// A command that did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum CliError {
    /// Correct the command.
    #[error("{0}")]
    Usage(String),
    /// Check the file.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Correct the certificates named by option or variable.
    #[error("{what} {}: {detail}", path.display())]
    Certificate {
        /// `CA certificate`, `client certificate` and the like.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Start the server or correct the address.
    #[error("cannot reach {url}: {detail}\n\n{hint}")]
    Unreachable {
        /// Full address of the call.
        url: String,
        /// The transport's words.
        detail: String,
        /// What to try.
        hint: &'static str,
    },
    /// The answer is not this API's; check the address.
    #[error(
        "{url} answered with status {status} and something that is not JSON; is VAULT_ADDR right?"
    )]
    NotOurs {
        /// Full address of the call.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The server refused.
    #[error("{}", server_text(method, url, *status, errors))]
    Server {
        /// HTTP verb.
        method: String,
        /// Full address of the call.
        url: String,
        /// HTTP status.
        status: u16,
        /// The server's messages.
        errors: Vec<String>,
    },
    /// Nothing is there.
    #[error("No value found at {0}")]
    NoValue(String),
    /// The field is not part of the answer.
    #[error("Field \"{0}\" not present in the answer")]
    NoField(String),
    /// The configuration needs a correction.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The server could not start or had to stop; the text says what to change.
    #[error("{0}")]
    Start(String),
    /// A backup's file could not be made.
    #[error(transparent)]
    BackupFile(#[from] BackupFileError),
    /// Whoever read the output went away.
    #[error("the reader of the output is gone")]
    ClosedPipe,
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

impl CliError {
    /// 1: a mistake on this side; 2: the server's answer.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Server { .. }
            | Self::NoValue(_)
            | Self::Unreachable { .. }
            | Self::NotOurs { .. } => 2,
            _ => super::EXIT_LOCAL,
        }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Output(error),
        }
    }
}

fn server_text(method: &str, url: &str, status: u16, errors: &[String]) -> String {
    let mut text = format!("Error making API request.\n\nURL: {method} {url}\nCode: {status}.");
    if !errors.is_empty() {
        text.push_str(" Errors:\n");
        for error in errors {
            text.push_str("\n* ");
            text.push_str(error);
        }
    }
    if let Some(hint) = hint(status) {
        text.push_str("\n\n");
        text.push_str(hint);
    }
    text
}

fn hint(status: u16) -> Option<&'static str> {
    match status {
        403 => Some(
            "Is the token known to this cluster, and do its policies allow this? \
             `strongroom token lookup` shows it; tokens are local to their cluster.",
        ),
        404 => Some("Is the path right? `strongroom secrets list` shows what is mounted."),
        413 => Some("Send less at once: a request may have 32 MiB."),
        501 => Some("Initialise the server with `strongroom operator init`."),
        503 => Some(
            "`strongroom status` tells whether the server is sealed; \
                     `strongroom operator unseal` unseals it.",
        ),
        _ => None,
    }
}
