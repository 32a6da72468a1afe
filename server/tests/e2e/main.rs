//! End to end: the real binary, real processes, real clients.
//!
//! `bao` and Python's `hvac` are installed by `tools/test clients`; without them these tests fail and
//! say so.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod agent;
mod audit;
mod backup;
mod bao;
mod canary;
mod catch_up;
mod cli;
mod crashes;
mod durable;
mod engines;
mod files;
mod hvac;
mod launcher;
mod lifecycle;
mod limits;
mod logins;
mod memory;
mod parity;
mod replication;
mod schemathesis;
mod support;
mod tls;
mod went_back;
