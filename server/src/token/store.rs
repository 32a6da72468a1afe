//! Tokens in storage, each written together with its indexes.
//!
//! | key in LOCAL | value |
//! |---|---|
//! | `salt` | 32 random bytes |
//! | `token/<id>` | [`TokenEntry`]; `<id>` is the salted hash of the token |
//! | `accessor/<accessor>` | the token's `<id>` |
//! | `child/<parent id>/<id>` | empty |
//! | `children/<parent id>` | empty; its version changes with every new child |
//! | `lease/<path>/<id>` | empty; the token's lease by the path that made it |
//! | `expiry/<time>/token/<id>` | empty; time in seconds, 16 hexadecimal digits |
//!
//! The token itself is stored nowhere.

use std::sync::Arc;
use std::time::SystemTime;

use super::batch;
use super::entry::{Token, TokenEntry};
use super::id::storage_id;
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::keyspace::LOCAL;
use crate::mount;

/// In front of everything that ends at a known time.
pub(super) const EXPIRY: &str = "expiry/";

fn token_key(id: &str) -> String {
    ["token/", id].concat()
}

/// Where the storage id of an accessor stands in LOCAL.
pub(crate) fn accessor_key(accessor: &str) -> String {
    format!("accessor/{accessor}")
}

pub(super) fn child_prefix(parent: &str) -> String {
    format!("child/{parent}/")
}

/// Written by every new child of `parent`, read by a revocation of `parent`.
pub(super) fn mark_key(parent: &str) -> String {
    format!("children/{parent}")
}

/// Name of a token's lease, below `lease/`.
pub(super) fn lease_id(entry: &TokenEntry, id: &str) -> String {
    format!("{}/{id}", entry.path.trim_end_matches('/'))
}

fn lease_key(entry: &TokenEntry, id: &str) -> String {
    format!("lease/{}", lease_id(entry, id))
}

/// Where the expiry index holds what ends at `at`.
pub fn expiry_prefix(at: Stamp) -> String {
    format!("{EXPIRY}{:016x}", at.unix().max(0))
}

fn expiry_key(at: Stamp, id: &str) -> String {
    format!("{}/token/{id}", expiry_prefix(at))
}

/// The token of a storage id, expired or not.
///
/// # Errors
/// See [`ViewError`].
pub fn load(session: &mut Session, id: &str) -> Result<Option<Arc<Token>>, ViewError> {
    session.view(LOCAL).cached(&token_key(id), |stored| Token::decode(id, stored))
}

/// The token that a client sent, if it is valid at `now`: not expired, its auth mount still there,
/// and for a batch token its parent too.
///
/// # Errors
/// See [`ViewError`].
pub fn lookup(
    session: &mut Session,
    token: &str,
    now: SystemTime,
) -> Result<Option<Arc<Token>>, ViewError> {
    let now = Stamp::from(now);
    let found = if batch::is_batch(token) {
        batch::open(session, token).map(Arc::new)
    } else {
        let id = storage_id(session, token)?;
        load(session, &id)?
    };
    let Some(found) = found.filter(|t| t.entry.valid(now)) else { return Ok(None) };
    let entry = &found.entry;
    if entry.batch
        && let Some(parent) = &entry.parent
        && !load(session, parent)?.is_some_and(|p| p.entry.valid(now))
    {
        return Ok(None);
    }
    let orphaned = !entry.mount_accessor.is_empty()
        && mount::auth_by_accessor(session, &entry.mount_accessor)?.is_none();
    Ok((!orphaned).then_some(found))
}

/// The storage id behind an accessor.
///
/// # Errors
/// See [`ViewError`].
pub fn id_of_accessor(session: &mut Session, accessor: &str) -> Result<Option<String>, ViewError> {
    let id = session.view(LOCAL).get(&accessor_key(accessor))?;
    Ok(id.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Writes a token and its indexes; `before` is what it replaces.
///
/// # Errors
/// See [`ViewError`].
pub(super) fn put(
    session: &mut Session,
    id: &str,
    entry: &TokenEntry,
    before: Option<&TokenEntry>,
) -> Result<(), ViewError> {
    let mut local = session.view(LOCAL);
    local.put_json(&token_key(id), entry)?;
    if before.is_none() {
        local.put(&accessor_key(&entry.accessor), id.as_bytes())?;
        local.put(&lease_key(entry, id), b"")?;
        if let Some(parent) = &entry.parent {
            local.put(&format!("{}{id}", child_prefix(parent)), b"")?;
            // Written blindly: children do not conflict with each other, only with a revocation.
            local.put(&mark_key(parent), b"")?;
        }
    }
    let old = before.and_then(|b| b.expires);
    if old != entry.expires {
        if let Some(at) = old {
            local.delete(&expiry_key(at, id));
        }
        if let Some(at) = entry.expires {
            local.put(&expiry_key(at, id), b"")?;
        }
    }
    Ok(())
}

/// Removes a token and its indexes, not its children.
pub(super) fn remove(session: &mut Session, id: &str, entry: &TokenEntry) {
    let mut local = session.view(LOCAL);
    local.delete(&token_key(id));
    local.delete(&accessor_key(&entry.accessor));
    local.delete(&lease_key(entry, id));
    if let Some(parent) = &entry.parent {
        local.delete(&format!("{}{id}", child_prefix(parent)));
    }
    if let Some(at) = entry.expires {
        local.delete(&expiry_key(at, id));
    }
}
