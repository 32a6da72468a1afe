//! Fetches the bundle behind an activation token from the primary's API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::bundle::Bundle;
use super::tls;

/// The whole exchange, at most.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);
/// Longest answer, bytes.
const ANSWER_MAX: u64 = 1 << 20;
/// Where systems keep their trusted certificates.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why there is no bundle. Nothing of this cluster was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnwrapError {
    /// Not a URL with a host.
    #[error(
        "`{0}` is not an API address; give primary_api_addr as https://host:8200 or http://host:8200"
    )]
    Address(String),
    /// `ca_file` or `ca_path` cannot be used.
    #[error("cannot read certificates from {path}: {cause}; check ca_file and ca_path")]
    CaFile {
        /// Which.
        path: String,
        /// Why.
        cause: String,
    },
    /// There are no roots to trust.
    #[error("no trusted certificates found on this system; give ca_file or ca_path")]
    NoRoots,
    /// The primary cannot be reached.
    #[error(
        "cannot reach the primary's API at {address}: {cause}; check primary_api_addr, ca_file and ca_path"
    )]
    Reach {
        /// Where.
        address: String,
        /// What the network or TLS said.
        cause: String,
    },
    /// The primary refused the token.
    #[error(
        "the primary at {address} refused the activation token with status {status} ({text}); it was \
         used before, has expired, was revoked, or belongs to another cluster: ask the primary for a \
         new one"
    )]
    Refused {
        /// Where.
        address: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        text: String,
    },
    /// Something else answered.
    #[error("{0} does not answer as a primary; check primary_api_addr")]
    NoBundle(String),
}

/// Whom to trust as the primary's API.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    /// PEM file, or empty.
    pub(crate) ca_file: String,
    /// Folder of PEM files, or empty.
    pub(crate) ca_path: String,
}

#[derive(Deserialize)]
struct Envelope {
    data: Option<Box<RawValue>>,
    #[serde(default)]
    errors: Vec<String>,
}

/// Unwraps `token` at `address`. Blocks: not for async threads. The token is used up when this
/// succeeds, and may be when it fails half way.
pub(crate) fn unwrap(address: &str, token: &str, trust: &Trust) -> Result<Bundle, UnwrapError> {
    let base = address.trim_end_matches('/');
    let secure = base.starts_with("https://");
    if !secure && !base.starts_with("http://") {
        return Err(UnwrapError::Address(address.to_owned()));
    }
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(EXCHANGE_MAX))
        // An activation token is not to pass through a proxy that the environment happens to name.
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0);
    if secure {
        let roots = RootCerts::Specific(Arc::new(roots(trust)?));
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(tls::provider())
            .root_certs(roots)
            .build();
        config = config.tls_config(tls);
    }
    let agent: ureq::Agent = config.build().into();
    let reach =
        |e: ureq::Error| UnwrapError::Reach { address: base.to_owned(), cause: e.to_string() };
    let mut answer = agent
        .post(format!("{base}/v1/sys/wrapping/unwrap"))
        .send_json(serde_json::json!({ "token": token }))
        .map_err(reach)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(reach)?;
    let envelope: Option<Envelope> = serde_json::from_slice(&body).ok();
    let Some(envelope) = envelope else {
        return Err(UnwrapError::NoBundle(base.to_owned()));
    };
    if status != 200 {
        let text = envelope.errors.join("; ");
        return Err(UnwrapError::Refused { address: base.to_owned(), status, text });
    }
    envelope
        .data
        .and_then(|data| Bundle::from_json(data.get().as_bytes()))
        .ok_or_else(|| UnwrapError::NoBundle(base.to_owned()))
}

fn roots(trust: &Trust) -> Result<Vec<Certificate<'static>>, UnwrapError> {
    let mut files: Vec<PathBuf> = Vec::new();
    if !trust.ca_file.is_empty() {
        files.push(PathBuf::from(&trust.ca_file));
    }
    if !trust.ca_path.is_empty() {
        files.extend(folder(Path::new(&trust.ca_path))?);
    }
    if files.is_empty() {
        let system = SYSTEM_ROOTS.iter().map(PathBuf::from).find(|path| path.exists());
        files.push(system.ok_or(UnwrapError::NoRoots)?);
    }
    let mut roots = Vec::new();
    for file in &files {
        roots.extend(certificates(file)?);
    }
    if roots.is_empty() { Err(UnwrapError::NoRoots) } else { Ok(roots) }
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, UnwrapError> {
    let failed = |cause: String| UnwrapError::CaFile { path: file.display().to_string(), cause };
    let pem = std::fs::read(file).map_err(|e| failed(e.to_string()))?;
    CertificateDer::pem_slice_iter(&pem)
        .map(|der| der.map(|der| Certificate::from_der(&der).to_owned()))
        .collect::<Result<_, _>>()
        .map_err(|e| failed(e.to_string()))
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, UnwrapError> {
    let failed = |e: std::io::Error| UnwrapError::CaFile {
        path: path.display().to_string(),
        cause: e.to_string(),
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.is_file() {
            files.push(file);
        }
    }
    Ok(files)
}
