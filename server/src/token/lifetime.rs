//! Using up, renewing and revoking tokens.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::entry::{self, LAST_USE, TokenEntry};
use super::issue::later;
use super::role;
use crate::auth;
use crate::barrier::{Session, ViewError};
use crate::engine::duration::format_short;
use crate::engine::stamp::Stamp;
use crate::keyspace::{CUBBYHOLE, LOCAL};
use crate::logical::{ApiError, Certificates};
use crate::mount::{self, Scope};

/// Where tokens are made that no login made.
const TOKEN_STORE: &str = "auth/token/";
/// Tokens that one transaction revokes at most; the sweep goes on with the rest of the tree.
const REVOKE_MAX: usize = 4096;
/// In LOCAL: prefixes of leases that are still to be revoked.
const REVOKE_PREFIX: &str = "revoke-prefix/";
/// Keys of one token's cubbyhole that one transaction removes at most.
const CUBBYHOLE_MAX: usize = 4096;

/// What came of a use of a token with limited uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// There is nothing to spend it on any more.
    Exhausted,
    /// A use was taken; more are left.
    Taken,
    /// The last use was taken; [`revoke`] it when the call is done.
    Last,
}

/// Takes one use of the token `id`; the caller commits before the call runs.
///
/// # Errors
/// See [`ViewError`].
pub fn spend(session: &mut Session, id: &str) -> Result<Spent, ViewError> {
    let Some(token) = entry::load(session, id)? else { return Ok(Spent::Exhausted) };
    let mut changed = token.entry.clone();
    let spent = match changed.num_uses {
        LAST_USE => return Ok(Spent::Exhausted),
        1 => {
            changed.num_uses = LAST_USE;
            Spent::Last
        }
        _ => {
            changed.num_uses -= 1;
            Spent::Taken
        }
    };
    entry::store(session, id, &changed, Some(&token.entry))?;
    Ok(spent)
}

/// Why a token was not renewed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenewError {
    /// No such token.
    #[error("token not found")]
    Unknown,
    /// It was made so, or never expires.
    #[error("lease is not renewable")]
    NotRenewable,
    /// The role or user that it was made for has changed or is gone.
    #[error("the token may not be renewed any more")]
    Refused(ApiError),
    /// The store or the barrier.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// A renewed token, and whether it got less than was asked for.
pub(super) struct Renewed {
    /// As it is stored now.
    pub entry: TokenEntry,
    /// What was asked for, `TTL` or `period`, where less was given. Seconds.
    pub capped: Option<(&'static str, u64)>,
}

/// Who asks for a renewal, and for how much.
pub(super) struct Wish<'a> {
    /// Seconds from now; 0 for what the token's role gives, or what it began with.
    pub increment: u64,
    /// What the client has shown.
    pub certificates: &'a Certificates,
    /// When.
    pub at: SystemTime,
}

/// Prolongs a token. The role that it was made by is asked first: its times of today count.
///
/// # Errors
/// [`RenewError`].
pub(super) fn renew(
    session: &mut Session,
    id: &str,
    wish: &Wish<'_>,
) -> Result<Renewed, RenewError> {
    let now = Stamp::from(wish.at);
    let token =
        entry::load(session, id)?.filter(|t| t.entry.valid(now)).ok_or(RenewError::Unknown)?;
    let before = &token.entry;
    if !before.renewable || before.expires.is_none() {
        return Err(RenewError::NotRenewable);
    }
    let mut renewed = before.clone();
    let given = follow(session, &mut renewed, wish)?;
    let most = longest(session, &renewed)?;
    let (what, asked, wanted) = match (renewed.period, wish.increment) {
        (0, 0) => ("TTL", given.ttl, given.ttl),
        (0, seconds) => ("TTL", seconds, seconds),
        (period, _) => ("period", period, period.min(most)),
    };
    let mut expires = later(now, wanted);
    let end = end(&renewed, given.explicit_max_ttl, most);
    if let Some(end) = end.filter(|end| *end < expires) {
        expires = end;
    }
    let capped = (expires < later(now, asked)).then_some((what, asked));
    renewed.expires = Some(expires);
    renewed.renewed = Some(now);
    entry::store(session, id, &renewed, Some(before))?;
    Ok(Renewed { entry: renewed, capped })
}

/// What a renewal gives by itself, and where it ends whatever is asked for. Seconds.
struct Given {
    ttl: u64,
    explicit_max_ttl: u64,
}

/// Seconds: how long the token was to live when it was made, or renewed last.
fn given_last(token: &TokenEntry) -> u64 {
    let from = token.renewed.unwrap_or(token.created);
    let given = token.expires.and_then(|end| u64::try_from(end.unix() - from.unix()).ok());
    given.unwrap_or(token.creation_ttl)
}

/// Takes up what the token's role says today.
fn follow(
    session: &mut Session,
    token: &mut TokenEntry,
    wish: &Wish<'_>,
) -> Result<Given, RenewError> {
    let mut given = Given { ttl: given_last(token), explicit_max_ttl: token.explicit_max_ttl };
    if !token.role.is_empty() {
        let Some(role) = role::load(session, &token.role)? else {
            return Err(RenewError::Refused(ApiError::listed(
                400,
                format!(
                    "failed to renew entry: original token role {:?} could not be found, not \
                     renewing",
                    token.role
                ),
            )));
        };
        token.period = role.params.period;
        given.explicit_max_ttl = match (token.explicit_max_ttl, role.params.explicit_max_ttl) {
            (0, role) => role,
            (own, 0) => own,
            (own, role) => own.min(role),
        };
    }
    let who = (&token.origin, token.policies.as_slice());
    let terms = auth::terms(session, &token.mount_accessor, who, wish.certificates, wish.at);
    if let Some(terms) = terms.map_err(RenewError::Refused)? {
        token.period = terms.period;
        token.max_ttl = terms.max_ttl;
        given.ttl = terms.ttl;
    }
    Ok(given)
}

/// Seconds: how long the token can live by what its role, or else the token store, says today.
fn longest(session: &mut Session, token: &TokenEntry) -> Result<u64, ViewError> {
    if token.max_ttl > 0 {
        return Ok(token.max_ttl);
    }
    let store = mount::route(session, Scope::Here, TOKEN_STORE)?;
    Ok(store.map_or(session.lease_times().max, |(mount, _)| mount.info.max_lease_ttl))
}

/// When all renewals end; `None` for never.
fn end(token: &TokenEntry, explicit: u64, most: u64) -> Option<Stamp> {
    let explicit = (explicit > 0).then_some(explicit);
    let most = (token.period == 0).then_some(most);
    let seconds = explicit.into_iter().chain(most).min()?;
    Some(later(token.created, seconds))
}

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
        let Some(token) = entry::load(session, &child)? else { continue };
        let mut orphan = token.entry.clone();
        orphan.parent = None;
        entry::store(session, &child, &orphan, Some(&token.entry))?;
        session.view(LOCAL).delete(&format!("{}{child}", entry::child_prefix(id)));
    }
    let private = cubbyhole_keys(session, id);
    remove_one(session, id, &private)
}

/// Every token made conflicts with a revocation of its parent through the parent's mark, and
/// with nothing else: tokens come and go all the time, so the scan itself is not validated.
fn children(session: &mut Session, id: &str) -> Result<Vec<String>, ViewError> {
    let prefix = entry::child_prefix(id);
    let mut local = session.view(LOCAL);
    local.exists(&entry::mark_key(id))?;
    let keys = local.scan_unvalidated(&prefix, None, REVOKE_MAX + 1);
    Ok(keys.iter().filter_map(|k| k.strip_prefix(&prefix)).map(str::to_owned).collect())
}

fn cubbyhole_keys(session: &mut Session, id: &str) -> Vec<String> {
    session.view(CUBBYHOLE).scan_unvalidated(&format!("{id}/"), None, CUBBYHOLE_MAX)
}

fn remove_one(session: &mut Session, id: &str, private: &[String]) -> Result<(), ViewError> {
    if let Some(token) = entry::load(session, id)? {
        entry::remove(session, id, &token.entry);
    }
    let mut local = session.view(LOCAL);
    if local.exists(&entry::mark_key(id))? {
        local.delete(&entry::mark_key(id));
    }
    let mut cubbyhole = session.view(CUBBYHOLE);
    for key in private {
        cubbyhole.delete(key);
    }
    Ok(())
}
/// A lifetime, or the most there can be, which the client is told then.
pub fn capped(what: &str, given: u64, most: u64, warnings: &mut Vec<String>) -> u64 {
    if given <= most {
        return given;
    }
    let (given, shown) = (format_short(given), format_short(most));
    warnings.push(format!(
        "{what} of {given:?} exceeded the effective max_ttl of {shown:?}; {what} value is capped \
         accordingly"
    ));
    most
}
