//! Secrets engines: a static table of routes per kind.
//!
//! Each engine keeps its state in the keyspace of its mount and has no other. Handlers answer as
//! Vault documents; see [`crate::logical`] for what they may do.

mod cubbyhole;
pub(crate) mod duration;
mod fields;
mod kv1;
mod kv2;
pub mod stamp;
#[cfg(test)]
mod testing;
mod transit;
pub mod upkeep;

use std::collections::BTreeMap;

use crate::logical::{EngineHandler, Route};

pub(crate) use kv2::add_versions;
pub(crate) use transit::{hash, random};

/// The routes of an engine, or `None` for a kind that is not known.
///
/// `kv` (and its old name `generic`) follows the option `version`: 2, or 1 when it is absent.
pub fn routes(
    kind: &str,
    options: &BTreeMap<String, String>,
) -> Option<&'static [Route<EngineHandler>]> {
    match (kind, options.get("version").map(String::as_str)) {
        ("kv" | "generic", None | Some("" | "1")) => Some(kv1::ROUTES),
        ("kv", Some("2")) => Some(kv2::ROUTES),
        ("transit", _) => Some(transit::ROUTES),
        ("cubbyhole", _) => Some(cubbyhole::ROUTES),
        _ => None,
    }
}
