//! Making, showing and destroying secret ids.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::role::{self, Role};
use super::secret::{self, SecretEntry, Secrets};
use crate::auth::parse_cidrs;
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::logical::{
    ApiError, ApiResult, Integer, Operation, Response, Scalar, Seconds, Secret, Words,
};

/// Accessors that one LIST answers at most.
const LIST_MAX: usize = 1_000_000;
/// Expired secret ids that one tidy removes at most.
const TIDY_MAX: usize = 4096;
/// Bytes of a secret id.
const ID_MAX: usize = 4096;
/// Bytes of all metadata.
const METADATA_MAX: usize = 64 * 1024;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    secret_id: Option<Secret>,
    secret_id_accessor: Scalar,
    metadata: Scalar,
    cidr_list: Words,
    token_bound_cidrs: Words,
    num_uses: Option<Integer>,
    ttl: Option<Seconds>,
}

impl Body {
    fn secret_id(&mut self) -> ApiResult<Zeroizing<String>> {
        let given = self.secret_id.take().unwrap_or_default().0;
        if given.is_empty() {
            return Err(ApiError::bad_request("missing secret_id"));
        }
        if given.len() > ID_MAX {
            return Err(ApiError::bad_request(
                "the secret_id is too long: 4096 bytes is the limit",
            ));
        }
        Ok(given)
    }
}

/// `role/<role>/secret-id`.
pub(super) fn generate(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let role = role::known(core, session)?;
    let body: Body = core.call.parse()?;
    let secret_id = Zeroizing::new(Uuid::new_v4().to_string());
    add(core, session, &role, body, &secret_id)
}

/// `role/<role>/custom-secret-id`.
pub(super) fn custom(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let role = role::known(core, session)?;
    let mut body: Body = core.call.parse()?;
    let secret_id = body.secret_id()?;
    add(core, session, &role, body, &secret_id)
}

fn add(
    core: &CoreCall<'_>,
    session: &mut Session,
    role: &Role,
    body: Body,
    secret_id: &str,
) -> ApiResult<Response> {
    let refuse = |message: &str| Err(ApiError::bad_request(message));
    if !role.bind_secret_id {
        return refuse("bind_secret_id is not set on the role");
    }
    let num_uses = body.num_uses.map_or(role.secret_id_num_uses, |n| n.0);
    if num_uses < 0 {
        return refuse("num_uses cannot be negative");
    }
    let most = role.secret_id_num_uses;
    if most != 0 && (num_uses == 0 || num_uses > most) {
        return refuse("num_uses cannot be higher than the role's secret_id_num_uses");
    }
    let ttl = body.ttl.map_or(role.secret_id_ttl, |s| s.0);
    if role.secret_id_ttl != 0 && (ttl == 0 || ttl > role.secret_id_ttl) {
        return refuse("ttl cannot be longer than the role's secret_id_ttl");
    }
    // A role may wish for more than the mount gives.
    let ttl = ttl.min(core.call.mount.max_lease_ttl);
    parse_cidrs(&body.cidr_list)?;
    let now = Stamp::from(core.call.now);
    let entry = SecretEntry {
        accessor: Uuid::new_v4().to_string(),
        num_uses,
        ttl,
        created: now,
        updated: now,
        expires: (ttl != 0).then(|| now.plus_seconds(i64::try_from(ttl).unwrap_or(i64::MAX))),
        metadata: metadata(&body.metadata.0)?,
        token_bound_cidrs: parse_cidrs(&body.token_bound_cidrs)?,
        cidr_list: body.cidr_list.0,
    };
    let secrets = role.secrets(core);
    let hash = secret::hash(core, session, secret_id)?;
    if secrets.load(session, &hash)?.is_some() {
        return Err(ApiError::listed(
            400,
            "failed to store secret_id: SecretID is already registered",
        ));
    }
    secrets.add(session, &hash, &entry)?;
    let response = Response::data(&json!({
        "secret_id": secret_id,
        "secret_id_accessor": entry.accessor,
        "secret_id_ttl": ttl,
        "secret_id_num_uses": num_uses,
    }))?;
    Ok(Response { wrapped_accessor: entry.accessor, ..response })
}

/// An object in JSON, or `name=value` with commas between.
fn metadata(given: &str) -> ApiResult<BTreeMap<String, String>> {
    if given.len() > METADATA_MAX {
        return Err(ApiError::bad_request("the metadata is too large: 64 KiB is the limit"));
    }
    if given.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, String>>(given) {
        return Ok(object);
    }
    let pair =
        |text: &str| text.split_once('=').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
    given.split(',').map(pair).collect::<Option<_>>().ok_or_else(|| {
        ApiError::bad_request(
            "failed to parse metadata: failed to parse the input: invalid <key,value> format",
        )
    })
}

/// `role/<role>/secret-id`.
pub(super) fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let role = role::known(core, session).map_err(|e| ApiError { status: 400, ..e })?;
    Response::list(&role.secrets(core).list(session, LIST_MAX))
}

fn show(entry: &SecretEntry) -> ApiResult<Response> {
    let expires = entry.expires.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), Stamp::rfc3339);
    Response::data(&json!({
        "secret_id_accessor": entry.accessor,
        "secret_id_num_uses": entry.num_uses,
        "secret_id_ttl": entry.ttl,
        "creation_time": entry.created.rfc3339(),
        "last_updated_time": entry.updated.rfc3339(),
        "expiration_time": expires,
        "metadata": entry.metadata,
        "cidr_list": entry.cidr_list,
        "token_bound_cidrs": entry.token_bound_cidrs,
    }))
}

/// The valid secret id that the body holds.
fn by_id(
    core: &CoreCall<'_>,
    session: &mut Session,
) -> ApiResult<Option<(Secrets, String, SecretEntry)>> {
    let mut body: Body = core.call.parse()?;
    // A DELETE has no body that counts.
    if let (Operation::Delete, Some(given)) = (core.call.op, core.call.query("secret_id")) {
        body.secret_id = Some(Secret(Zeroizing::new(given.to_owned())));
    }
    let secret_id = body.secret_id()?;
    let role = role::known(core, session)?;
    let secrets = role.secrets(core);
    let hash = secret::hash(core, session, &secret_id)?;
    let entry = secrets.load(session, &hash)?.filter(|e| e.valid(core.call.now.into()));
    Ok(entry.map(|entry| (secrets, hash, entry)))
}

/// The valid secret id behind the accessor that the body holds, or what to say of the lack of it.
fn by_accessor(
    core: &CoreCall<'_>,
    session: &mut Session,
) -> ApiResult<Result<(Secrets, String, SecretEntry), String>> {
    let body: Body = core.call.parse()?;
    let accessor = match (core.call.op, core.call.query("secret_id_accessor")) {
        (Operation::Delete, Some(given)) => given.to_owned(),
        _ => body.secret_id_accessor.0,
    };
    if accessor.is_empty() {
        return Err(ApiError::bad_request("missing secret_id_accessor"));
    }
    let role = role::known(core, session)?;
    let secrets = role.secrets(core);
    if let Some(hash) = secrets.hash_of(session, &accessor)?
        && let Some(entry) = secrets.load(session, &hash)?
        && entry.valid(core.call.now.into())
    {
        return Ok(Ok((secrets, hash, entry)));
    }
    Ok(Err(format!("failed to find accessor entry for secret_id_accessor: {accessor:?}")))
}

/// `role/<role>/secret-id/lookup`.
pub(super) fn lookup(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    match by_id(core, session)? {
        Some((_, _, entry)) => show(&entry),
        None => Ok(Response::empty()),
    }
}

/// `role/<role>/secret-id/destroy`.
pub(super) fn destroy(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    if let Some((secrets, hash, entry)) = by_id(core, session)? {
        secrets.remove(session, &hash, &entry);
    }
    Ok(Response::empty())
}

/// `role/<role>/secret-id-accessor/lookup`.
pub(super) fn lookup_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    match by_accessor(core, session)? {
        Ok((_, _, entry)) => show(&entry),
        Err(error) => Err(ApiError::not_found().with_data(&json!({ "error": error }))),
    }
}

/// `role/<role>/secret-id-accessor/destroy`.
pub(super) fn destroy_accessor(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let found = by_accessor(core, session)?;
    let (secrets, hash, entry) = found.map_err(|error| ApiError::listed(404, error))?;
    secrets.remove(session, &hash, &entry);
    Ok(Response::empty())
}

/// `tidy/secret-id`.
pub(super) fn tidy(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let now = Stamp::from(core.call.now);
    let mut role = Role::new();
    for local in [false, true] {
        role.local_secret_ids = local;
        role.secrets(core).prune(session, now, TIDY_MAX)?;
    }
    let started = "Tidy operation successfully started. Any information from the operation will \
                   be printed to the server's logs.";
    Ok(Response { status: Some(202), ..Response::empty().warn(started) })
}
