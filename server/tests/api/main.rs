//! The HTTP API over a real socket, one file an area.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alike;
mod approle;
mod audit;
mod auth;
mod catalog;
mod cert;
mod fields;
mod http;
mod identity;
mod jwt;
mod leases;
mod lifecycle;
mod listener;
mod mounts;
mod oidc;
mod policies;
mod quotas;
mod renewal;
mod replace;
mod replication;
mod shares;
mod support;
mod system;
mod tokens;
mod wrapping;
