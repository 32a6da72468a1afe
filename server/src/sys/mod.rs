//! The system backend: what `sys/` answers.
//!
//! Each module answers a part of it; `routes` puts them together, with what tokens, auth methods,
//! identity, quotas, audit, wrapping and replication answer below `sys/` and beside it.

mod backup;
mod capabilities;
mod config;
mod generate_root;
mod health;
mod host;
mod internal;
mod keys;
mod locked;
mod loggers;
mod machine;
mod metrics;
mod monitor;
mod mounts;
mod namespaces;
mod passwords;
mod plugins;
mod policies;
mod rekey;
mod remount;
mod rotation;
mod routes;
mod seal;
mod tools;
mod ui;

pub(crate) use config::Cors;
pub use routes::{Found, answers_always, described, find, find_always, open_to_anyone};
