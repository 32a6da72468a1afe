//! `login`, and what is held against a token that is to be renewed.

use bytes::Bytes;
use serde::Deserialize;
use strongroom_storage::KeyspaceId;

use super::client::Client;
use super::config;
use super::crl::Revoked;
use super::role::{self, Role};
use super::trust::{self, Verdict};
use crate::auth::{self, Login, Origin, Renewal, TokenParams};
use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::identity::Metadata;
use crate::logical::{ApiError, ApiResult, Certificates, Response, Scalar, parse_body};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    name: Scalar,
}

/// The role that a login names.
#[expect(clippy::unnecessary_wraps, reason = "the type that all methods have")]
pub(in crate::auth) fn role_of(
    body: &Bytes,
    _keyspace: KeyspaceId,
    _session: &mut Session,
) -> ApiResult<Option<String>> {
    let named = parse_body::<Body>(body).ok().map(|body| body.name.0.to_lowercase());
    Ok(named.filter(|name| !name.is_empty()))
}

/// Any role that trusts the client will do, unless it names one.
pub(super) fn login(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    let chain = shown(&core.peer.certificates)?;
    let names = match body.name.0.as_str() {
        "" => role::names(core.keyspace, session),
        name => vec![name.to_lowercase()],
    };
    let found = find(core.keyspace, session, &names, chain, core.call.now)?;
    let Found { name, role, client } = found;
    if client.common_name.is_empty() {
        return Err(ApiError::bad_request("missing name in alias: the certificate has no CN"));
    }
    let mut metadata: Metadata = role.rules.metadata(&client).collect();
    for (name, value) in [
        ("cert_name", &name),
        ("common_name", &client.common_name),
        ("serial_number", &client.serial),
        ("subject_key_id", &client.subject_key),
        ("authority_key_id", &client.authority_key),
    ] {
        metadata.insert(name.to_owned(), value.clone());
    }
    let config = config::load(core.keyspace, session)?;
    let mut login = Login {
        alias: client.common_name,
        display_name: role.display_name,
        params: role.params,
        origin: Origin { role: name, proof: fingerprint(chain) },
        ..Login::default()
    };
    if config.enable_identity_alias_metadata {
        login.alias_metadata.clone_from(&metadata);
    }
    login.metadata = metadata;
    auth::admit(&mut login, core)?;
    Ok(auth::answer(login))
}

/// The client has to show the certificate again that it logged in with, unless the mount does
/// without, and the role has to trust it still.
pub(in crate::auth) fn renew(
    renewal: &Renewal<'_>,
    session: &mut Session,
) -> ApiResult<Option<TokenParams>> {
    let origin = renewal.origin;
    if !config::load(renewal.keyspace, session)?.disable_binding {
        let chain = shown(renewal.certificates)?;
        let names = [origin.role.clone()];
        if role::load(renewal.keyspace, session, &origin.role)?.is_some() {
            find(renewal.keyspace, session, &names, chain, renewal.now)?;
        }
        if fingerprint(chain) != origin.proof {
            return Err(ApiError::listed(
                400,
                "failed to renew entry: client identity during renewal not matching client \
                 identity used during login",
            ));
        }
    }
    let role = role::load(renewal.keyspace, session, &origin.role)?;
    role.map(|role| renewal.unchanged(role.params)).transpose()
}

fn shown(certificates: &Certificates) -> ApiResult<&[Vec<u8>]> {
    let shown = certificates.as_deref().filter(|chain| !chain.is_empty());
    shown.map(Vec::as_slice).ok_or_else(|| ApiError::bad_request("no client certificate found"))
}

/// Names a certificate without being it.
fn fingerprint(chain: &[Vec<u8>]) -> String {
    chain.first().map(|own| blake3::hash(own).to_hex().to_string()).unwrap_or_default()
}

struct Found {
    name: String,
    role: Role,
    client: Client,
}

/// The first of the roles that trusts the client and whose rules its certificate keeps.
fn find(
    keyspace: KeyspaceId,
    session: &mut Session,
    names: &[String],
    chain: &[Vec<u8>],
    now: std::time::SystemTime,
) -> ApiResult<Found> {
    let foreign = || ApiError::bad_request("invalid certificate or no client certificate supplied");
    let client = chain.first().and_then(|own| Client::parse(own)).ok_or_else(foreign)?;
    let revoked = Revoked::load(keyspace, session)?;
    let mut known = false;
    for name in names {
        let Some(role) = role::load(keyspace, session, name)? else { continue };
        match trust::judge(&role.certificates(), chain, &revoked, now) {
            Verdict::Foreign => {}
            Verdict::Trusted if role.rules.admit(&client) => {
                return Ok(Found { name: name.clone(), role, client });
            }
            Verdict::Revoked | Verdict::Trusted => known = true,
        }
    }
    if known {
        return Err(ApiError::bad_request(
            "no chain matching all constraints could be found for this login certificate",
        ));
    }
    Err(foreign())
}
