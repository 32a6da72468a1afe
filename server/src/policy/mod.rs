//! Policies: what a token may do.
//!
//! A policy is CORE/`policy/<name>`; it is compiled once per version. The set of names is fixed when
//! a token is made, their text is read at every request, and a name without a text grants nothing.

mod builtin;
mod capability;
mod entry;
mod hcl;
mod matcher;
mod parse;

use std::sync::Arc;

use crate::barrier::{Session, ViewError};
use crate::keyspace::CORE;
use crate::logical::Operation;

pub use builtin::{DEFAULT, ROOT, create_defaults};
pub use capability::Capabilities;
pub use entry::{NAME_MAX, PolicyEntry, WriteError, delete, names, read, write};
pub use matcher::{Match, Policy};
pub use parse::{ParseError, Rule, parse};

/// Policies a token may have at most; more are refused when it is made.
pub const POLICIES_PER_TOKEN_MAX: usize = 1024;

fn key(name: &str) -> String {
    format!("policy/{name}")
}

/// What the policies grant on a path.
///
/// # Errors
/// See [`ViewError`].
pub fn capabilities(
    session: &mut Session,
    names: &[String],
    path: &str,
) -> Result<Capabilities, ViewError> {
    if names.iter().any(|n| n == ROOT) {
        return Ok(Capabilities::ALL);
    }
    let policies = compiled(session, names)?;
    Ok(merge(policies.iter().map(|p| &**p), path))
}

/// Whether the policies allow a verb. LIST works on a folder, so the path is looked up with its
/// trailing slash and, failing that, without.
///
/// # Errors
/// See [`ViewError`].
pub fn granted(
    session: &mut Session,
    names: &[String],
    op: Operation,
    path: &str,
) -> Result<Capabilities, ViewError> {
    if names.iter().any(|n| n == ROOT) {
        return Ok(Capabilities::ALL);
    }
    let policies = compiled(session, names)?;
    let on = |path: &str| merge(policies.iter().map(|p| &**p), path);
    if !matches!(op, Operation::List | Operation::Scan) {
        return Ok(on(path));
    }
    let bare = path.strip_suffix('/').unwrap_or(path);
    let folder = on(&format!("{bare}/"));
    Ok(if folder == Capabilities::NONE { on(bare) } else { folder })
}

/// Whether the policies grant anything below `folder`, which ends in a slash.
///
/// # Errors
/// See [`ViewError`].
pub fn touches(session: &mut Session, names: &[String], folder: &str) -> Result<bool, ViewError> {
    if names.iter().any(|n| n == ROOT) {
        return Ok(true);
    }
    Ok(compiled(session, names)?.iter().any(|p| p.touches(folder)))
}

fn compiled(session: &mut Session, names: &[String]) -> Result<Vec<Arc<Policy>>, ViewError> {
    let mut core = session.view(CORE);
    let mut policies = Vec::with_capacity(names.len());
    for name in names {
        policies.extend(core.cached(&key(name), entry::compile)?);
    }
    Ok(policies)
}

/// The most specific rule of all policies, united with the same pattern of the others.
fn merge<'p>(policies: impl Iterator<Item = &'p Policy>, path: &str) -> Capabilities {
    let mut best: Option<Match<'p>> = None;
    for found in policies.filter_map(|p| p.find(path)) {
        match &mut best {
            Some(b) if b.same_pattern(&found) => {
                b.capabilities = b.capabilities.union(found.capabilities);
            }
            Some(b) if b.priority(&found).is_gt() => {}
            _ => best = Some(found),
        }
    }
    best.map_or(Capabilities::NONE, |b| b.capabilities)
}
