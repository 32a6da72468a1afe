//! Stands for the storage's errors.

use std::fmt;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    Cause,
    Failed(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cause")
    }
}
