//! `identity/oidc/config` and `.well-known`: who signs, and what with.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::key;
use super::role;
use super::signer::Algorithm;
use crate::barrier::{Session, ViewError};
use crate::handler::CoreCall;
use crate::keyspace::IDENTITY;
use crate::logical::{ApiError, ApiResult, Field, Response, Scalar};

const CONFIG_KEY: &str = "oidc/config";
const PATH: &str = "/v1/identity/oidc";
const ISSUER_SET: &str = "If \"issuer\" is set explicitly, all tokens must be validated against that \
    address, including those issued by secondary clusters. Setting issuer to \"\" will restore the \
    default behavior of using the cluster's api_addr as the issuer.";

pub(super) const CONFIG: &[Field] =
    &[Field::text("issuer", "Scheme, host and port of the issuer; each cluster's own where empty")];

/// Who signs.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Config {
    /// `https://host:port`, or empty for the address of the cluster's API.
    issuer: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    issuer: Option<Scalar>,
}

fn load(session: &mut Session) -> Result<Config, ViewError> {
    Ok(session.view(IDENTITY).get_json(CONFIG_KEY)?.unwrap_or_default())
}

/// `iss` of tokens made here.
pub(super) fn issuer(core: &CoreCall<'_>, session: &mut Session) -> Result<String, ViewError> {
    let config = load(session)?;
    let base = if config.issuer.is_empty() { core.config.api_url() } else { config.issuer };
    Ok(format!("{}{PATH}", base.trim_end_matches('/')))
}

/// `config`.
pub(super) fn read(_core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::data(&load(session)?)
}

/// `config`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let mut config = load(session)?;
    if let Some(Scalar(issuer)) = body.issuer {
        if !issuer.is_empty() && !is_base(&issuer) {
            return Err(ApiError::bad_request(
                "invalid issuer, which must include only a scheme, host, and optional port (e.g. \
                 https://example.com:8200)",
            ));
        }
        config.issuer = issuer;
    }
    session.view(IDENTITY).put_json(CONFIG_KEY, &config)?;
    let answer = Response::empty();
    Ok(if config.issuer.is_empty() { answer } else { answer.warn(ISSUER_SET) })
}

/// Whether it is scheme, host and perhaps port, and nothing more.
fn is_base(issuer: &str) -> bool {
    let Ok(uri) = issuer.parse::<hyper::Uri>() else { return false };
    let plain = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.authority().is_some_and(|a| !a.as_str().contains('@') && !a.host().is_empty());
    plain
        && host
        && uri.query().is_none()
        && !issuer.contains('#')
        && uri.path() == "/"
        && !issuer.ends_with('/')
}

/// `.well-known/openid-configuration`.
pub(super) fn discovery(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let issuer = issuer(core, session)?;
    Response::bare(&json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/.well-known/keys"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": Algorithm::ALL.map(Algorithm::name),
    }))
}

/// `.well-known/keys`: of the keys that roles use.
pub(super) fn keys(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut used: Vec<String> = role::all(session)?.into_iter().map(|(_, r)| r.key).collect();
    used.sort_unstable();
    used.dedup();
    let now = core.call.now.into();
    let mut shown = Vec::new();
    for name in used {
        if let Some(key) = key::load(session, &name)? {
            shown.extend(key.published(now).filter_map(super::signer::Public::jwk));
        }
    }
    Response::bare(&json!({ "keys": shown }))
}

#[cfg(test)]
mod tests {
    use super::is_base;

    #[test]
    fn an_issuer_is_an_address_and_nothing_more() {
        for good in ["https://example.com", "http://10.0.0.1:8200", "https://[::1]:8200"] {
            assert!(is_base(good), "{good}");
        }
        for bad in ["x", "ftp://a", "https://", "https://a/b", "https://a?b", "https://a#b", "a:80"]
        {
            assert!(!is_base(bad), "{bad}");
        }
    }
}
