//! `login`, and what is held against a token that is to be renewed.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};
use strongroom_storage::KeyspaceId;

use super::claims;
use super::config::{self, Config};
use super::role::{self, Role};
use super::{signed, times};
use crate::auth::{self, Login, Origin, Renewal, TokenParams};
use crate::barrier::Session;
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::identity::Metadata;
use crate::logical::{ApiError, ApiResult, Response, Scalar, Secret, parse_body};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    role: Scalar,
    jwt: Secret,
}

/// The role that a login names, or the one for those that name none.
pub(in crate::auth) fn role_of(
    body: &Bytes,
    keyspace: KeyspaceId,
    session: &mut Session,
) -> ApiResult<Option<String>> {
    let Ok(Body { role, .. }) = parse_body(body) else { return Ok(None) };
    if !role.0.is_empty() {
        return Ok(Some(role.0.to_lowercase()));
    }
    Ok(config::load(keyspace, session)?.map(|config| config.default_role))
}

/// A token that one of the keys signed, and that is what the role expects.
pub(super) fn login(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let refuse = |message: String| ApiError::bad_request(message);
    let body: Body = core.call.parse()?;
    let config = config::load(core.keyspace, session)?
        .ok_or_else(|| refuse("could not load configuration".to_owned()))?;
    let name = match body.role.0.to_lowercase() {
        none if none.is_empty() => config.default_role.clone(),
        name => name,
    };
    if name.is_empty() {
        return Err(refuse("missing role".to_owned()));
    }
    let role = role::load(core.keyspace, session, &name)?
        .ok_or_else(|| refuse(format!("role {name:?} could not be found")))?;
    if body.jwt.0.is_empty() {
        return Err(refuse("missing token".to_owned()));
    }
    let invalid = |e: String| refuse(format!("error validating token: {e}"));
    let keys = config.keys();
    let opened = auth::busy(|| signed::open(&body.jwt.0, &keys, &config.jwt_supported_algs));
    let claims = opened.map_err(|e| invalid(e.to_string()))?;
    check(&claims, &config, &role, core)?;
    let mut login = arrival(&claims, role, name)?;
    auth::admit(&mut login, core)?;
    Ok(auth::answer(login))
}

/// Whether the claims are what configuration and role expect.
fn check(
    claims: &Map<String, Value>,
    config: &Config,
    role: &Role,
    core: &CoreCall<'_>,
) -> ApiResult<()> {
    let invalid = |e: &str| ApiError::bad_request(format!("error validating token: {e}"));
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or("");
    let now = Stamp::from(core.call.now).unix();
    times::check(claims, role.leeways, now).map_err(invalid)?;
    if !config.bound_issuer.is_empty() && text("iss") != config.bound_issuer {
        return Err(invalid("invalid issuer (iss) claim"));
    }
    if !role.bound_subject.is_empty() && text("sub") != role.bound_subject {
        return Err(invalid("invalid subject (sub) claim"));
    }
    claims::check_audience(claims, &role.bound_audiences).map_err(|e| match e {
        claims::UNBOUND => ApiError::bad_request(e),
        e => invalid(e),
    })?;
    claims::check_bound(claims, &role.bound_claims, role.globs)
        .map_err(|e| ApiError::bad_request(format!("error validating claims: {e}")))
}

/// Who has logged in.
fn arrival(claims: &Map<String, Value>, role: Role, name: String) -> ApiResult<Login> {
    let claim = &role.user_claim;
    let found =
        if role.user_claim_json_pointer { claims::find(claims, claim) } else { claims.get(claim) };
    let found = found
        .ok_or_else(|| ApiError::bad_request(format!("claim {claim:?} not found in token")))?;
    let user = found.as_str().ok_or_else(|| {
        ApiError::bad_request(format!("claim {claim:?} could not be converted to string"))
    })?;
    if user.is_empty() {
        return Err(ApiError::bad_request("missing name in alias"));
    }
    let groups = match role.groups_claim.as_str() {
        "" => None,
        groups => Some(claims::groups(claims, groups).map_err(ApiError::bad_request)?),
    };
    let mut metadata: Metadata =
        claims::metadata(claims, &role.claim_mappings).map_err(ApiError::bad_request)?;
    metadata.insert("role".to_owned(), name.clone());
    Ok(Login {
        alias: user.to_owned(),
        alias_metadata: metadata.clone(),
        groups,
        display_name: user.to_owned(),
        metadata,
        params: role.params,
        origin: Origin::of(name),
        entity_id: String::new(),
    })
}

/// The role has to be there still; its policies of today are for new tokens.
pub(in crate::auth) fn renew(
    renewal: &Renewal<'_>,
    session: &mut Session,
) -> ApiResult<Option<TokenParams>> {
    let role = role::load(renewal.keyspace, session, &renewal.origin.role)?;
    Ok(role.map(|role| role.params))
}
