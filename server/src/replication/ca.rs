//! The replication CA: self-signed, one per primary, its key never leaves the primary.
//!
//! It issues the cluster port's server certificate and one client certificate per secondary
//! (ECDSA P-256). The two are kept apart by their extended key usage, so that no secondary can pose
//! as the primary towards another. Who is who is decided by the certificate's fingerprint, which
//! the primary keeps; the names inside are for people.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use super::secret::Secret;

/// The name in every server certificate; secondaries connect to addresses, but check this.
pub(crate) const SERVER_NAME: &str = "primary.replication.strongroom";
/// Life of the CA and of what it issues: ten years. Revocation is by the list of known secondaries.
pub(crate) const LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);
/// How much a secondary's clock may be behind, at most.
const SKEW: Duration = Duration::from_hours(24);

/// A certificate and its private key (PKCS#8).
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) cert: Vec<u8>,
    pub(crate) key: Secret,
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaError {
    /// The stored CA is damaged, or the library refused.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The operating system gave no random bytes.
    #[error("no randomness from the operating system")]
    Random,
}

/// The CA of a primary.
pub(crate) struct Ca {
    cert: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// A new CA for the replication set `cluster_id`.
    pub(crate) fn generate(cluster_id: &str, now: SystemTime) -> Result<Identity, CaError> {
        let key = KeyPair::generate()?;
        let mut params = params(&format!("strongroom replication CA {cluster_id}"), now, LIFETIME)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert = params.self_signed(&key)?;
        Ok(Identity { cert: cert.der().to_vec(), key: Secret::new(key.serialize_der()) })
    }

    /// A stored CA.
    pub(crate) fn open(identity: &Identity) -> Result<Self, CaError> {
        let key = KeyPair::try_from(identity.key.expose())?;
        let der = CertificateDer::from(identity.cert.clone());
        Ok(Self { cert: identity.cert.clone(), issuer: Issuer::from_ca_cert_der(&der, key)? })
    }

    /// The CA's certificate, DER.
    pub(crate) fn cert(&self) -> &[u8] {
        &self.cert
    }

    /// The cluster port's certificate; a new one at each start.
    pub(crate) fn issue_server(&self, now: SystemTime) -> Result<Identity, CaError> {
        let mut params = params(SERVER_NAME, now, LIFETIME)?;
        params.subject_alt_names = vec![rcgen::SanType::DnsName(SERVER_NAME.try_into()?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// The certificate of the secondary `id`.
    pub(crate) fn issue_client(
        &self,
        id: &str,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Identity, CaError> {
        let mut params = params(&format!("secondary {id}"), now, lifetime)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Identity, CaError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { cert: cert.der().to_vec(), key: Secret::new(key.serialize_der()) })
    }
}

/// What a certificate is known by: BLAKE3-256 of its DER form, hex.
pub(crate) fn fingerprint(cert: &[u8]) -> String {
    blake3::hash(cert).to_hex().to_string()
}

fn params(name: &str, now: SystemTime, lifetime: Duration) -> Result<CertificateParams, CaError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|_| CaError::Random)?;
    serial[0] &= 0x7f;
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::from(now.checked_sub(SKEW).unwrap_or(now));
    params.not_after = OffsetDateTime::from(now + lifetime);
    Ok(params)
}
