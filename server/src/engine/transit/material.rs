//! What one version of a key is made of: generated, imported, or read from a backup.

use base64::Engine;
use rustls_pki_types::pem::SectionKind;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::stamp::Stamp;
use super::cipher::signing_key;
use super::encoding::{self, Plain};
use super::kind::{Family, Kind};
use super::native::Pkey;
use super::pem;
use super::secret::{Secret, base64_bytes};
use super::wire::BASE64;
use crate::logical::{ApiError, ApiResult};
use aws_lc_rs::signature::KeyPair;

/// Bytes of the HMAC key that every version has.
const HMAC_KEY_LEN: usize = 32;
/// Bytes of the seed of an ed25519 or ML-DSA key.
pub(super) const SEED_LEN: usize = 32;
/// Bytes that an HMAC key may have.
pub(super) const HMAC_KEY_LENGTHS: std::ops::RangeInclusive<usize> = 32..=512;

/// One version as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Version {
    /// A symmetric key; the seed and the public key of ed25519; the seed of ML-DSA; PKCS #8 of the
    /// others. Empty when only the public key was imported.
    pub(super) key: Secret,
    pub(super) hmac_key: Secret,
    /// Of keys that sign and are not derived: the bytes of ed25519 and ML-DSA keys,
    /// `SubjectPublicKeyInfo` of the others.
    #[serde(default, with = "base64_bytes", skip_serializing_if = "Vec::is_empty")]
    pub(super) public: Vec<u8>,
    pub(super) created: Stamp,
    /// Certificates in PEM, the key's own first; empty if there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) certificates: String,
}

impl Version {
    /// A new one. `size` is the length of an HMAC key; the other types have theirs.
    pub(super) fn generate(kind: Kind, derived: bool, size: usize, now: Stamp) -> ApiResult<Self> {
        let failed = || ApiError::internal("a key could not be generated");
        let key = match kind.family() {
            Family::Aead(len) => Secret::random(len)?,
            Family::Hmac => Secret::random(size)?,
            Family::Ed25519 | Family::MlDsa(_) => Secret::random(SEED_LEN)?,
            Family::Ecdsa(curve) => private(&Pkey::generate_ec(curve).ok_or_else(failed)?)?,
            Family::Rsa(bits) => {
                let pair = unhurried(|| Pkey::generate_rsa(bits.into()));
                private(&pair.ok_or_else(failed)?)?
            }
        };
        Self::of(kind, derived, key, now).ok_or_else(failed)
    }

    /// From the key itself, in the stored form; of ed25519 and ML-DSA the seed is enough. `None` when
    /// it is no key of this type.
    pub(super) fn of(kind: Kind, derived: bool, key: Secret, created: Stamp) -> Option<Self> {
        let mut public = Vec::new();
        let bytes = key.expose();
        let key = match kind.family() {
            Family::Aead(len) => (bytes.len() == len).then_some(key)?,
            Family::Hmac => HMAC_KEY_LENGTHS.contains(&bytes.len()).then_some(key)?,
            Family::Ed25519 => {
                let (seed, given) = bytes.split_at_checked(SEED_LEN)?;
                let pair = signing_key(seed).ok()?;
                let half = pair.public_key().as_ref();
                if !given.is_empty() && given != half {
                    return None;
                }
                if !derived {
                    public = half.to_vec();
                }
                Secret::from_bytes([seed, half].concat())
            }
            Family::MlDsa(parameters) => {
                let seed: &[u8; SEED_LEN] = bytes.try_into().ok()?;
                public = Pkey::from_ml_dsa_seed(parameters, seed)?.ml_dsa_public()?;
                key
            }
            Family::Ecdsa(_) | Family::Rsa(_) => {
                let pair = Pkey::from_pkcs8(bytes).filter(|pair| fits(kind, pair))?;
                public = pair.to_spki()?;
                key
            }
        };
        let hmac_key = match kind.family() {
            Family::Hmac => key.clone(),
            _ => Secret::random(HMAC_KEY_LEN).ok()?,
        };
        Some(Self { key, hmac_key, public, created, certificates: String::new() })
    }

    /// From what an import unwrapped: the bytes of a symmetric key, PKCS #8 of the others.
    pub(super) fn import(kind: Kind, derived: bool, bytes: &[u8], now: Stamp) -> ApiResult<Self> {
        let key = match kind.plain() {
            Some(plain) => plain.seed_of(bytes).map(|seed| Secret::from_bytes(seed.to_vec())),
            None => Some(Secret::from_bytes(bytes.to_vec())),
        };
        key.and_then(|key| Self::of(kind, derived, key, now)).ok_or_else(|| {
            ApiError::bad_request(format!("error importing key: not a key of type {}", kind.name()))
        })
    }

    /// From a public key in PEM, without the private one.
    pub(super) fn import_public(kind: Kind, text: &str, now: Stamp) -> ApiResult<Self> {
        let spki = pem::decode(text, SectionKind::PublicKey).ok_or_else(|| {
            ApiError::bad_request(
                "error importing key: error parsing public key: not in PEM format",
            )
        })?;
        Self::public_only(kind, &spki, now).ok_or_else(|| {
            let name = kind.name();
            ApiError::bad_request(format!("error importing key: not a public key of type {name}"))
        })
    }

    /// From a `SubjectPublicKeyInfo`; `None` when it is no key of this type.
    pub(super) fn public_only(kind: Kind, spki: &[u8], created: Stamp) -> Option<Self> {
        Some(Self {
            key: Secret::from_bytes(Vec::new()),
            hmac_key: Secret::random(HMAC_KEY_LEN).ok()?,
            public: Self::public_of(kind, spki)?,
            created,
            certificates: String::new(),
        })
    }

    /// The stored form of a public key of this type.
    fn public_of(kind: Kind, spki: &[u8]) -> Option<Vec<u8>> {
        match kind.family() {
            Family::Ed25519 => Plain::Ed25519.public_of(spki).filter(|key| key.len() == 32),
            Family::MlDsa(parameters) => {
                let key = Plain::MlDsa(parameters).public_of(spki)?;
                Pkey::from_ml_dsa_public(parameters, &key).map(|_| key)
            }
            Family::Ecdsa(_) | Family::Rsa(_) => {
                Pkey::from_spki(spki).filter(|key| fits(kind, key))?.to_spki()
            }
            Family::Aead(_) | Family::Hmac => None,
        }
    }

    /// Whether there is more than a public key.
    pub(super) fn is_private(&self) -> bool {
        !self.key.expose().is_empty()
    }

    /// The key in the library's form, private if it is there; not for symmetric ones and ed25519.
    pub(super) fn pkey(&self, kind: Kind) -> Option<Pkey> {
        let key = self.key.expose();
        match (kind.family(), self.is_private()) {
            (Family::MlDsa(parameters), true) => {
                Pkey::from_ml_dsa_seed(parameters, key.try_into().ok()?)
            }
            (Family::MlDsa(parameters), false) => {
                Pkey::from_ml_dsa_public(parameters, &self.public)
            }
            (_, true) => Pkey::from_pkcs8(key),
            (_, false) => Pkey::from_spki(&self.public),
        }
    }

    /// PKCS #8 of a key that signs; `None` without the private key.
    pub(super) fn pkcs8(&self, kind: Kind) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.key.expose();
        if !self.is_private() {
            return None;
        }
        Some(match kind.plain() {
            Some(plain) => plain.pkcs8(key.get(..SEED_LEN)?),
            None => Zeroizing::new(key.to_vec()),
        })
    }

    /// The public key as `SubjectPublicKeyInfo`.
    pub(super) fn spki(&self, kind: Kind) -> Vec<u8> {
        match kind.plain() {
            Some(plain) => plain.spki(&self.public),
            None => self.public.clone(),
        }
    }

    /// The public key as descriptions of keys show it: base64 of plain bytes, PEM of the others.
    pub(super) fn public_text(&self, kind: Kind) -> String {
        if kind.plain().is_some() {
            return BASE64.encode(&self.public);
        }
        pem::encode("PUBLIC KEY", &self.public).to_string()
    }

    /// The private key as PEM of its own family (SEC 1, PKCS #1); `None` for other families and
    /// without the private key.
    pub(super) fn family_pem(&self, kind: Kind) -> Option<Zeroizing<String>> {
        let key = self.key.expose();
        match kind.family() {
            Family::Ecdsa(curve) => {
                let sec1 = encoding::ec_sec1(curve, key, &self.public)?;
                Some(pem::encode("EC PRIVATE KEY", &sec1))
            }
            Family::Rsa(_) => Some(pem::encode("RSA PRIVATE KEY", encoding::rsa_of_pkcs8(key)?)),
            _ => None,
        }
    }
}

impl Kind {
    /// How a key that is plain bytes is encoded.
    pub(super) fn plain(self) -> Option<Plain> {
        match self.family() {
            Family::Ed25519 => Some(Plain::Ed25519),
            Family::MlDsa(parameters) => Some(Plain::MlDsa(parameters)),
            _ => None,
        }
    }
}

fn fits(kind: Kind, key: &Pkey) -> bool {
    match kind.family() {
        Family::Ecdsa(curve) => key.curve() == Some(curve),
        Family::Rsa(bits) => key.is_rsa() && key.bits() == usize::from(bits),
        _ => false,
    }
}

fn private(key: &Pkey) -> ApiResult<Secret> {
    let der = key.to_pkcs8().ok_or_else(|| ApiError::internal("a key could not be encoded"))?;
    Ok(Secret::from_bytes(der.to_vec()))
}

/// Work that may take a second: other requests that wait for this thread are moved to another.
pub(super) fn unhurried<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// As [`unhurried`], where so many operations with private keys of this kind take as long.
pub(super) fn unhurried_if_many<T>(kind: Kind, operations: usize, work: impl FnOnce() -> T) -> T {
    /// An operation takes a millisecond, or several.
    const MANY: usize = 8;
    match kind.family() {
        Family::Rsa(_) if operations > MANY => unhurried(work),
        _ => work(),
    }
}
