//! `identity/oidc/token` and `identity/oidc/introspect`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{claims, config, key, role};
use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::handler::CoreCall;
use crate::identity::{entity, subject};
use crate::keyspace::IDENTITY;
use crate::logical::{ApiError, ApiResult, Field, Response, Scalar};

pub(super) const INTROSPECT: &[Field] =
    &[Field::text("client_id", "For whom the token has to be"), Field::text("token", "The token")];

/// `token/<role>`.
pub(super) fn issue(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name");
    let refuse = |message: String| Err(ApiError::bad_request(message));
    let Some(role) = role::load(session, name)? else {
        return refuse(format!("role {name:?} not found"));
    };
    let Some(key) = key::load(session, &role.key)? else {
        return refuse(format!("key {:?} not found", role.key));
    };
    if !key.settings.allows(&role.client_id) {
        return refuse(format!(
            "the key {:?} does not list the client ID of the role {name:?} as an allowed client ID",
            role.key
        ));
    }
    let Some(subject) = subject(session, &core.call.caller.entity_id)? else {
        return refuse("no entity associated with the request's token".to_owned());
    };
    let now: Stamp = core.call.now.into();
    let mut claims =
        claims::fill(&role.template, Some(&subject), now).map_err(ApiError::internal)?;
    let ttl = i64::try_from(role.ttl).unwrap_or(i64::MAX);
    for (name, value) in [
        ("iss", json!(config::issuer(core, session)?)),
        ("sub", json!(subject.entity().id)),
        ("aud", json!(role.client_id)),
        ("iat", json!(now.unix())),
        ("exp", json!(now.unix().saturating_add(ttl))),
        ("namespace", json!("root")),
    ] {
        claims.insert(name.to_owned(), value);
    }
    let token = key.signing().sign(&Value::Object(claims))?;
    Response::data(&json!({ "token": token, "client_id": role.client_id, "ttl": role.ttl }))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    client_id: Scalar,
    token: Scalar,
}

#[derive(Deserialize)]
struct Header {
    kid: Option<String>,
    alg: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
}

/// `introspect`.
pub(super) fn introspect(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    Response::bare(&match inactive(core, session, &body)? {
        None => json!({ "active": true }),
        Some(why) => json!({ "active": false, "error": why }),
    })
}

/// Why a token is worth nothing; `None` if it is.
fn inactive(
    core: &CoreCall<'_>,
    session: &mut Session,
    body: &Body,
) -> Result<Option<&'static str>, ViewError> {
    let Some((header, claims, message, signature)) = parse(&body.token.0) else {
        return Ok(Some("error parsing token: not a token in the compact form with three parts"));
    };
    let now: Stamp = core.call.now.into();
    if !known(session, &header, message, &signature, now)? {
        return Ok(Some("unable to validate the token signature"));
    }
    if claims.iss != config::issuer(core, session)? {
        return Ok(Some("error validating claims: invalid issuer claim (iss)"));
    }
    if claims.exp <= now.unix() {
        return Ok(Some("error validating claims: token is expired (exp)"));
    }
    let wanted = &body.client_id.0;
    if !wanted.is_empty() && claims.aud != wanted.as_str() {
        return Ok(Some("error validating claims: invalid audience claim (aud)"));
    }
    Ok(match entity(session, &claims.sub)? {
        None => Some("entity was not found"),
        Some(entity) if entity.disabled => Some("entity is disabled"),
        Some(_) => None,
    })
}

fn parse(token: &str) -> Option<(Header, Claims, &[u8], Vec<u8>)> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    Some((
        serde_json::from_slice(&decode(header)?).ok()?,
        serde_json::from_slice(&decode(claims)?).ok()?,
        message.as_bytes(),
        decode(signature)?,
    ))
}

/// Whether one of the keys that verify signed it.
fn known(
    session: &mut Session,
    header: &Header,
    message: &[u8],
    signature: &[u8],
    now: Stamp,
) -> Result<bool, ViewError> {
    for name in key::all(&mut session.view(IDENTITY)) {
        let Some(key) = key::load(session, &name)? else { continue };
        let mut fitting = key.published(now).filter(|public| {
            header.kid.as_deref() == Some(public.id.as_str())
                && header.alg.as_deref() == Some(public.algorithm.name())
        });
        if fitting.any(|public| public.signed(message, signature)) {
            return Ok(true);
        }
    }
    Ok(false)
}
