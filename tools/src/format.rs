//! How a tool shows what it found.

use clap::ValueEnum;

/// The forms that every tool has.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}
