//! `config`: the keys, and what all tokens have in common.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use strongroom_storage::KeyspaceId;

use super::key::{self, PublicKey};
use crate::barrier::{Session, ViewError};
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Response, Scalar, Words};

const KEY: &str = "config";
/// Keys of one mount at most; a login tries them all.
const KEYS_MAX: usize = 128;

/// The settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Config {
    /// PEM.
    jwt_validation_pubkeys: Vec<String>,
    /// What `iss` has to be; empty for anything.
    pub(super) bound_issuer: String,
    /// Allowed; nothing for all.
    pub(super) jwt_supported_algs: Vec<String>,
    /// For logins that name none.
    pub(super) default_role: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    jwt_validation_pubkeys: Words,
    bound_issuer: Scalar,
    jwt_supported_algs: Words,
    default_role: Scalar,
    jwks_url: Scalar,
    jwks_pairs: Value,
    oidc_discovery_url: Scalar,
    oidc_client_id: Scalar,
    oidc_client_secret: Scalar,
    provider_config: Value,
}

impl Config {
    /// The keys that tokens may be signed with.
    pub(super) fn keys(&self) -> Vec<PublicKey> {
        self.jwt_validation_pubkeys.iter().filter_map(|pem| PublicKey::parse(pem)).collect()
    }
}

/// The settings, if there are any.
pub(super) fn load(
    keyspace: KeyspaceId,
    session: &mut Session,
) -> Result<Option<Config>, ViewError> {
    session.view(keyspace).get_json(KEY)
}

/// `config`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let config = load(core.keyspace, session)?.ok_or_else(ApiError::not_found)?;
    Response::data(&json!({
        "bound_issuer": config.bound_issuer,
        "default_role": config.default_role,
        "jwks_ca_pem": "",
        "jwks_url": "",
        "jwt_supported_algs": config.jwt_supported_algs,
        "jwt_validation_pubkeys": config.jwt_validation_pubkeys,
        "namespace_in_state": true,
        "oidc_client_id": "",
        "oidc_discovery_ca_pem": "",
        "oidc_discovery_url": "",
        "oidc_response_mode": "",
        "oidc_response_types": [],
        "override_allowed_server_names": [],
        "provider_config": {},
        "status": "valid",
    }))
}

/// `config`: the whole of it, nothing of the old one stays.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let refuse = |message: &str| Err(ApiError::bad_request(message));
    let body: Body = core.call.parse()?;
    let given = |text: &Scalar| !text.0.is_empty();
    let some = |value: &Value| match value {
        Value::Object(all) => !all.is_empty(),
        Value::Array(all) => !all.is_empty(),
        _ => false,
    };
    let keys = body.jwt_validation_pubkeys.0;
    let elsewhere = [
        given(&body.jwks_url),
        some(&body.jwks_pairs),
        given(&body.oidc_discovery_url),
        some(&body.provider_config),
    ];
    let sources = elsewhere.into_iter().filter(|given| *given).count();
    if sources + usize::from(!keys.is_empty()) != 1 {
        return refuse(
            "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs', \
             'oidc_discovery_url', or 'provider_config' must be set",
        );
    }
    if given(&body.oidc_client_id) != given(&body.oidc_client_secret) {
        return refuse("both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC");
    }
    if sources != 0 || given(&body.oidc_client_id) {
        return refuse(
            "OIDC and keys fetched from elsewhere are not supported: give the keys as \
             'jwt_validation_pubkeys'",
        );
    }
    if keys.len() > KEYS_MAX {
        return refuse("too many public keys: 128 is the limit");
    }
    if keys.iter().any(|pem| PublicKey::parse(pem).is_none()) {
        return refuse("error parsing public key: data does not contain any valid public keys");
    }
    let algorithms = body.jwt_supported_algs.0;
    if let Some(unknown) = algorithms.iter().find(|name| !key::is_known(name)) {
        return Err(ApiError::bad_request(format!(
            "invalid jwt_supported_algs: unsupported signing algorithm {unknown:?}"
        )));
    }
    let config = Config {
        jwt_validation_pubkeys: keys,
        bound_issuer: body.bound_issuer.0,
        jwt_supported_algs: algorithms,
        default_role: body.default_role.0.to_lowercase(),
    };
    session.view(core.keyspace).put_json(KEY, &config)?;
    Ok(Response::empty())
}
