//! Sealing and opening one message with authenticated encryption; ed25519 keys.
//!
//! A sealed message is `nonce || ciphertext || tag (16)`. Both directions work in one buffer that
//! starts with room for the longest nonce, so that rewrapping needs no copy; a shorter nonce stands
//! at the end of that room.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;

use super::kind::Kind;
use super::native::{XCHACHA_NONCE_LEN, XChaCha};
use super::nonce::Generator;
use crate::logical::{ApiError, ApiResult};

/// Bytes before the message in a buffer.
pub(super) const HEAD_LEN: usize = XCHACHA_NONCE_LEN;
/// Bytes after it.
pub(super) const TAG_LEN: usize = 16;

/// A scheduled AEAD key.
pub(super) struct Cipher {
    kind: Kind,
    key: Scheduled,
    /// Of convergent keys: makes the nonce from the message.
    nonce_key: Option<hmac::Key>,
}

enum Scheduled {
    Nonce96(LessSafeKey),
    Nonce192(XChaCha),
}

impl Cipher {
    /// From the key's bytes.
    pub(super) fn new(kind: Kind, key: &[u8]) -> ApiResult<Self> {
        let wrong_length = || ApiError::internal("a key has the wrong length");
        let algorithm = match kind {
            Kind::Aes128Gcm96 => &AES_128_GCM,
            Kind::Aes256Gcm96 => &AES_256_GCM,
            Kind::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            Kind::XChaCha20Poly1305 => {
                let key = key.try_into().ok().and_then(XChaCha::new).ok_or_else(wrong_length)?;
                return Ok(Self { kind, key: Scheduled::Nonce192(key), nonce_key: None });
            }
            _ => return Err(ApiError::internal("the key has no cipher")),
        };
        let key = UnboundKey::new(algorithm, key).map_err(|_| wrong_length())?;
        Ok(Self { kind, key: Scheduled::Nonce96(LessSafeKey::new(key)), nonce_key: None })
    }

    /// The same with nonces made from the messages: equal messages seal equally.
    pub(super) fn convergent(self, nonce_key: &[u8]) -> Self {
        Self { nonce_key: Some(hmac::Key::new(hmac::HMAC_SHA256, nonce_key)), ..self }
    }

    /// Seals what follows the first [`HEAD_LEN`] bytes of `buffer`, in place; answers where the nonce
    /// begins.
    pub(super) fn seal(
        &self,
        aad: &[u8],
        generator: &mut Generator,
        buffer: &mut Vec<u8>,
    ) -> ApiResult<usize> {
        assert!(buffer.len() >= HEAD_LEN, "room for the nonce");
        let start = HEAD_LEN - self.kind.nonce_len();
        let (head, message) = buffer.split_at_mut(HEAD_LEN);
        let nonce = &mut head[start..];
        match &self.nonce_key {
            Some(key) => {
                let made = message_nonce(key, aad, message);
                nonce.copy_from_slice(&made.as_ref()[..self.kind.nonce_len()]);
            }
            None => generator.fill(nonce)?,
        }
        match &self.key {
            Scheduled::Nonce96(key) => {
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| too_long())?;
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(aad), message)
                    .map_err(|_| too_long())?;
                buffer.extend_from_slice(tag.as_ref());
            }
            Scheduled::Nonce192(key) => {
                let nonce = (&*nonce).try_into().map_err(|_| too_long())?;
                let tag = key.seal(nonce, aad, message).ok_or_else(too_long)?;
                buffer.extend_from_slice(&tag);
            }
        }
        Ok(start)
    }

    /// Opens a sealed message whose nonce ends at [`HEAD_LEN`], in place; leaves [`HEAD_LEN`] bytes and
    /// the message.
    pub(super) fn open(&self, aad: &[u8], buffer: &mut Vec<u8>) -> ApiResult<()> {
        if buffer.len() < HEAD_LEN + TAG_LEN {
            return Err(ApiError::bad_request("invalid ciphertext length"));
        }
        let (head, sealed) = buffer.split_at_mut(HEAD_LEN);
        let nonce = &head[HEAD_LEN - self.kind.nonce_len()..];
        let opened = match &self.key {
            Scheduled::Nonce96(key) => {
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| too_long())?;
                key.open_in_place(nonce, Aad::from(aad), sealed).is_ok()
            }
            Scheduled::Nonce192(key) => {
                let nonce = nonce.try_into().map_err(|_| too_long())?;
                key.open(nonce, aad, sealed).is_some()
            }
        };
        if !opened {
            return Err(ApiError::bad_request(self.kind.failed_authentication()));
        }
        buffer.truncate(buffer.len() - TAG_LEN);
        Ok(())
    }
}

/// What the nonce of a convergent message is cut from. Associated data goes in when there is any: the
/// same nonce over different data would give away the authentication key.
fn message_nonce(key: &hmac::Key, aad: &[u8], message: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(message);
    if !aad.is_empty() {
        context.update(aad);
        context.update(&u64::try_from(message.len()).unwrap_or(u64::MAX).to_be_bytes());
    }
    context.sign()
}

fn too_long() -> ApiError {
    ApiError::bad_request("message is too long")
}

/// An ed25519 key from its seed.
pub(super) fn signing_key(seed: &[u8]) -> ApiResult<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed)
        .map_err(|_| ApiError::internal("a signing key is malformed"))
}
