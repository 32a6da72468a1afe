//! Stands for the log's positions.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) struct Lsn(pub(crate) u64);
