//! TLS of the API listeners, with certificates that can be replaced while in use.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::ask::AskClients;
use crate::config::TlsFiles;

/// Why TLS cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is not PEM of the right kind.
    #[error("{path}: {what}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// Certificate and key do not go together, or the key is of a kind that is not supported.
    #[error("{path}: the certificate and its key cannot be used: {cause}")]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// Neither `tls12` nor `tls13`.
    #[error("tls_min_version {0:?} is not supported: use tls12 or tls13")]
    Version(String),
}

/// TLS of one listener.
pub(super) struct Tls {
    /// Takes connections.
    pub(super) acceptor: TlsAcceptor,
    files: TlsFiles,
    resolver: Arc<Resolver>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let resolver = Arc::new(Resolver(ArcSwap::from_pointee(load(files)?)));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions(files)?)
            .map_err(|e| pair(files, &e))?
            .with_client_cert_verifier(clients(files)?)
            .with_cert_resolver(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>);
        let mut config = config;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, files: files.clone(), resolver })
    }

    /// Reads the files again; new connections get the new certificate.
    ///
    /// # Errors
    /// [`TlsError`]; the old certificate stays in use then.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        self.resolver.0.store(Arc::new(load(&self.files)?));
        Ok(())
    }
}

struct Resolver(ArcSwap<CertifiedKey>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

fn versions(files: &TlsFiles) -> Result<&'static [&'static SupportedProtocolVersion], TlsError> {
    static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
    static ONLY_12: [&SupportedProtocolVersion; 1] = [&version::TLS12];
    static ONLY_13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
    let number = |word: Option<&str>, default| match word {
        None | Some("") => Ok(default),
        Some("tls12") => Ok(12),
        Some("tls13") => Ok(13),
        Some(other) => Err(TlsError::Version(other.to_owned())),
    };
    match (number(files.min_version.as_deref(), 12)?, number(files.max_version.as_deref(), 13)?) {
        (12, 13) => Ok(&BOTH),
        (12, 12) => Ok(&ONLY_12),
        (13, 13) => Ok(&ONLY_13),
        _ => Err(TlsError::Version("tls_min_version above tls_max_version".to_owned())),
    }
}

/// What is asked of clients: nothing, a certificate if they have one, or one of an authority.
fn clients(files: &TlsFiles) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    if !files.client_certs {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let Some(path) = &files.client_ca_file else {
        if files.require_client_cert {
            return Err(file(
                &files.cert_file,
                "tls_require_and_verify_client_cert",
                &"needs tls_client_ca_file",
            ));
        }
        return Ok(Arc::new(AskClients::new(Vec::new())));
    };
    let what = "PEM certificates of authorities are expected";
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| file(path, what, &e))? {
        let certificate = certificate.map_err(|e| file(path, what, &e))?;
        roots.add(certificate).map_err(|e| file(path, what, &e))?;
    }
    if !files.require_client_cert {
        return Ok(Arc::new(AskClients::new(roots.subjects())));
    }
    let provider = Arc::new(default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|e| file(path, what, &e))
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert_file)
        .and_then(Iterator::collect)
        .map_err(|e| file(&files.cert_file, "a PEM certificate is expected", &e))?;
    if chain.is_empty() {
        return Err(file(&files.cert_file, "a PEM certificate is expected", &"there is none"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|e| file(&files.key_file, "a PEM private key is expected", &e))?;
    let certified =
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(|e| pair(files, &e))?;
    certified.keys_match().map_err(|e| pair(files, &e))?;
    Ok(certified)
}

fn file(path: &Path, what: &'static str, cause: &dyn fmt::Display) -> TlsError {
    TlsError::File { path: path.to_owned(), what, cause: cause.to_string() }
}

fn pair(files: &TlsFiles, cause: &dyn fmt::Display) -> TlsError {
    TlsError::Pair { path: files.cert_file.clone(), cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(folder: &Path, name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(folder.join("cert.pem"), &cert).unwrap();
        fs::write(folder.join("key.pem"), &key).unwrap();
        (cert, key)
    }

    #[test]
    fn files_are_checked_and_a_bad_reload_keeps_the_old_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let files = TlsFiles::new(at("cert.pem"), at("key.pem"));
        assert!(matches!(Tls::new(&files), Err(TlsError::File { .. })));
        let (first, _) = write(folder.path(), "one.test");
        let tls = Tls::new(&files).unwrap();
        let in_use = || tls.resolver.0.load().cert[0].clone();
        let one = in_use();
        write(folder.path(), "two.test");
        tls.reload().unwrap();
        let two = in_use();
        assert_ne!(one, two);
        // A certificate without its key.
        fs::write(&files.cert_file, first).unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::Pair { .. })));
        fs::write(&files.cert_file, "junk").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::File { .. })));
        assert_eq!(in_use(), two);
        let alone = TlsFiles { require_client_cert: true, ..files.clone() };
        assert!(matches!(Tls::new(&alone), Err(TlsError::File { .. })));
        let odd = TlsFiles { min_version: Some("tls10".to_owned()), ..files };
        assert!(matches!(Tls::new(&odd), Err(TlsError::Version(_) | TlsError::File { .. })));
    }
}
