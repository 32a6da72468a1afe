//! `identity/oidc/role`: what a token is about, and which key signs it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::key::{self, DAY};
use super::{STORED_MAX, claims, names};
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::keyspace::IDENTITY;
use crate::logical::{ApiError, ApiResult, Call, Field, Response, Scalar, Seconds};

const PREFIX: &str = "oidc/role/";

pub(super) const ROLE: &[Field] = &[
    Field::text("client_id", "For whom its tokens are (aud); drawn where none is given"),
    Field::text("key", "Name of the key that signs its tokens"),
    Field::text("template", "More claims: a JSON object with {{...}} in it, or its base64"),
    Field::seconds("ttl", "How long its tokens are valid"),
];

/// One role; as it is shown, too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) client_id: String,
    pub(super) key: String,
    pub(super) template: String,
    /// Seconds.
    pub(super) ttl: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    client_id: Option<Scalar>,
    key: Option<Scalar>,
    template: Option<Scalar>,
    ttl: Option<Seconds>,
}

/// The role of a name.
pub(super) fn load(session: &mut Session, name: &str) -> Result<Option<Role>, ViewError> {
    session.view(IDENTITY).get_json(&format!("{PREFIX}{name}"))
}

/// All roles with their names.
pub(super) fn all(session: &mut Session) -> Result<Vec<(String, Role)>, ViewError> {
    let mut found = Vec::new();
    for name in names(&mut session.view(IDENTITY), PREFIX) {
        if let Some(role) = load(session, &name)? {
            found.push((name, role));
        }
    }
    Ok(found)
}

/// The names of the roles that a key signs for.
pub(super) fn names_with_key(session: &mut Session, key: &str) -> Result<Vec<String>, ViewError> {
    let roles = all(session)?.into_iter();
    Ok(roles.filter(|(_, role)| role.key == key).map(|(name, _)| name).collect())
}

/// The longest life of the tokens that a key signs; `None` if it has no role.
pub(super) fn longest_ttl(session: &mut Session, key: &str) -> Result<Option<u64>, ViewError> {
    Ok(all(session)?.into_iter().filter(|(_, r)| r.key == key).map(|(_, r)| r.ttl).max())
}

/// Whether there is such a role.
pub(super) fn exists(call: &Call<'_>, view: &mut crate::barrier::View<'_>) -> ApiResult<bool> {
    Ok(view.exists(&format!("{PREFIX}{}", call.param("name")))?)
}

/// `role/<name>`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name");
    let body: Body = core.call.parse()?;
    let now = core.call.now.into();
    let mut role = load(session, name)?.unwrap_or_else(|| Role {
        client_id: String::new(),
        key: String::new(),
        template: String::new(),
        ttl: DAY,
    });
    body.apply(&mut role, now)?;
    if role.key.is_empty() {
        return Err(ApiError::bad_request("the key parameter is required"));
    }
    let key = key::ensure(session, &role.key, now)?
        .ok_or_else(|| ApiError::bad_request(format!("cannot find key {:?}", role.key)))?;
    if role.ttl > key.settings.verification_ttl {
        return Err(ApiError::bad_request(
            "a role's token ttl cannot be longer than the verification_ttl of the key it references",
        ));
    }
    if role.client_id.is_empty() {
        role.client_id = Uuid::new_v4().simple().to_string();
    }
    if serde_json::to_vec(&role).map_err(ApiError::internal)?.len() > STORED_MAX {
        return Err(ApiError::bad_request("the role is too large: 1 MiB is the limit"));
    }
    session.view(IDENTITY).put_json(&format!("{PREFIX}{name}"), &role)?;
    Ok(Response::empty())
}

impl Body {
    fn apply(self, to: &mut Role, now: Stamp) -> ApiResult<()> {
        if let Some(Scalar(id)) = self.client_id {
            to.client_id = id;
        }
        if let Some(Scalar(key)) = self.key {
            to.key = key;
        }
        if let Some(Seconds(ttl)) = self.ttl {
            to.ttl = ttl;
        }
        if let Some(Scalar(template)) = self.template {
            to.template = claims::plain(template);
            claims::fill(&to.template, None, now).map_err(ApiError::bad_request)?;
        }
        Ok(())
    }
}

/// `role/<name>`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let found = load(session, core.call.param("name"))?;
    Response::data(&found.ok_or_else(ApiError::not_found)?)
}

/// `role`.
pub(super) fn list(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&names(&mut session.view(IDENTITY), PREFIX))
}

/// `role/<name>`.
#[expect(clippy::unnecessary_wraps, reason = "the type of every handler")]
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    session.view(IDENTITY).delete(&format!("{PREFIX}{}", core.call.param("name")));
    Ok(Response::empty())
}
