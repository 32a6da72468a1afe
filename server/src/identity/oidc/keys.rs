//! `identity/oidc/key`.

use serde::Deserialize;
use serde_json::json;

use super::key::{self, DEFAULT, NamedKey, Settings};
use super::role;
use super::signer::Algorithm;
use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::keyspace::IDENTITY;
use crate::logical::{ApiError, ApiResult, Field, Response, Scalar, Seconds, Words};

/// Shortest time between rotations, seconds.
const ROTATION_MIN: u64 = 60;
/// Rotations that a retired key outlives at most.
const ROTATIONS_MAX: u64 = 10;

pub(super) const KEY: &[Field] = &[
    Field::text("algorithm", "RS256, RS384, RS512, ES256, ES384, ES512 or EdDSA"),
    Field::words("allowed_client_ids", "Client ids of the roles that may use it; * for all"),
    Field::seconds("rotation_period", "Time between rotations; a minute or more"),
    Field::seconds("verification_ttl", "How long a retired key still verifies"),
];
pub(super) const ROTATE: &[Field] =
    &[Field::seconds("verification_ttl", "How long the key that is retired now still verifies")];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    algorithm: Option<Scalar>,
    allowed_client_ids: Option<Words>,
    rotation_period: Option<Seconds>,
    verification_ttl: Option<Seconds>,
}

/// `key/<name>`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name");
    let body: Body = core.call.parse()?;
    let now = core.call.now.into();
    let known = key::ensure(session, name, now)?;
    let mut settings = known.as_ref().map_or_else(Settings::new, |key| key.settings.clone());
    body.apply(&mut settings)?;
    if let Some(ttl) = role::longest_ttl(session, name)?
        && ttl > settings.verification_ttl
    {
        return Err(ApiError::bad_request(format!(
            "unable to update key {name:?} because it is currently referenced by one or more roles \
             with a token ttl greater than {} seconds",
            settings.verification_ttl
        )));
    }
    let stored = match known {
        Some(mut key) => {
            key.set(settings, now)?;
            key
        }
        None => NamedKey::make(settings, now)?,
    };
    key::store(session, name, &stored)?;
    Ok(Response::empty())
}

impl Body {
    fn apply(self, to: &mut Settings) -> ApiResult<()> {
        if let Some(Scalar(name)) = self.algorithm {
            to.algorithm = Algorithm::parse(&name)?;
        }
        if let Some(Words(ids)) = self.allowed_client_ids {
            to.allowed_client_ids = ids;
        }
        if let Some(Seconds(period)) = self.rotation_period {
            to.rotation_period = period;
        }
        if let Some(Seconds(ttl)) = self.verification_ttl {
            to.verification_ttl = ttl;
        }
        if to.rotation_period < ROTATION_MIN {
            return Err(ApiError::bad_request("rotation_period must be at least one minute"));
        }
        bounded(to.verification_ttl, to.rotation_period)
    }
}

fn bounded(verification_ttl: u64, rotation_period: u64) -> ApiResult<()> {
    if verification_ttl > rotation_period.saturating_mul(ROTATIONS_MAX) {
        return Err(ApiError::bad_request(
            "verification_ttl cannot be longer than 10x rotation_period",
        ));
    }
    Ok(())
}

/// `key/<name>`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let found = key::settings(session, core.call.param("name"))?;
    Response::data(&found.ok_or_else(ApiError::not_found)?)
}

/// `key`.
pub(super) fn list(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut names = key::all(&mut session.view(IDENTITY));
    if let Err(at) = names.binary_search_by(|name| name.as_str().cmp(DEFAULT)) {
        names.insert(at, DEFAULT.to_owned());
    }
    Response::data(&json!({ "keys": names }))
}

/// `key/<name>`.
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name");
    if name == DEFAULT {
        return Err(ApiError::bad_request(format!("deletion of key {name:?} not allowed")));
    }
    let users = role::names_with_key(session, name)?;
    if !users.is_empty() {
        return Err(ApiError::bad_request(format!(
            "unable to delete key {name:?} because it is currently referenced by these roles: {}",
            users.join(", ")
        )));
    }
    key::remove(session, name);
    Ok(Response::empty())
}

/// `key/<name>/rotate`.
pub(super) fn rotate(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name");
    let body: Body = core.call.parse()?;
    let now = core.call.now.into();
    let mut key = key::ensure(session, name, now)?
        .ok_or_else(|| ApiError::bad_request(format!("no named key found at {name:?}")))?;
    let ttl = body.verification_ttl.map(|ttl| ttl.0);
    if let Some(ttl) = ttl {
        bounded(ttl, key.settings.rotation_period)?;
    }
    key.rotate(ttl, now)?;
    key::store(session, name, &key)?;
    Ok(Response::empty())
}
