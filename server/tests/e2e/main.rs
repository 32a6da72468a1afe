//! End to end: the real binary, real processes, real clients.
//!
//! `bao` and Python's `hvac` are installed by `tools/test clients`; without them these tests fail and
//! say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

mod bao;
mod cli;
mod files;
mod hvac;
mod launcher;
mod lifecycle;
mod limits;
mod parity;
mod tls;
