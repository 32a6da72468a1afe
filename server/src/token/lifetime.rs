//! How long tokens live: renewing them, and what bounds that.

use std::time::SystemTime;

use super::entry::{TokenEntry, later};
use super::{role, store};
use crate::auth;
use crate::barrier::{Session, ViewError};
use crate::engine::duration::format_short;
use crate::engine::stamp::Stamp;
use crate::logical::{ApiError, Certificates};
use crate::mount::{self, Scope};

/// Where tokens are made that no login made.
const TOKEN_STORE: &str = "auth/token/";

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
    /// What was asked for, `TTL` or `period`, where less was given, and what was. Seconds.
    pub capped: Option<(&'static str, u64, u64)>,
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
        store::load(session, id)?.filter(|t| t.entry.valid(now)).ok_or(RenewError::Unknown)?;
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
    let left = u64::try_from(expires.seconds_since(now)).unwrap_or(0);
    let capped = (left < asked).then_some((what, asked, left));
    renewed.expires = Some(expires);
    renewed.renewed = Some(now);
    store::put(session, id, &renewed, Some(before))?;
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
