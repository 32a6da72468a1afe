//! Wrapped answers: an answer is kept and a single-use token is given out in its place.
//!
//! LOCAL/`wrap/<id>` holds the answer; `<id>` is the salted hash of the wrapping token. An entry is
//! removed by the transaction that hands the answer out, so of two that ask one gets it. Its accessor stands
//! among those of tokens: whoever looks up or revokes tokens can do so with it.

mod routes;

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::barrier::{Session, ViewError};
use crate::engine::stamp::Stamp;
use crate::keyspace::LOCAL;
use crate::logical::{ApiError, ApiResult, Response, WrapInfo};
use crate::token;

pub use routes::ROUTES;

/// Where wrapped answers once stood, in the wrapping token's own cubbyhole.
pub(crate) const OLD_PATH: &str = "cubbyhole/response";
const OLD_PATH_WARNING: &str =
    "Reading cubbyhole/response is deprecated: sys/wrapping/unwrap unwraps, and checks more.";

/// LOCAL/`wrap/<id>`.
#[derive(Serialize, Deserialize)]
pub struct Wrapped {
    /// What was wrapped; a secret, wiped when dropped.
    pub payload: Zeroizing<String>,
    /// Path of the request that was wrapped.
    pub creation_path: String,
    /// When.
    pub created: Stamp,
    /// Seconds.
    pub ttl: u64,
    /// Names the wrapping token.
    pub accessor: String,
}

fn key(id: &str) -> String {
    format!("wrap/{id}")
}

fn expiry_key(wrapped: &Wrapped, id: &str) -> String {
    format!("{}/wrap/{id}", token::expiry_prefix(end(wrapped)))
}

fn end(wrapped: &Wrapped) -> Stamp {
    wrapped.created.plus_seconds(i64::try_from(wrapped.ttl).unwrap_or(i64::MAX))
}

/// Keeps `payload` for `ttl` seconds and answers with the token for it.
///
/// # Errors
/// 400 for a `ttl` of 0; 500.
pub fn wrap(
    session: &mut Session,
    payload: Zeroizing<String>,
    ttl: u64,
    creation_path: &str,
    now: SystemTime,
) -> ApiResult<WrapInfo> {
    if ttl == 0 {
        return Err(ApiError::bad_request("the wrapping TTL must be a second or more"));
    }
    let wrapping_token = token::generate_id().map_err(ApiError::internal)?;
    let id = token::storage_id(session, &wrapping_token)?;
    let wrapped = Wrapped {
        payload,
        creation_path: creation_path.to_owned(),
        created: now.into(),
        ttl,
        accessor: token::generate_accessor().map_err(ApiError::internal)?,
    };
    let mut local = session.view(LOCAL);
    local.put_json(&key(&id), &wrapped)?;
    local.put(&token::accessor_key(&wrapped.accessor), id.as_bytes())?;
    local.put(&expiry_key(&wrapped, &id), b"")?;
    Ok(WrapInfo {
        token: wrapping_token.to_string(),
        accessor: wrapped.accessor,
        ttl,
        creation_time: wrapped.created.rfc3339(),
        creation_path: wrapped.creation_path,
        wrapped_accessor: String::new(),
    })
}

/// What a wrapping token stands for, without using it up.
///
/// # Errors
/// See [`ViewError`].
pub fn lookup(
    session: &mut Session,
    wrapping_token: &str,
    now: SystemTime,
) -> Result<Option<Wrapped>, ViewError> {
    let id = token::storage_id(session, wrapping_token)?;
    by_id(session, &id, now)
}

/// As [`lookup`], by the token's storage id.
///
/// # Errors
/// See [`ViewError`].
pub(crate) fn by_id(
    session: &mut Session,
    id: &str,
    now: SystemTime,
) -> Result<Option<Wrapped>, ViewError> {
    let wrapped: Option<Wrapped> = session.view(LOCAL).get_json(&key(id))?;
    Ok(wrapped.filter(|w| Stamp::from(now) < end(w)))
}

/// Uses a wrapping token up; the answer may go out once the transaction is committed.
///
/// # Errors
/// See [`ViewError`].
pub fn unwrap(
    session: &mut Session,
    wrapping_token: &str,
    now: SystemTime,
) -> Result<Option<Wrapped>, ViewError> {
    let found = lookup(session, wrapping_token, now)?;
    if found.is_some() {
        let id = token::storage_id(session, wrapping_token)?;
        forget(session, &id)?;
    }
    Ok(found)
}

/// The old way to unwrap: a wrapping token reads [`OLD_PATH`], and gets the answer as one text.
/// `None` for a token that wraps nothing.
///
/// # Errors
/// 500.
pub(crate) fn old_unwrap(
    session: &mut Session,
    wrapping_token: &str,
    now: SystemTime,
) -> ApiResult<Option<Response>> {
    let Some(found) = unwrap(session, wrapping_token, now)? else { return Ok(None) };
    let inner: Response = serde_json::from_str(&found.payload)
        .map_err(|_| ApiError::internal("the wrapped answer is not in the expected form"))?;
    let text = Zeroizing::new(crate::http::envelope_text(&inner, crate::http::request_id()));
    Response::data(&json!({ "response": text.as_str() }))
        .map(|answer| Some(answer.warn(OLD_PATH_WARNING)))
}

/// Removes what the storage id `id` stands for, if there is something.
///
/// # Errors
/// See [`ViewError`].
pub(crate) fn forget(session: &mut Session, id: &str) -> Result<(), ViewError> {
    let mut local = session.view(LOCAL);
    let Some(wrapped) = local.get_json::<Wrapped>(&key(id))? else { return Ok(()) };
    local.delete(&key(id));
    local.delete(&token::accessor_key(&wrapped.accessor));
    local.delete(&expiry_key(&wrapped, id));
    Ok(())
}

/// A wrapping token as lookups of tokens show it.
pub(crate) fn shown(wrapped: &Wrapped, wrapping_token: &str, now: Stamp) -> Value {
    let end = end(wrapped);
    json!({
        "id": wrapping_token,
        "accessor": wrapped.accessor,
        "policies": [crate::policy::WRAPPING],
        "path": wrapped.creation_path,
        "meta": Value::Null,
        "display_name": "token",
        "num_uses": 1,
        "orphan": true,
        "creation_time": wrapped.created.unix(),
        "creation_ttl": wrapped.ttl,
        "expire_time": end.rfc3339(),
        "explicit_max_ttl": wrapped.ttl,
        "issue_time": wrapped.created.rfc3339(),
        "ttl": end.unix().saturating_sub(now.unix()),
        "renewable": false,
        "entity_id": "",
        "type": "service",
    })
}
