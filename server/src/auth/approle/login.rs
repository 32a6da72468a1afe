//! `login`.

use bytes::Bytes;
use serde::Deserialize;
use strongroom_storage::KeyspaceId;

use super::role::{self, Role};
use super::secret::{self, SecretEntry};
use crate::auth::{self, Cidr, Login, Origin, Renewal, TokenParams, admit_address};
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::identity::Metadata;
use crate::logical::{ApiError, ApiResult, Response, Scalar, Secret, parse_body};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    role_id: Scalar,
    secret_id: Secret,
}

/// A role id with, unless the role does without, a secret id. A use of the secret id is taken with
/// the transaction that makes the token.
pub(super) fn login(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    if body.role_id.0.is_empty() {
        return Err(ApiError::bad_request("missing role_id"));
    }
    let mount = core.call.mount;
    let config = mount.lockout.unwrap_or_default();
    if core.lockout.locked(config, &mount.accessor, &body.role_id.0, core.call.now) {
        return Err(ApiError::permission_denied());
    }
    let (name, role) = role::by_id(core.keyspace, session, &body.role_id.0)?.ok_or_else(invalid)?;
    let mut login =
        Login { alias: role.id.clone(), params: role.params.clone(), ..Login::default() };
    check_blocks(&role.secret_id_bound_cidrs, core)?;
    if role.bind_secret_id {
        if body.secret_id.0.is_empty() {
            return Err(ApiError::bad_request("missing secret_id"));
        }
        let Some(used) = spend(core, session, &role, &body.secret_id.0)? else {
            core.lockout.failed(config, &mount.accessor, &role.id, core.call.now);
            return Err(invalid());
        };
        check_blocks(&used.cidr_list, core)?;
        if !used.token_bound_cidrs.is_empty() {
            login.params.bound_cidrs = used.token_bound_cidrs;
        }
        login.metadata = used.metadata;
    }
    auth::bind(&mut login, core)?;
    core.lockout.forget(&mount.accessor, &role.id);
    let own = Metadata::from([("role_name".to_owned(), name.clone())]);
    login.alias_metadata.clone_from(&own);
    login.metadata.extend(own);
    login.origin = Origin::of(name);
    Ok(auth::answer(login))
}

/// The role whose id a login gives.
pub(in crate::auth) fn role_of(
    body: &Bytes,
    keyspace: KeyspaceId,
    session: &mut Session,
) -> ApiResult<Option<String>> {
    let Ok(Body { role_id, .. }) = parse_body(body) else { return Ok(None) };
    Ok(role::by_id(keyspace, session, &role_id.0)?.map(|(name, _)| name))
}

/// The role has to be there still; its policies of today are for new tokens.
pub(in crate::auth) fn renew(
    renewal: &Renewal<'_>,
    session: &mut Session,
) -> ApiResult<Option<TokenParams>> {
    let role = role::by_name(renewal.keyspace, session, &renewal.origin.role)?;
    Ok(role.map(|role| role.params))
}

/// The same for all that is wrong, so that nothing is told.
fn invalid() -> ApiError {
    ApiError::bad_request("invalid role or secret ID")
}

/// Takes a use of a secret id, if it is a valid one of the role.
fn spend(
    core: &CoreCall<'_>,
    session: &mut Session,
    role: &Role,
    secret_id: &str,
) -> ApiResult<Option<SecretEntry>> {
    let now = Stamp::from(core.call.now);
    let secrets = role.secrets(core);
    let hash = secret::hash(core, session, secret_id)?;
    let Some(mut entry) = secrets.load(session, &hash)?.filter(|e| e.valid(now)) else {
        return Ok(None);
    };
    match entry.num_uses {
        0 => {}
        1 => secrets.remove(session, &hash, &entry),
        _ => {
            entry.num_uses -= 1;
            entry.updated = now;
            secrets.update(session, &hash, &entry)?;
        }
    }
    Ok(Some(entry))
}

fn check_blocks(blocks: &[String], core: &CoreCall<'_>) -> ApiResult<()> {
    let blocks: Vec<Cidr> = blocks.iter().filter_map(|b| b.parse().ok()).collect();
    match core.peer.address {
        address if admit_address(&blocks, address) => Ok(()),
        Some(address) => Err(ApiError::bad_request(format!(
            "source address {address} unauthorized through CIDR restrictions"
        ))),
        None => Err(ApiError::permission_denied()),
    }
}
