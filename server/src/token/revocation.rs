//! Revoking tokens, with all that was made by them.
//!
//! A tree that is too large for one transaction is noted, and the sweep goes on with it.

use std::collections::VecDeque;

use super::store;
use crate::barrier::{Session, ViewError};
use crate::keyspace::{CUBBYHOLE, LOCAL};

/// Tokens that one transaction revokes at most; the sweep goes on with the rest of the tree.
const REVOKE_MAX: usize = 4096;
/// In LOCAL: prefixes of leases that are still to be revoked.
const REVOKE_PREFIX: &str = "revoke-prefix/";
/// Keys of one token's cubbyhole that one transaction removes at most.
const CUBBYHOLE_MAX: usize = 4096;

/// Revokes a token and all its descendants, their cubbyholes too. Nothing happens when there is no
/// such token.
///
/// # Errors
/// See [`ViewError`].
pub fn revoke(session: &mut Session, id: &str) -> Result<(), ViewError> {
    revoke_all(session, vec![id.to_owned()], &[])
}

/// Revokes all tokens whose lease begins with `prefix`, with their descendants. Those beyond what
/// fits into one transaction are left to the sweep.
///
/// # Errors
/// See [`ViewError`].
pub fn revoke_prefix(session: &mut Session, prefix: &str) -> Result<(), ViewError> {
    let (ids, more) = leased(session, prefix);
    revoke_all(session, ids, &[])?;
    if more {
        session.view(LOCAL).put(&format!("{REVOKE_PREFIX}{prefix}"), b"")?;
    }
    Ok(())
}

/// Storage ids of at most [`REVOKE_MAX`] tokens whose lease begins with `prefix`, and whether there
/// are more.
fn leased(session: &mut Session, prefix: &str) -> (Vec<String>, bool) {
    let prefix = format!("lease/{prefix}");
    let leases = session.view(LOCAL).scan_unvalidated(&prefix, None, REVOKE_MAX + 1);
    let more = leases.len() > REVOKE_MAX;
    let ids = leases.iter().take(REVOKE_MAX).filter_map(|key| key.rsplit('/').next());
    (ids.map(str::to_owned).collect(), more)
}

/// Goes on with one [`revoke_prefix`] that was too large, if there is one; whether there was.
pub(super) fn revoke_noted_prefix(session: &mut Session) -> Result<bool, ViewError> {
    let notes = session.view(LOCAL).scan_unvalidated(REVOKE_PREFIX, None, 1);
    let Some(prefix) = notes.first().and_then(|n| n.strip_prefix(REVOKE_PREFIX)) else {
        return Ok(false);
    };
    let (ids, more) = leased(session, prefix);
    revoke_all(session, ids, if more { &[] } else { &notes })?;
    Ok(true)
}

/// Revokes tokens with all their descendants, and removes the `notes` (keys in LOCAL) that asked for
/// it.
///
/// Trees of more than 4,096 tokens are finished by the sweep, from what is noted as `revoke/<id>`.
/// Everything is looked up before the first write: a scan of a keyspace that the transaction has
/// written to costs as much as those writes.
///
/// # Errors
/// See [`ViewError`].
pub(super) fn revoke_all(
    session: &mut Session,
    ids: Vec<String>,
    notes: &[String],
) -> Result<(), ViewError> {
    let mut queue = VecDeque::from(ids);
    let mut doomed = Vec::new();
    let mut later = Vec::new();
    let mut budget = REVOKE_MAX;
    while let Some(id) = queue.pop_front() {
        if budget == 0 {
            later.push(id);
            continue;
        }
        budget -= 1;
        let children = children(session, &id)?;
        let private = cubbyhole_keys(session, &id);
        if children.len() > budget || private.len() == CUBBYHOLE_MAX {
            later.push(id.clone());
        }
        queue.extend(children.into_iter().take(budget));
        doomed.push((id, private));
    }
    for note in notes {
        session.view(LOCAL).delete(note);
    }
    for (id, private) in doomed {
        remove_one(session, &id, &private)?;
    }
    for id in later {
        session.view(LOCAL).put(&format!("revoke/{id}"), b"")?;
    }
    Ok(())
}

/// Revokes a token alone; its children become orphans.
///
/// # Errors
/// See [`ViewError`].
pub(super) fn revoke_orphan(session: &mut Session, id: &str) -> Result<(), ViewError> {
    for child in children(session, id)? {
        let Some(token) = store::load(session, &child)? else { continue };
        let mut orphan = token.entry.clone();
        orphan.parent = None;
        store::put(session, &child, &orphan, Some(&token.entry))?;
        session.view(LOCAL).delete(&format!("{}{child}", store::child_prefix(id)));
    }
    let private = cubbyhole_keys(session, id);
    remove_one(session, id, &private)
}

/// Every token made conflicts with a revocation of its parent through the parent's mark, and
/// with nothing else: tokens come and go all the time, so the scan itself is not validated.
fn children(session: &mut Session, id: &str) -> Result<Vec<String>, ViewError> {
    let prefix = store::child_prefix(id);
    let mut local = session.view(LOCAL);
    local.exists(&store::mark_key(id))?;
    let keys = local.scan_unvalidated(&prefix, None, REVOKE_MAX + 1);
    Ok(keys.iter().filter_map(|k| k.strip_prefix(&prefix)).map(str::to_owned).collect())
}

fn cubbyhole_keys(session: &mut Session, id: &str) -> Vec<String> {
    session.view(CUBBYHOLE).scan_unvalidated(&format!("{id}/"), None, CUBBYHOLE_MAX)
}

fn remove_one(session: &mut Session, id: &str, private: &[String]) -> Result<(), ViewError> {
    if let Some(token) = store::load(session, id)? {
        store::remove(session, id, &token.entry);
    }
    let mut local = session.view(LOCAL);
    if local.exists(&store::mark_key(id))? {
        local.delete(&store::mark_key(id));
    }
    let mut cubbyhole = session.view(CUBBYHOLE);
    for key in private {
        cubbyhole.delete(key);
    }
    Ok(())
}
