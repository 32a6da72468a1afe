//! Replication between whole servers, by their HTTP API alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod join;
mod killed;
mod logins;
mod set;
mod support;
