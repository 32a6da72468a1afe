//! How to sign: what a request says of hash function, padding, salt and the form of a signature,
//! held against the type of the key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::encoding;
use super::hash::Hash;
use super::kind::{Family, Kind};
use super::native::{Salt, Scheme};
use super::wire::{BASE64, decode};
use crate::logical::{ApiError, ApiResult};

/// The options of a request, read.
pub(super) struct Options {
    hash: Option<Hash>,
    prehashed: bool,
    padding: Padding,
    salt: Salt,
    marshaling: Marshaling,
}

/// How the options came.
#[derive(Default)]
pub(super) struct Words<'a> {
    pub(super) hash: &'a str,
    pub(super) signature_algorithm: &'a str,
    pub(super) salt_length: &'a str,
    pub(super) marshaling: &'a str,
    pub(super) prehashed: bool,
}

enum Padding {
    Pss,
    Pkcs1,
    Unknown(String),
}

/// How a signature is written: standard base64, or URL-safe as in JWS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marshaling {
    Asn1,
    Jws,
}

/// The hash function's name for the mu of ML-DSA.
const MU: &str = "mldsa-mu";

impl Options {
    /// Reads the words.
    pub(super) fn read(words: &Words<'_>) -> ApiResult<Self> {
        let hash = match words.hash {
            MU => None,
            name => Some(Hash::from_name(name).ok_or_else(|| {
                ApiError::bad_request(format!("invalid hash algorithm {name:?}"))
            })?),
        };
        let marshaling = match words.marshaling {
            "" | "asn1" => Marshaling::Asn1,
            "jws" => Marshaling::Jws,
            other => {
                return Err(ApiError::bad_request(format!("invalid marshaling type {other:?}")));
            }
        };
        let padding = match words.signature_algorithm {
            "" | "pss" => Padding::Pss,
            "pkcs1v15" => Padding::Pkcs1,
            other => Padding::Unknown(other.to_owned()),
        };
        let salt = read_salt(words.salt_length)?;
        Ok(Self { hash, prehashed: words.prehashed, padding, salt, marshaling })
    }

    /// How a key of this type signs under these options.
    pub(super) fn scheme(&self, kind: Kind) -> ApiResult<Scheme> {
        let Some(hash) = self.hash else {
            return match kind.family() {
                Family::MlDsa(_) if self.prehashed => Ok(Scheme::MlDsaMu),
                _ => Err(ApiError::bad_request(
                    "hash_algorithm=mldsa-mu requires prehashed=true and a ML-DSA compatible key",
                )),
            };
        };
        let bare = self.prehashed && matches!(self.padding, Padding::Pkcs1);
        let hashes = matches!(kind.family(), Family::Ecdsa(_) | Family::Rsa(_));
        if hash == Hash::None && hashes && !bare {
            return Err(ApiError::bad_request(
                "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15",
            ));
        }
        match (kind.family(), &self.padding) {
            (Family::MlDsa(_), _) => Ok(Scheme::MlDsa),
            (Family::Rsa(_), Padding::Pss) => Ok(Scheme::Pss(hash, self.salt)),
            (Family::Rsa(_), Padding::Pkcs1) => Ok(Scheme::Pkcs1(hash)),
            (Family::Rsa(_), Padding::Unknown(other)) => {
                Err(ApiError::bad_request(format!("unsupported rsa signature algorithm {other}")))
            }
            _ => Ok(Scheme::Ecdsa),
        }
    }

    /// What goes into the signature: the digest of `input`, unless it is one or none is needed.
    /// `None` when it should be a digest and is not as long as one.
    pub(super) fn digest(&self, kind: Kind, input: Vec<u8>) -> Option<Vec<u8>> {
        let hash = self.hash.unwrap_or(Hash::None);
        match kind.family() {
            Family::Rsa(_) if self.prehashed && hash != Hash::None => {
                (input.len() == hash.digest(&[])?.len()).then_some(input)
            }
            Family::Rsa(_) | Family::Ecdsa(_) if !self.prehashed => hash.digest(&input),
            _ => Some(input),
        }
    }

    /// Appends a signature as it is asked for.
    pub(super) fn write(&self, kind: Kind, signature: &[u8], out: &mut String) -> ApiResult<()> {
        match (self.marshaling, kind.family()) {
            (Marshaling::Jws, Family::Ecdsa(curve)) => {
                let fixed = encoding::ecdsa_to_fixed(curve, signature)
                    .ok_or_else(|| ApiError::internal("a signature is malformed"))?;
                URL_SAFE_NO_PAD.encode_string(fixed, out);
            }
            (Marshaling::Jws, _) => URL_SAFE_NO_PAD.encode_string(signature, out),
            (Marshaling::Asn1, _) => BASE64.encode_string(signature, out),
        }
        Ok(())
    }

    /// Reads a signature in the form that is asked for; `Ok(None)` for one that cannot be valid.
    pub(super) fn read_signature(&self, kind: Kind, text: &str) -> ApiResult<Option<Vec<u8>>> {
        let bytes = match self.marshaling {
            Marshaling::Asn1 => decode(text).ok(),
            Marshaling::Jws => URL_SAFE_NO_PAD.decode(text).ok(),
        };
        let bytes = bytes.ok_or_else(|| ApiError::bad_request("invalid base64 signature value"))?;
        match (self.marshaling, kind.family()) {
            (Marshaling::Jws, Family::Ecdsa(curve)) => Ok(encoding::ecdsa_of_fixed(curve, &bytes)),
            (Marshaling::Asn1, Family::Ecdsa(_)) if !encoding::is_ecdsa(&bytes) => {
                Err(ApiError::bad_request("supplied signature is invalid"))
            }
            _ => Ok(Some(bytes)),
        }
    }

    /// Refuses what can be signed but not verified.
    pub(super) fn must_verify(&self) -> ApiResult<()> {
        if self.hash.is_none() {
            return Err(ApiError::bad_request(
                "hash_algorithm=mldsa-mu does not support verification",
            ));
        }
        Ok(())
    }
}

/// `auto` and 0 are what fits, `hash` and -1 the digest's length.
fn read_salt(text: &str) -> ApiResult<Salt> {
    match text {
        "" | "auto" => return Ok(Salt::Auto),
        "hash" => return Ok(Salt::Digest),
        _ => {}
    }
    let number: i32 = text.parse().map_err(|_| {
        ApiError::bad_request(format!("salt length neither 'auto', 'hash', nor an int: {text}"))
    })?;
    match number {
        -1 => Ok(Salt::Digest),
        0 => Ok(Salt::Auto),
        1.. => Ok(Salt::Exactly(u16::try_from(number).unwrap_or(u16::MAX))),
        _ => Err(ApiError::bad_request(format!("salt length is invalid: {number}"))),
    }
}
