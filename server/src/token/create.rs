//! Making tokens: `auth/token/create`, and the first root token.

use std::time::SystemTime;

use zeroize::Zeroizing;

use super::entry::TokenEntry;
use super::issue::{NewToken, issue};
use super::request::{Body, check, check_batch, display_name, wants_batch};
use super::role::{self, TokenRole};
use super::terms::{choose_policies, choose_times};
use super::{id, store};
use crate::auth::Origin;
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::identity::{self, Arrival, Metadata};
use crate::logical::{ApiError, ApiResult, Call, Operation, Response};
use crate::policy::{self, Capabilities};

/// Makes a root token with this id.
///
/// # Errors
/// See [`ViewError`].
pub fn create_root(session: &mut Session, token: &str, now: SystemTime) -> Result<(), ViewError> {
    let id = id::storage_id(session, token)?;
    let accessor = id::generate_accessor().map_err(|_| crate::barrier::BarrierError::Random)?;
    let root = TokenEntry {
        accessor,
        parent: None,
        policies: vec![policy::ROOT.to_owned()],
        path: "auth/token/root".to_owned(),
        meta: None,
        display_name: "root".to_owned(),
        num_uses: 0,
        created: now.into(),
        creation_ttl: 0,
        explicit_max_ttl: 0,
        period: 0,
        renewable: false,
        entity_id: String::new(),
        expires: None,
        renewed: None,
        max_ttl: 0,
        role: String::new(),
        bound_cidrs: Vec::new(),
        mount_accessor: String::new(),
        origin: Origin::default(),
        batch: false,
    };
    store::put(session, &id, &root, None)
}

/// `auth/token/create`.
pub(super) fn create(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    make(core, session, false, None)
}

/// `auth/token/create-orphan`.
pub(super) fn create_orphan(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    make(core, session, true, None)
}

/// `auth/token/create/<role>`.
pub(super) fn create_by_role(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("role");
    let role = role::load(session, name)?
        .ok_or_else(|| ApiError::bad_request(format!("unknown role {name}")))?;
    make(core, session, role.orphan, Some(&role))
}

fn make(
    core: &CoreCall<'_>,
    session: &mut Session,
    orphan: bool,
    role: Option<&TokenRole>,
) -> ApiResult<Response> {
    let call = &core.call;
    let body: Body = call.parse()?;
    let parent =
        store::lookup(session, core.token, call.now)?.ok_or_else(ApiError::permission_denied)?;
    if parent.entry.batch {
        return Err(ApiError::bad_request("batch tokens cannot create more tokens"));
    }
    if parent.entry.num_uses != 0 {
        return Err(ApiError::bad_request("restricted use token cannot generate child tokens"));
    }
    let privileged = is_privileged(call, session)?;
    let batch = wants_batch(&body, role)?;
    check(&body, privileged, parent.entry.is_root(), role)?;
    let policies = choose_policies(&body, &parent.entry, privileged, role)?;
    check_batch(batch, &body, &policies)?;
    let times = choose_times(&body, &parent.entry, &policies, call, role)?;
    // A role alone says whether its tokens have a parent.
    let no_parent = orphan || (role.is_none() && body.no_parent.0);
    let now = Stamp::from(call.now);
    let entity_id = match body.entity_alias.0.as_str() {
        "" if no_parent => String::new(),
        "" => parent.entry.entity_id.clone(),
        alias => entity_of(session, alias, call, now)?,
    };
    let path = format!("{}{}", call.mount.path, call.path.trim_end_matches('/'));
    let new = NewToken {
        id: chosen_id(&body, session)?,
        batch,
        parent: (!no_parent).then(|| call.caller.token_id.clone()),
        policies,
        path: match role.map(|r| r.path_suffix.as_str()) {
            None | Some("") => path,
            Some(suffix) => format!("{path}/{suffix}"),
        },
        meta: body.meta.map(|m| m.0),
        display_name: display_name(&body.display_name.0),
        num_uses: match (body.num_uses.0, role.map_or(0, |r| r.params.num_uses)) {
            (0, role) => role,
            (own, 0) => own,
            (own, role) => own.min(role),
        },
        ttl: times.ttl,
        max_ttl: 0,
        explicit_max_ttl: times.explicit_max_ttl,
        period: times.period,
        renewable: role.is_none_or(|r| r.renewable) && body.renewable.is_none_or(|r| r.0),
        entity_id,
        role: role.map(|r| r.name.clone()).unwrap_or_default(),
        bound_cidrs: role.map(|r| r.params.bound_cidrs.clone()).unwrap_or_default(),
        mount_accessor: String::new(),
        origin: Origin::default(),
    };
    let mut warnings = times.warnings;
    for name in new.policies.iter().filter(|n| *n != policy::ROOT) {
        if policy::read(session, name)?.is_none() {
            warnings.push(format!("Policy {name:?} does not exist"));
        }
    }
    let auth = issue(session, new, now)?;
    Ok(Response { auth: Some(Box::new(auth)), warnings, ..Response::empty() })
}

fn chosen_id(body: &Body, session: &mut Session) -> ApiResult<Option<Zeroizing<String>>> {
    let Some(id) = body.id.as_ref().map(|s| s.0.as_str()).filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    let storage_id = id::storage_id(session, id)?;
    if store::load(session, &storage_id)?.is_some() {
        return Err(ApiError::bad_request("cannot create a token with a duplicate ID"));
    }
    Ok(Some(Zeroizing::new(id.to_owned())))
}

/// The entity whose alias at the token store this is, made if there is none.
fn entity_of(session: &mut Session, alias: &str, call: &Call<'_>, now: Stamp) -> ApiResult<String> {
    let metadata = Metadata::new();
    let arrival = Arrival {
        mount_accessor: &call.mount.accessor,
        name: alias,
        metadata: &metadata,
        groups: None,
    };
    Ok(identity::arrive(session, &arrival, now)?.id.clone())
}

/// Whether the caller has `sudo` on the path, root included.
fn is_privileged(call: &Call<'_>, session: &mut Session) -> ApiResult<bool> {
    let path = format!("{}{}", call.mount.path, call.path);
    let granted = policy::granted(session, call.caller, Operation::Write, &path, call.now)?;
    Ok(granted.capabilities.allows(Capabilities::SUDO))
}
