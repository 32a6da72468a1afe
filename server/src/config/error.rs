//! Why a configuration is refused; every message says what to change.

use std::io;
use std::path::PathBuf;

/// A configuration that no server can be started with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Check the path and its permissions.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No configuration is that long; check the path.
    #[error("the configuration file {} is longer than {max} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The bound, bytes.
        max: u64,
    },
    /// Correct the file at that place.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What the parser expected.
        message: String,
    },
    /// Give the key a value of the wanted form.
    #[error("line {line}: {key} must be {expected}")]
    Value {
        /// From 1.
        line: usize,
        /// The key, with its block.
        key: String,
        /// The wanted form.
        expected: &'static str,
    },
    /// Remove one of the two.
    #[error("line {line}: {key} is given a second time")]
    Twice {
        /// From 1, of the second.
        line: usize,
        /// Key or block.
        key: String,
    },
    /// Use the named kind instead.
    #[error("line {line}: {block} \"{kind}\" is not supported, use {block} \"{supported}\"")]
    Kind {
        /// From 1.
        line: usize,
        /// `listener` or `storage`.
        block: &'static str,
        /// What the file names.
        kind: String,
        /// What there is.
        supported: &'static str,
    },
    /// Add it.
    #[error("the configuration has no {what}; add {example}")]
    Missing {
        /// Block or key.
        what: &'static str,
        /// A line that would do.
        example: &'static str,
    },
    /// Give both files, or say that TLS is not wanted.
    #[error(
        "line {line}: the listener needs tls_cert_file and tls_key_file, or tls_disable = true \
         to serve plain HTTP"
    )]
    TlsRequired {
        /// From 1, of the listener.
        line: usize,
    },
}
