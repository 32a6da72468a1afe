//! Strongroom: a secrets and encryption server that speaks the Vault HTTP API and replicates.

mod allocator;
pub mod audit;
pub mod auth;
pub mod barrier;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod describe;
pub mod dev;
pub mod dispatch;
pub mod engine;
pub mod handler;
pub mod http;
pub mod identity;
pub mod keyspace;
pub mod logical;
pub mod mount;
mod password;
pub mod policy;
pub mod quota;
pub mod replication;
pub mod seal;
pub mod sys;
pub mod telemetry;
pub mod token;
pub mod wrapping;
