//! Roles: whom to trust, and what their tokens are like.

use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strongroom_storage::KeyspaceId;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::client::is_for_clients;
use super::rules::{RuleFields, Rules};
use super::trust;
use crate::auth::named::Named;
use crate::auth::{TokenFields, TokenParams};
use crate::barrier::{Session, View, ViewError};
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Call, Flag, Response, Scalar};

const ROLES: Named = Named("cert/");
/// Roles of one mount at most; a login without a name tries them all.
const ROLES_MAX: usize = 4096;
/// Bytes of a role's name.
const NAME_MAX: usize = 1024;
/// Bytes of a role's certificates.
const PEM_MAX: usize = 256 * 1024;

/// One role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Role {
    /// PEM, as it was given.
    certificate: String,
    /// Follows the mount's path in the tokens' display name.
    pub(super) display_name: String,
    /// What else has to be in a client's certificate.
    pub(super) rules: Rules,
    /// What its tokens are like.
    pub(super) params: TokenParams,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    certificate: Option<Scalar>,
    display_name: Option<Scalar>,
    ocsp_enabled: Flag,
    #[serde(flatten)]
    rules: RuleFields,
    #[serde(flatten)]
    fields: TokenFields,
}

/// Whether there is such a role.
pub(super) fn exists(call: &Call<'_>, view: &mut View<'_>) -> ApiResult<bool> {
    ROLES.exists(view, call.param("name"))
}

/// The role of a name.
pub(super) fn load(
    keyspace: KeyspaceId,
    session: &mut Session,
    name: &str,
) -> Result<Option<Role>, ViewError> {
    ROLES.load(keyspace, session, name)
}

/// All names.
pub(super) fn names(keyspace: KeyspaceId, session: &mut Session) -> Vec<String> {
    ROLES.names(keyspace, session, ROLES_MAX)
}

/// `certs`.
pub(super) fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&names(core.keyspace, session))
}

/// `certs/<name>`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let role = load(core.keyspace, session, core.call.param("name"))?;
    let role = role.ok_or_else(ApiError::not_found)?;
    let mut data = Map::new();
    role.params.show(&mut data);
    role.rules.show(&mut data);
    for (name, value) in [
        ("certificate", json!(role.certificate)),
        ("display_name", json!(role.display_name)),
        ("ocsp_ca_certificates", json!("")),
        ("ocsp_enabled", json!(false)),
        ("ocsp_fail_open", json!(false)),
        ("ocsp_query_all_servers", json!(false)),
        ("ocsp_servers_override", Value::Null),
    ] {
        data.insert(name.to_owned(), value);
    }
    Response::data(&Value::Object(data))
}

/// `certs/<name>`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let name = core.call.param("name").to_lowercase();
    if name.len() > NAME_MAX {
        return Err(ApiError::bad_request("the role's name is too long: 1024 bytes is the limit"));
    }
    let body: Body = core.call.parse()?;
    if body.ocsp_enabled.0 {
        return Err(ApiError::bad_request(
            "OCSP is not supported: upload CRLs below 'crls' instead",
        ));
    }
    let mut role = match load(core.keyspace, session, &name)? {
        Some(role) => role,
        None if names(core.keyspace, session).len() == ROLES_MAX => {
            return Err(ApiError::bad_request("too many roles: 4096 is the limit of a mount"));
        }
        None => Role {
            certificate: String::new(),
            display_name: name.clone(),
            rules: Rules::default(),
            params: TokenParams::default(),
        },
    };
    if let Some(Scalar(pem)) = body.certificate {
        role.certificate = pem;
    }
    check(&role)?;
    if let Some(Scalar(display_name)) = body.display_name {
        role.display_name = if display_name.is_empty() { name.clone() } else { display_name };
    }
    body.rules.apply(&mut role.rules)?;
    body.fields.apply(&mut role.params)?;
    session.view(core.keyspace).put_json(&ROLES.key(&name), &role)?;
    Ok(Response::empty())
}

/// `certs/<name>`.
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    ROLES.delete(core, session, core.call.param("name"))
}

/// Whether the role's certificates can be read and may vouch for clients.
fn check(role: &Role) -> ApiResult<()> {
    if role.certificate.len() > PEM_MAX {
        return Err(ApiError::bad_request("the certificate is too large: 256 KiB is the limit"));
    }
    let broken = || ApiError::bad_request("failed to parse certificate");
    for der in trust::certificates(&role.certificate).ok_or_else(broken)? {
        let (rest, certificate) = X509Certificate::from_der(&der).map_err(|_| broken())?;
        if !rest.is_empty() {
            return Err(broken());
        }
        if !certificate.is_ca() && !is_for_clients(&certificate) {
            return Err(ApiError::bad_request(
                "nonCA certificates should have TLS client authentication set as an extended key \
                 usage",
            ));
        }
    }
    Ok(())
}

impl Role {
    /// The certificates that vouch for its clients.
    pub(super) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        trust::certificates(&self.certificate).unwrap_or_default()
    }
}
