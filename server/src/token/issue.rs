//! Making a token that was decided on: stored for service tokens, sealed for batch tokens.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::batch;
use super::entry::{TokenEntry, later};
use super::{id, store};
use crate::auth::{Cidr, Origin};
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::identity;
use crate::logical::{ApiError, ApiResult, Auth};

/// Longest JSON of a batch token's entry, bytes; it travels with every request.
const BATCH_MAX: usize = 4096;

/// What a new token is like. Times are seconds; 0 for none.
#[derive(Debug, Default)]
pub struct NewToken {
    /// Its id, when the caller chose one.
    pub id: Option<Zeroizing<String>>,
    /// A batch token.
    pub batch: bool,
    /// Storage id of the parent.
    pub parent: Option<String>,
    /// Sorted.
    pub policies: Vec<String>,
    /// The path that makes it.
    pub path: String,
    /// For humans and templates.
    pub meta: Option<BTreeMap<String, String>>,
    /// For humans.
    pub display_name: String,
    /// 0 for any number.
    pub num_uses: i64,
    /// 0 for ever.
    pub ttl: u64,
    /// Renewals end here.
    pub max_ttl: u64,
    /// Renewals end here, and so does the period.
    pub explicit_max_ttl: u64,
    /// By each renewal.
    pub period: u64,
    /// Whether it may be renewed at all.
    pub renewable: bool,
    /// Who is behind it, or empty.
    pub entity_id: String,
    /// The token role, or empty.
    pub role: String,
    /// Where it may be used from.
    pub bound_cidrs: Vec<Cidr>,
    /// The auth mount, empty for the token store.
    pub mount_accessor: String,
    /// What the auth method goes by when it is renewed.
    pub origin: Origin,
}

/// Makes the token and answers its `auth` object.
///
/// # Errors
/// 400 for a batch token that would be too large; 500.
pub fn issue(session: &mut Session, new: NewToken, now: Stamp) -> ApiResult<Auth> {
    let NewToken { id, ttl, batch, .. } = new;
    let made = TokenEntry {
        accessor: if batch {
            String::new()
        } else {
            id::generate_accessor().map_err(ApiError::internal)?
        },
        parent: new.parent,
        policies: new.policies,
        path: new.path,
        meta: new.meta.filter(|m| !m.is_empty()),
        display_name: new.display_name,
        num_uses: new.num_uses,
        created: now,
        creation_ttl: ttl,
        explicit_max_ttl: new.explicit_max_ttl,
        period: new.period,
        renewable: new.renewable && ttl != 0 && !batch,
        entity_id: new.entity_id,
        expires: (ttl != 0).then(|| later(now, ttl)),
        renewed: None,
        max_ttl: new.max_ttl,
        role: new.role,
        bound_cidrs: new.bound_cidrs,
        mount_accessor: new.mount_accessor,
        origin: new.origin,
        batch,
    };
    let token = if batch {
        let token = batch::seal(session, &made)?;
        if token.len() > BATCH_MAX {
            return Err(ApiError::bad_request(
                "the batch token would be too large: fewer policies or less metadata",
            ));
        }
        token
    } else {
        let token = match id {
            Some(id) => id,
            None => id::generate_id().map_err(ApiError::internal)?,
        };
        let storage_id = id::storage_id(session, &token)?;
        store::put(session, &storage_id, &made, None)?;
        token
    };
    auth(session, &token, &made, now)
}

/// The `auth` object of a token.
pub(super) fn auth(
    session: &mut Session,
    token: &str,
    entry: &TokenEntry,
    now: Stamp,
) -> ApiResult<Auth> {
    let inherited = inherited(session, entry)?;
    let mut policies = entry.policies.clone();
    policies.extend(inherited.iter().filter(|p| !entry.policies.contains(p)).cloned());
    policies.sort_unstable();
    Ok(Auth {
        client_token: token.to_owned(),
        accessor: entry.accessor.clone(),
        policies,
        token_policies: entry.policies.clone(),
        identity_policies: inherited,
        metadata: entry.meta.clone(),
        lease_duration: entry.ttl(now),
        renewable: entry.renewable,
        entity_id: entry.entity_id.clone(),
        token_type: if entry.batch { "batch" } else { "service" }.to_owned(),
        orphan: entry.parent.is_none(),
        num_uses: u64::try_from(entry.num_uses).unwrap_or(0),
        mfa_requirement: None,
    })
}

/// The policies that identity adds, sorted.
pub(super) fn inherited(session: &mut Session, entry: &TokenEntry) -> ApiResult<Vec<String>> {
    if entry.entity_id.is_empty() || entry.is_root() {
        return Ok(Vec::new());
    }
    let subject = identity::subject(session, &entry.entity_id)?;
    Ok(subject.map(|s| s.policies().to_vec()).unwrap_or_default())
}
