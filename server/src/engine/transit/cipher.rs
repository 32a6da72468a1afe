//! Sealing and opening one message; signing keys.
//!
//! A sealed message is `nonce (12) || ciphertext || tag (16)`. Both directions work in one buffer
//! that starts with room for the nonce, so that rewrapping needs no copy.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;

use super::kind::Kind;
use super::nonce::Generator;
use crate::logical::{ApiError, ApiResult};

/// Bytes before the message in a buffer.
pub(super) const HEAD_LEN: usize = NONCE_LEN;
/// Bytes after it.
pub(super) const TAG_LEN: usize = 16;

/// A scheduled AEAD key.
pub(super) struct Cipher {
    kind: Kind,
    key: LessSafeKey,
    /// Of convergent keys: makes the nonce from the message.
    nonce_key: Option<hmac::Key>,
}

impl Cipher {
    /// From the key's bytes.
    pub(super) fn new(kind: Kind, key: &[u8]) -> ApiResult<Self> {
        let algorithm = match kind {
            Kind::Aes128Gcm96 => &AES_128_GCM,
            Kind::Aes256Gcm96 => &AES_256_GCM,
            Kind::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            Kind::Ed25519 => return Err(ApiError::internal("a signing key has no cipher")),
        };
        let key = UnboundKey::new(algorithm, key)
            .map_err(|_| ApiError::internal("a key has the wrong length"))?;
        Ok(Self { kind, key: LessSafeKey::new(key), nonce_key: None })
    }

    /// The same with nonces made from the messages: equal messages seal equally.
    pub(super) fn convergent(self, nonce_key: &[u8]) -> Self {
        Self { nonce_key: Some(hmac::Key::new(hmac::HMAC_SHA256, nonce_key)), ..self }
    }

    /// Seals what follows the first [`HEAD_LEN`] bytes of `buffer`, in place.
    pub(super) fn seal(
        &self,
        aad: &[u8],
        generator: &mut Generator,
        buffer: &mut Vec<u8>,
    ) -> ApiResult<()> {
        assert!(buffer.len() >= HEAD_LEN, "room for the nonce");
        let (head, message) = buffer.split_at_mut(HEAD_LEN);
        match &self.nonce_key {
            Some(key) => head.copy_from_slice(&message_nonce(key, aad, message)),
            None => generator.fill(head)?,
        }
        let nonce = Nonce::try_assume_unique_for_key(head).map_err(|_| too_long())?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), message)
            .map_err(|_| too_long())?;
        buffer.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens a sealed message in place; leaves [`HEAD_LEN`] bytes and the message.
    pub(super) fn open(&self, aad: &[u8], buffer: &mut Vec<u8>) -> ApiResult<()> {
        if buffer.len() < HEAD_LEN + TAG_LEN {
            return Err(ApiError::bad_request("invalid ciphertext length"));
        }
        let (head, sealed) = buffer.split_at_mut(HEAD_LEN);
        let nonce = Nonce::try_assume_unique_for_key(head).map_err(|_| too_long())?;
        self.key
            .open_in_place(nonce, Aad::from(aad), sealed)
            .map_err(|_| ApiError::bad_request(self.kind.failed_authentication()))?;
        buffer.truncate(buffer.len() - TAG_LEN);
        Ok(())
    }
}

/// The nonce of a convergent message. Associated data goes in when there is any: the same nonce over
/// different data would give away the authentication key.
fn message_nonce(key: &hmac::Key, aad: &[u8], message: &[u8]) -> [u8; NONCE_LEN] {
    let mut context = hmac::Context::with_key(key);
    context.update(message);
    if !aad.is_empty() {
        context.update(aad);
        context.update(&u64::try_from(message.len()).unwrap_or(u64::MAX).to_be_bytes());
    }
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&context.sign().as_ref()[..NONCE_LEN]);
    nonce
}

fn too_long() -> ApiError {
    ApiError::bad_request("message is too long")
}

/// A signing key from its seed.
pub(super) fn signing_key(seed: &[u8]) -> ApiResult<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed)
        .map_err(|_| ApiError::internal("a signing key is malformed"))
}
