//! From a login that an auth method accepted to a token.
//!
//! A method answers with a [`Login`] and makes no token. What then happens falls in two: [`settle`]
//! writes what is replicated (the entity), [`issue`] what is this cluster's own (the token). So a
//! secondary runs the method itself, and only when the first half has something to write does the
//! primary run it, answering with the settled login; the token is made here in any case.

use serde::{Deserialize, Serialize};

use super::params::plain_names;
use super::{Origin, TokenParams};
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::identity::{self, Arrival, Metadata};
use crate::logical::{ApiError, ApiResult, Auth, Call, MountInfo};
use crate::policy;
use crate::token::{self, NewToken};

/// Who has logged in, and what the token is to be like.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Login {
    /// Name of the alias; nothing for no entity.
    pub alias: String,
    /// Kept with the alias.
    pub alias_metadata: Metadata,
    /// Groups that the method knows, for external groups; `None` when it knows of none.
    pub groups: Option<Vec<String>>,
    /// Follows the mount's path in the token's display name.
    pub display_name: String,
    /// Metadata of the token.
    pub metadata: Metadata,
    /// What the token is like.
    pub params: TokenParams,
    /// What the method goes by when the token is renewed.
    #[serde(default)]
    pub origin: Origin,
    /// Filled in by [`settle`].
    pub entity_id: String,
}

/// Finds or makes the entity. Logins by a local mount have none: what the mount knows must not
/// leave its cluster.
///
/// # Errors
/// 403 for a disabled entity; 500.
pub fn settle(
    session: &mut Session,
    login: &mut Login,
    mount: &MountInfo,
    now: Stamp,
) -> ApiResult<()> {
    if mount.local || login.alias.is_empty() {
        return Ok(());
    }
    let arrival = Arrival {
        mount_accessor: &mount.accessor,
        name: &login.alias,
        metadata: &login.alias_metadata,
        groups: login.groups.as_deref(),
    };
    let entity = identity::arrive(session, &arrival, now)?;
    if entity.disabled {
        return Err(ApiError::permission_denied());
    }
    login.entity_id.clone_from(&entity.id);
    Ok(())
}

/// Makes the token of a settled login. Answers the `auth` object and warnings.
///
/// # Errors
/// 400 for what the mount's tuning forbids; 500.
pub fn issue(
    session: &mut Session,
    login: Login,
    call: &Call<'_>,
) -> ApiResult<(Auth, Vec<String>)> {
    let mount = call.mount;
    let params = login.params;
    let batch = params.is_batch(&mount.token_type);
    let mut policies = plain_names(params.policies);
    if policies.iter().any(|p| p == policy::ROOT) {
        return Err(ApiError::bad_request("auth methods cannot create root tokens"));
    }
    if !params.no_default_policy {
        policies.push(policy::DEFAULT.to_owned());
    }
    let policies = plain_names(policies);
    if batch && (params.num_uses != 0 || params.period != 0) {
        return Err(ApiError::bad_request(
            "batch tokens cannot be periodic or have a limited number of uses",
        ));
    }
    let mut warnings = Vec::new();
    let max = longest(mount, params.max_ttl);
    let ttl = match (params.period, params.ttl) {
        (0, 0) => mount.default_lease_ttl,
        (0, ttl) => ttl,
        (period, _) => period,
    };
    let explicit = if params.explicit_max_ttl > 0 { params.explicit_max_ttl } else { u64::MAX };
    let what = if params.period > 0 { "period" } else { "TTL" };
    let most =
        if params.period > 0 { explicit.min(mount.max_lease_ttl) } else { explicit.min(max) };
    let ttl = token::capped(what, ttl, most, &mut warnings);
    let display_name = format!(
        "{}-{}",
        mount.path.trim_start_matches("auth/").trim_end_matches('/').replace('/', "-"),
        login.display_name
    );
    let new = NewToken {
        batch,
        policies,
        path: format!("{}{}", mount.path, call.path.trim_end_matches('/')),
        meta: Some(login.metadata),
        display_name: display_name.trim_end_matches('-').to_owned(),
        num_uses: params.num_uses,
        ttl,
        max_ttl: max,
        explicit_max_ttl: params.explicit_max_ttl,
        period: params.period,
        renewable: true,
        entity_id: login.entity_id,
        bound_cidrs: params.bound_cidrs,
        mount_accessor: mount.accessor.clone(),
        origin: login.origin,
        ..NewToken::default()
    };
    let auth = token::issue(session, new, call.now.into())?;
    Ok((auth, warnings))
}

/// Seconds: no token of a role lives longer, by renewals either.
pub(super) fn longest(mount: &MountInfo, own: u64) -> u64 {
    if own == 0 { mount.max_lease_ttl } else { own.min(mount.max_lease_ttl) }
}
