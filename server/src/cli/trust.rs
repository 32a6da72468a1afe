//! Whom the client trusts over TLS: a given CA, the machine's bundle, or, when told so, anyone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{
    Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem,
};

use super::error::CliError;

/// Where distributions keep their bundle of CAs.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// Options and variables about TLS.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// The only CA to trust.
    pub(super) ca_cert: Option<PathBuf>,
    /// PEM chain shown to the server.
    pub(super) client_cert: Option<PathBuf>,
    /// Its key.
    pub(super) client_key: Option<PathBuf>,
    /// Check nothing.
    pub(super) skip_verify: bool,
    /// Overrides the machine's bundle.
    pub(super) system_bundle: Option<PathBuf>,
}

impl Trust {
    /// The transport's settings. Reads files only when `https` is spoken.
    pub(super) fn tls_config(&self, https: bool) -> Result<TlsConfig, CliError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut builder = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .disable_verification(self.skip_verify);
        if !https {
            return Ok(builder.root_certs(RootCerts::new_with_certs(&[])).build());
        }
        builder = builder.root_certs(RootCerts::new_with_certs(&self.roots()?));
        if let (Some(cert), Some(key)) = (&self.client_cert, &self.client_key) {
            let chain = certificates(cert, "client certificate")?;
            let key_error = |detail: String| CliError::Certificate {
                what: "client key",
                path: key.clone(),
                detail,
            };
            let pem = std::fs::read(key).map_err(|e| key_error(e.to_string()))?;
            let key = PrivateKey::from_pem(&pem).map_err(|e| key_error(e.to_string()))?;
            builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(builder.build())
    }

    fn roots(&self) -> Result<Vec<Certificate<'static>>, CliError> {
        if let Some(path) = &self.ca_cert {
            return certificates(path, "CA certificate");
        }
        if self.skip_verify {
            return Ok(Vec::new());
        }
        if let Some(path) = &self.system_bundle {
            return certificates(path, "CA bundle");
        }
        match SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists()) {
            Some(path) => certificates(path, "CA bundle"),
            None => Ok(Vec::new()),
        }
    }
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<Certificate<'static>>, CliError> {
    let bad = |detail: String| CliError::Certificate { what, path: path.to_owned(), detail };
    let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| bad(e.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(bad("has no PEM certificate".to_owned())) } else { Ok(found) }
}
