//! Strongroom: a secrets and encryption server that speaks the Vault HTTP API and replicates.

pub mod barrier;
pub mod config;
pub mod keyspace;
pub mod logical;
