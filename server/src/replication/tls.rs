//! TLS of the cluster port: 1.3 only, both sides authenticated by the replication CA, ALPN picks the
//! protocol. No session is ever resumed, so every connection shows its certificate.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

use super::bundle::Bundle;
use super::ca::{Identity, SERVER_NAME};

/// Replication, and forwarding from secondaries. `strongroom-fwd/1` is kept for forwarding from a
/// standby to the active node of one cluster.
pub(crate) const ALPN_REPLICATION: &[u8] = b"strongroom-repl/1";

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// Certificate or key are not usable.
    #[error("replication certificate or key is not usable: {0}")]
    Rustls(#[from] rustls::Error),
    /// The CA is not usable for checking secondaries.
    #[error("replication CA is not usable: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

/// The provider that all of replication uses.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// For the cluster port of a primary.
pub(crate) fn server(ca_cert: &[u8], identity: &Identity) -> Result<ServerConfig, TlsError> {
    let roots = Arc::new(roots(ca_cert)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![CertificateDer::from(identity.cert.clone())], key(identity))?;
    config.alpn_protocols = vec![ALPN_REPLICATION.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// For a secondary.
pub(crate) fn client(bundle: &Bundle) -> Result<ClientConfig, TlsError> {
    let identity = Identity { cert: bundle.client_cert.clone(), key: bundle.client_key.clone() };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(&bundle.ca_cert)?)
        .with_client_auth_cert(vec![CertificateDer::from(identity.cert.clone())], key(&identity))?;
    config.alpn_protocols = vec![ALPN_REPLICATION.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The name that a secondary expects, wherever the primary is reached.
pub(crate) fn server_name() -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(SERVER_NAME)
        .map_err(|_| TlsError::Rustls(rustls::Error::General("server name".to_owned())))
}

fn roots(ca_cert: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca_cert.to_vec()))?;
    Ok(roots)
}

fn key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.expose().to_vec()))
}
