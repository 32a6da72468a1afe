//! Keys derived from a caller's context: HKDF-SHA256 (RFC 5869) without salt, the context as info.
//!
//! Convergent keys derive 32 bytes more, the key that makes nonces from messages (version 3 of the
//! scheme: the nonce is the head of an HMAC-SHA256 of the message).

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::signature::Ed25519KeyPair;
use zeroize::Zeroizing;

use super::cipher::{Cipher, signing_key};
use super::key::Stored;
use super::kind::Family;
use super::material::Version;
use crate::logical::{ApiError, ApiResult};

/// What a derived key answers to a call without context.
pub(super) const MISSING_CONTEXT: &str = "missing 'context' for key derivation; the key was created \
     using a derived key, which means additional, per-request information must be included in order \
     to perform operations with the key";

/// Bytes of a derived key, before it is cut to the cipher's length.
const DERIVED_LEN: usize = 32;

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// `len` bytes of HKDF-SHA256 output for a context.
pub(super) fn expand(key: &[u8], context: &[u8], len: usize) -> ApiResult<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; len]);
    Salt::new(HKDF_SHA256, &[])
        .extract(key)
        .expand(&[context], Length(len))
        .and_then(|okm| okm.fill(&mut out))
        .map_err(|_| ApiError::bad_request("context is too long"))?;
    Ok(out)
}

/// The cipher for a context.
pub(super) fn cipher(stored: &Stored, material: &Version, context: &[u8]) -> ApiResult<Cipher> {
    let Family::Aead(key_len) = stored.kind.family() else {
        return Err(ApiError::internal("the key has no cipher"));
    };
    let extra = if stored.convergent { DERIVED_LEN } else { 0 };
    let bytes = expand(material.key.expose(), context, key_len + extra)?;
    let cipher = Cipher::new(stored.kind, &bytes[..key_len])?;
    Ok(if stored.convergent { cipher.convergent(&bytes[key_len..]) } else { cipher })
}

/// The signing key for a context.
pub(super) fn signer(material: &Version, context: &[u8]) -> ApiResult<Ed25519KeyPair> {
    signing_key(&expand(material.key.expose(), context, DERIVED_LEN)?)
}
