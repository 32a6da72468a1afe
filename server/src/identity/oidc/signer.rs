//! Key pairs that sign tokens, and their public halves as JWKs (RFC 7515, 7517, 7518, 8037).

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;
use zeroize::Zeroizing;

use crate::logical::{ApiError, ApiResult};

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "ES512")]
    Es512,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

enum Family {
    Rsa(&'static dyn RsaEncoding, &'static dyn VerificationAlgorithm),
    Ec(&'static EcdsaSigningAlgorithm, &'static dyn VerificationAlgorithm, &'static str),
    Ed25519,
}

impl Algorithm {
    /// All, in the order in which they are told.
    pub(super) const ALL: [Self; 7] =
        [Self::Rs256, Self::Rs384, Self::Rs512, Self::Es256, Self::Es384, Self::Es512, Self::EdDsa];

    /// As headers name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// By its name.
    pub(super) fn parse(name: &str) -> ApiResult<Self> {
        Self::ALL
            .into_iter()
            .find(|a| a.name() == name)
            .ok_or_else(|| ApiError::bad_request(format!("unknown signing algorithm {name:?}")))
    }

    fn family(self) -> Family {
        match self {
            Self::Rs256 => Family::Rsa(&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Family::Rsa(&RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Family::Rsa(&RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
            Self::Es256 => {
                Family::Ec(&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_FIXED, "P-256")
            }
            Self::Es384 => {
                Family::Ec(&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED, "P-384")
            }
            Self::Es512 => {
                Family::Ec(&ECDSA_P521_SHA512_FIXED_SIGNING, &ECDSA_P521_SHA512_FIXED, "P-521")
            }
            Self::EdDsa => Family::Ed25519,
        }
    }
}

/// The public half of a key pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Public {
    /// `kid` of headers; a uuid.
    pub(super) id: String,
    /// What it verifies.
    pub(super) algorithm: Algorithm,
    /// `SubjectPublicKeyInfo` of RSA keys, the point or the bytes of others; base64url.
    key: String,
}

/// A key pair.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pair {
    /// What others may know of it.
    pub(super) public: Public,
    /// PKCS #8 in base64url; a secret.
    private: Private,
}

/// Text that is wiped when it is dropped.
#[derive(Clone)]
struct Private(Zeroizing<String>);

impl Serialize for Private {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Private {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Zeroizing::new(text)))
    }
}

impl Pair {
    /// A new one.
    pub(super) fn generate(algorithm: Algorithm) -> ApiResult<Self> {
        let (private, key) = generate(algorithm)
            .ok_or_else(|| ApiError::internal("a signing key could not be generated"))?;
        let public =
            Public { id: Uuid::new_v4().to_string(), algorithm, key: URL_SAFE_NO_PAD.encode(key) };
        let private = Private(Zeroizing::new(URL_SAFE_NO_PAD.encode(&*private)));
        Ok(Self { public, private })
    }

    /// A token (JWS in its compact form) with these claims.
    pub(super) fn sign(&self, claims: &Value) -> ApiResult<String> {
        let header = json!({ "alg": self.public.algorithm.name(), "kid": self.public.id });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut token = format!("{}.{}", part(&header), part(claims));
        let signature = self
            .signature(token.as_bytes())
            .ok_or_else(|| ApiError::internal("a token could not be signed"))?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let pkcs8 = Zeroizing::new(URL_SAFE_NO_PAD.decode(&*self.private.0).ok()?);
        let random = SystemRandom::new();
        Some(match self.public.algorithm.family() {
            Family::Rsa(encoding, _) => {
                let pair = RsaKeyPair::from_pkcs8(&pkcs8).ok()?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).ok()?;
                signature
            }
            Family::Ec(signing, ..) => {
                let pair = EcdsaKeyPair::from_pkcs8(signing, &pkcs8).ok()?;
                pair.sign(&random, message).ok()?.as_ref().to_vec()
            }
            Family::Ed25519 => {
                Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?.sign(message).as_ref().to_vec()
            }
        })
    }
}

/// PKCS #8, and the public key as [`Public`] has it.
fn generate(algorithm: Algorithm) -> Option<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let random = SystemRandom::new();
    Some(match algorithm.family() {
        Family::Rsa(..) => {
            let pair = unhurried(|| RsaKeyPair::generate(KeySize::Rsa2048)).ok()?;
            let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).ok()?;
            let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).ok()?;
            (Zeroizing::new(private.as_ref().to_vec()), public.as_ref().to_vec())
        }
        Family::Ec(signing, ..) => {
            let private = EcdsaKeyPair::generate_pkcs8(signing, &random).ok()?;
            let pair = EcdsaKeyPair::from_pkcs8(signing, private.as_ref()).ok()?;
            (Zeroizing::new(private.as_ref().to_vec()), pair.public_key().as_ref().to_vec())
        }
        Family::Ed25519 => {
            let private = Ed25519KeyPair::generate_pkcs8(&random).ok()?;
            let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).ok()?;
            (Zeroizing::new(private.as_ref().to_vec()), pair.public_key().as_ref().to_vec())
        }
    })
}

/// An RSA key takes a tenth of a second to find: others get the thread's other work meanwhile.
fn unhurried<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl Public {
    /// As a JWK.
    pub(super) fn jwk(&self) -> Option<Value> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.key).ok()?;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self.algorithm.family() {
            Family::Rsa(..) => {
                let (n, e) = rsa_parts(&bytes)?;
                json!({ "kty": "RSA", "n": encode(&n), "e": encode(&e) })
            }
            Family::Ec(_, _, curve) => {
                // An uncompressed point: 4, then both coordinates.
                let (x, y) = bytes.get(1..)?.split_at_checked(bytes.len() / 2)?;
                json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
            }
            Family::Ed25519 => json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&bytes) }),
        };
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm.name());
        jwk["kid"] = json!(self.id);
        Some(jwk)
    }

    /// Whether this key's pair signed the message.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verify = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(&self.key) else { return false };
        match self.algorithm.family() {
            Family::Rsa(_, algorithm) | Family::Ec(_, algorithm, _) => verify(algorithm, &bytes),
            Family::Ed25519 => verify(&ED25519, &bytes),
        }
    }
}

/// Modulus and exponent without leading zeros.
fn rsa_parts(info: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let info = SubjectPublicKeyInfo::from_der(info).ok()?.1;
    let PublicKey::RSA(key) = info.parsed().ok()? else { return None };
    let strip = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        bytes[zeros..].to_vec()
    };
    Some((strip(key.modulus), strip(key.exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_what_its_public_half_verifies() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()).unwrap(), algorithm);
            let pair = Pair::generate(algorithm).unwrap();
            let token = pair.sign(&json!({ "sub": "someone" })).unwrap();
            let (message, signature) = token.rsplit_once('.').unwrap();
            let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let public = &pair.public;
            assert!(public.signed(message.as_bytes(), &signature), "{algorithm:?}");
            signature[5] ^= 1;
            assert!(!public.signed(message.as_bytes(), &signature), "{algorithm:?}");
            let jwk = public.jwk().unwrap();
            assert_eq!((&jwk["kid"], &jwk["use"]), (&json!(public.id), &json!("sig")));
            let len = |name: &str| {
                jwk[name].as_str().map_or(0, |text| URL_SAFE_NO_PAD.decode(text).unwrap().len())
            };
            let lengths = (len("n"), len("e"), len("x"), len("y"));
            let want = match algorithm {
                Algorithm::Es256 => (0, 0, 32, 32),
                Algorithm::Es384 => (0, 0, 48, 48),
                Algorithm::Es512 => (0, 0, 66, 66),
                Algorithm::EdDsa => (0, 0, 32, 0),
                _ => (256, 3, 0, 0),
            };
            assert_eq!(lengths, want, "{algorithm:?}");
        }
        assert!(Algorithm::parse("HS256").is_err());
    }
}
