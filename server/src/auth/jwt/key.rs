//! Public keys, and the algorithms that each of them verifies (RFC 7518, RFC 8037).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo, X509Certificate};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

/// An algorithm by its name in headers.
struct Algorithm {
    name: &'static str,
    kind: Kind,
    verify: &'static dyn VerificationAlgorithm,
}

static ALGORITHMS: [Algorithm; 10] = [
    Algorithm { name: "RS256", kind: Kind::Rsa, verify: &RSA_PKCS1_2048_8192_SHA256 },
    Algorithm { name: "RS384", kind: Kind::Rsa, verify: &RSA_PKCS1_2048_8192_SHA384 },
    Algorithm { name: "RS512", kind: Kind::Rsa, verify: &RSA_PKCS1_2048_8192_SHA512 },
    Algorithm { name: "PS256", kind: Kind::Rsa, verify: &RSA_PSS_2048_8192_SHA256 },
    Algorithm { name: "PS384", kind: Kind::Rsa, verify: &RSA_PSS_2048_8192_SHA384 },
    Algorithm { name: "PS512", kind: Kind::Rsa, verify: &RSA_PSS_2048_8192_SHA512 },
    Algorithm { name: "ES256", kind: Kind::P256, verify: &ECDSA_P256_SHA256_FIXED },
    Algorithm { name: "ES384", kind: Kind::P384, verify: &ECDSA_P384_SHA384_FIXED },
    Algorithm { name: "ES512", kind: Kind::P521, verify: &ECDSA_P521_SHA512_FIXED },
    Algorithm { name: "EdDSA", kind: Kind::Ed25519, verify: &ED25519 },
];

/// Whether there is such an algorithm: one with a public key, so neither `none` nor HMAC.
pub(super) fn is_known(algorithm: &str) -> bool {
    ALGORITHMS.iter().any(|a| a.name == algorithm)
}

/// A public key.
pub(super) struct PublicKey {
    kind: Kind,
    bytes: Vec<u8>,
}

impl PublicKey {
    /// Reads a public key or a certificate in PEM; `None` for what is neither, or of a kind that no
    /// algorithm is for.
    pub(super) fn parse(pem: &str) -> Option<Self> {
        let mut blocks = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes());
        let (kind, der) = blocks.find_map(Result::ok)?;
        match kind {
            SectionKind::PublicKey => {
                Self::from_info(&SubjectPublicKeyInfo::from_der(&der).ok()?.1)
            }
            SectionKind::Certificate => {
                Self::from_info(X509Certificate::from_der(&der).ok()?.1.public_key())
            }
            _ => None,
        }
    }

    fn from_info(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        let curve = || info.algorithm.parameters.as_ref()?.as_oid().ok().map(|o| o.to_id_string());
        let kind = match info.algorithm.algorithm.to_id_string().as_str() {
            "1.2.840.113549.1.1.1" => Kind::Rsa,
            "1.3.101.112" => Kind::Ed25519,
            "1.2.840.10045.2.1" => match curve()?.as_str() {
                "1.2.840.10045.3.1.7" => Kind::P256,
                "1.3.132.0.34" => Kind::P384,
                "1.3.132.0.35" => Kind::P521,
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { kind, bytes: info.subject_public_key.data.to_vec() })
    }

    /// Whether this key made the signature, by an algorithm that is for keys of its kind.
    pub(super) fn signed(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let fits = |a: &&Algorithm| a.name == algorithm && a.kind == self.kind;
        let found = ALGORITHMS.iter().find(fits);
        found.is_some_and(|a| {
            UnparsedPublicKey::new(a.verify, &self.bytes).verify(message, signature).is_ok()
        })
    }
}
