//! `crls`: revoked certificates, by serial number alone.
//!
//! A list is taken as it is given: whoever may write here is trusted, so neither its signature nor
//! its dates are looked at.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use strongroom_storage::KeyspaceId;
use x509_parser::num_bigint::BigUint;

use crate::barrier::Session;
use crate::handler::CoreCall;
use crate::logical::{ApiError, ApiResult, Response, Scalar};

const PREFIX: &str = "crl/";
/// Lists of one mount at most.
const LISTS_MAX: usize = 1024;
/// Bytes of one list as it is stored.
const BYTES_MAX: usize = 8 << 20;

/// All revoked serial numbers of a mount.
pub(super) struct Revoked(Vec<Arc<HashSet<String>>>);

impl Revoked {
    /// Reads all lists.
    pub(super) fn load(keyspace: KeyspaceId, session: &mut Session) -> ApiResult<Self> {
        let mut view = session.view(keyspace);
        let mut lists = Vec::new();
        for key in view.scan(PREFIX, None, LISTS_MAX) {
            lists.extend(view.cached_json(&key)?);
        }
        Ok(Self(lists))
    }

    /// Whether a serial number, as it stands in a certificate, is on a list.
    pub(super) fn holds(&self, serial: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let serial = BigUint::from_bytes_be(serial).to_string();
        self.0.iter().any(|list| list.contains(&serial))
    }

    /// A mount without lists.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// One list with one serial number.
    #[cfg(test)]
    pub(super) fn one(serial: &[u8]) -> Self {
        let serial = BigUint::from_bytes_be(serial).to_string();
        Self(vec![Arc::new(HashSet::from([serial]))])
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    crl: Scalar,
    url: Scalar,
}

fn key(core: &CoreCall<'_>) -> String {
    format!("{PREFIX}{}", core.call.param("name").to_lowercase())
}

fn unknown(core: &CoreCall<'_>) -> ApiError {
    ApiError::bad_request(format!("no such CRL {}", core.call.param("name").to_lowercase()))
}

/// `crls`.
pub(super) fn list(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    Response::list(&session.view(core.keyspace).list(PREFIX, None, LISTS_MAX))
}

/// `crls/<name>`.
pub(super) fn read(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let serials: Vec<String> =
        session.view(core.keyspace).get_json(&key(core))?.ok_or_else(|| unknown(core))?;
    let serials: BTreeMap<&str, _> = serials.iter().map(|s| (s.as_str(), json!({}))).collect();
    Response::data(&if serials.is_empty() { json!({}) } else { json!({ "serials": serials }) })
}

/// `crls/<name>`.
pub(super) fn write(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let body: Body = core.call.parse()?;
    if body.crl.0.is_empty() && !body.url.0.is_empty() {
        return Err(ApiError::bad_request(
            "fetching a CRL by its 'url' is not supported: give the list itself as 'crl'",
        ));
    }
    if body.crl.0.is_empty() {
        return Err(ApiError::bad_request("one of 'crl' or 'url' must be provided"));
    }
    let serials = parse(&body.crl.0).ok_or_else(|| ApiError::bad_request("failed to parse CRL"))?;
    if serials.iter().map(|s| s.len() + 3).sum::<usize>() > BYTES_MAX {
        return Err(ApiError::bad_request("the CRL is too large: 8 MiB of numbers is the limit"));
    }
    let mut view = session.view(core.keyspace);
    if !view.exists(&key(core))? && view.list(PREFIX, None, LISTS_MAX).len() == LISTS_MAX {
        return Err(ApiError::bad_request("too many CRLs: 1024 is the limit"));
    }
    view.put_json(&key(core), &serials)?;
    Ok(Response::empty())
}

/// `crls/<name>`.
pub(super) fn delete(core: &CoreCall<'_>, session: &mut Session) -> ApiResult<Response> {
    let mut view = session.view(core.keyspace);
    if !view.exists(&key(core))? {
        return Err(unknown(core));
    }
    view.delete(&key(core));
    Ok(Response::empty())
}

/// The serial numbers in decimal; `None` for what is no list.
fn parse(pem: &str) -> Option<Vec<String>> {
    let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (rest, list) = x509_parser::parse_x509_crl(&der).ok()?;
    let serials = list.iter_revoked_certificates().map(|r| r.user_certificate.to_string());
    rest.is_empty().then(|| serials.collect())
}
