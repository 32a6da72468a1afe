//! Renewing the token of a login: its method has a say.
//!
//! A token remembers who it was made for ([`Origin`]). When it is renewed, the method looks whether
//! there still is such a user or role, and the role's times of today count, not those of the login.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use strongroom_storage::KeyspaceId;

use super::params::plain_names;
use super::{TokenParams, login, method};
use crate::barrier::Session;
use crate::logical::{ApiError, ApiResult, Certificates};
use crate::mount;
use crate::policy;

/// Who a token was made for, in the words of its method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The role or user; empty when the method has no say in renewals.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// What the client has to show again, hashed; empty for nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
}

impl Origin {
    /// Whether there is nothing to ask.
    pub fn is_none(&self) -> bool {
        self.role.is_empty()
    }

    /// A user or role, without proof.
    pub fn of(role: impl Into<String>) -> Self {
        Self { role: role.into(), proof: String::new() }
    }
}

/// A token that is to be renewed, as its method sees it.
pub struct Renewal<'a> {
    /// Keyspace of the mount.
    pub keyspace: KeyspaceId,
    /// Who it was made for.
    pub origin: &'a Origin,
    /// The policies that it has.
    pub policies: &'a [String],
    /// What the client that asks has shown.
    pub certificates: &'a Certificates,
    /// When.
    pub now: SystemTime,
}

/// What a renewal gives. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// When the client asks for nothing.
    pub ttl: u64,
    /// End of all renewals.
    pub max_ttl: u64,
    /// Always this much; 0 for a token that is not periodic.
    pub period: u64,
}

impl Renewal<'_> {
    /// The role's parameters, when the token's policies are still the role's.
    ///
    /// # Errors
    /// 400: a token keeps its policies for life, so this one has to be made anew.
    pub(super) fn unchanged(&self, params: TokenParams) -> ApiResult<TokenParams> {
        let own = |list: &[String]| {
            let mut list = plain_names(list.to_vec());
            list.retain(|p| p != policy::DEFAULT);
            list
        };
        if own(self.policies) == own(&params.policies) {
            return Ok(params);
        }
        Err(refused("policies have changed, not renewing"))
    }
}

fn refused(why: impl std::fmt::Display) -> ApiError {
    ApiError::listed(400, format!("failed to renew entry: {why}"))
}

/// What the method of a token gives for its renewal; `None` when it has no say.
///
/// # Errors
/// 400 when the token is not to be renewed.
pub fn terms(
    session: &mut Session,
    accessor: &str,
    (origin, policies): (&Origin, &[String]),
    certificates: &Certificates,
    now: SystemTime,
) -> ApiResult<Option<Terms>> {
    if accessor.is_empty() || origin.is_none() {
        return Ok(None);
    }
    let mount = mount::auth_by_accessor(session, accessor)?;
    let Some((mount, method)) = mount.and_then(|m| method(&m.entry.kind).map(|k| (m, k))) else {
        return Err(refused("its auth method does not exist during renewal"));
    };
    let keyspace = mount.keyspace;
    let renewal = Renewal { keyspace, origin, policies, certificates, now };
    let gone = || refused(format!("role {:?} does not exist during renewal", origin.role));
    let params = (method.renew)(&renewal, session)?.ok_or_else(gone)?;
    let max_ttl = login::longest(&mount.info, params.max_ttl);
    let ttl = if params.ttl == 0 { mount.info.default_lease_ttl } else { params.ttl };
    Ok(Some(Terms { ttl, max_ttl, period: params.period }))
}
