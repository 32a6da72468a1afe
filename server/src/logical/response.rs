//! What a handler answers with; the HTTP layer puts the envelope around it.

use serde::{Deserialize, Serialize};

use super::{ApiError, ApiResult, Json, Parts};
use crate::auth::Login;

/// A successful answer. No data, auth, wrap information or warnings means 204. It is moved about
/// often, so what is rare and large is boxed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Response {
    /// The `data` object, already serialised.
    pub data: Option<Json>,
    /// The `auth` object of logins and token creation.
    pub auth: Option<Box<Auth>>,
    /// Where a wrapped answer can be fetched.
    pub wrap_info: Option<Box<WrapInfo>>,
    /// Hints for the client.
    pub warnings: Vec<String>,
    /// `lease_duration` in seconds (advisory for KV version 1).
    pub lease_duration: u64,
    /// `lease_id`; empty when the answer has no lease.
    pub lease_id: String,
    /// `renewable`.
    pub renewable: bool,
    /// Data fields appear at the top level too (old `sys` endpoints).
    pub flatten: bool,
    /// The body is `data` alone, without the envelope (health, seal-status, init and the like).
    pub bare: bool,
    /// The whole body, of the type `text/plain`, in place of all of the above.
    #[serde(default)]
    pub text: Option<String>,
    /// The whole body as it comes, in place of all of the above; never forwarded.
    #[serde(skip)]
    pub parts: Option<Parts>,
    /// Who has logged in; dispatch makes the token and `auth` of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Box<Login>>,
    /// Accessor of what `data` holds, told beside a wrapped answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wrapped_accessor: String,
    /// Another status than 200 or 204 (health codes, 202).
    pub status: Option<u16>,
}

impl Response {
    /// 204, no body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// 200 with `data`.
    ///
    /// # Errors
    /// 500 when `data` cannot be serialised, which is a programmer error.
    pub fn data(data: &impl Serialize) -> ApiResult<Self> {
        Json::of(data).map(Self::json).map_err(ApiError::internal)
    }

    /// 200 with `data` that is text already.
    pub fn json(data: Json) -> Self {
        Self { data: Some(data), ..Self::default() }
    }

    /// A body without the envelope.
    ///
    /// # Errors
    /// As [`Response::data`].
    pub fn bare(data: &impl Serialize) -> ApiResult<Self> {
        Ok(Self { bare: true, ..Self::data(data)? })
    }

    /// A body that is not JSON.
    pub fn text(text: String) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    /// `{"keys": [...]}`, or 404 when there are none.
    ///
    /// # Errors
    /// 404 for an empty list.
    pub fn list(keys: &[String]) -> ApiResult<Self> {
        if keys.is_empty() {
            return Err(ApiError::not_found());
        }
        Self::data(&serde_json::json!({ "keys": keys }))
    }

    /// The same answer with more hints, if it says anything at all.
    #[must_use]
    pub fn noted(mut self, mut notes: Vec<String>) -> Self {
        let says = self.data.is_some()
            || self.auth.is_some()
            || self.login.is_some()
            || self.wrap_info.is_some()
            || !self.warnings.is_empty();
        if says && !notes.is_empty() {
            self.warnings.append(&mut notes);
        }
        self
    }

    /// The same answer with one more warning.
    #[must_use]
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }
}

/// The `auth` object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Auth {
    /// The new token; a secret.
    pub client_token: String,
    /// Its accessor.
    pub accessor: String,
    /// All policies in force.
    pub policies: Vec<String>,
    /// Those that the token itself carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_policies: Vec<String>,
    /// Those from identity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identity_policies: Vec<String>,
    /// Metadata of the login.
    pub metadata: Option<std::collections::BTreeMap<String, String>>,
    /// Seconds to live.
    pub lease_duration: u64,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Entity, or empty.
    pub entity_id: String,
    /// `service` or `batch`.
    pub token_type: String,
    /// Has no parent.
    pub orphan: bool,
    /// Uses left, 0 for no limit.
    pub num_uses: u64,
    /// Always null: no MFA.
    pub mfa_requirement: Option<()>,
}

/// The `wrap_info` object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WrapInfo {
    /// The single-use token; a secret.
    pub token: String,
    /// Its accessor.
    pub accessor: String,
    /// Seconds to live.
    pub ttl: u64,
    /// RFC 3339.
    pub creation_time: String,
    /// Path of the request that was wrapped.
    pub creation_path: String,
    /// Accessor of a wrapped token, when the wrapped answer has `auth`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub wrapped_accessor: String,
}
