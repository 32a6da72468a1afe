//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), with nonces of 24 bytes.
#![expect(unsafe_code, reason = "calls into AWS-LC")]

use std::ptr::NonNull;

use aws_lc_sys::{
    EVP_AEAD_CTX, EVP_AEAD_CTX_free, EVP_AEAD_CTX_new, EVP_AEAD_CTX_open,
    EVP_AEAD_CTX_seal_scatter, EVP_aead_xchacha20_poly1305,
};

use super::done;

/// Bytes of a nonce.
pub(in super::super) const NONCE_LEN: usize = 24;
/// Bytes of a tag.
const TAG_LEN: usize = 16;

/// A scheduled key.
pub(in super::super) struct XChaCha(NonNull<EVP_AEAD_CTX>);

// SAFETY: the context holds a copy of the key and nothing of a thread's; sealing and opening take it
// as const and do not change it.
unsafe impl Send for XChaCha {}
// SAFETY: as above.
unsafe impl Sync for XChaCha {}

impl Drop for XChaCha {
    fn drop(&mut self) {
        // SAFETY: the one owner of a live context.
        unsafe { EVP_AEAD_CTX_free(self.0.as_ptr()) }
    }
}

impl XChaCha {
    /// From a key of 32 bytes.
    pub(in super::super) fn new(key: &[u8; 32]) -> Option<Self> {
        // SAFETY: a constant description, and a key that is readable for its length.
        let context = unsafe {
            EVP_AEAD_CTX_new(EVP_aead_xchacha20_poly1305(), key.as_ptr(), key.len(), TAG_LEN)
        };
        NonNull::new(context).map(Self)
    }

    /// Encrypts `message` in place; answers the tag.
    pub(in super::super) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        message: &mut [u8],
    ) -> Option<[u8; TAG_LEN]> {
        let mut tag = [0; TAG_LEN];
        let mut tag_len = 0;
        let bytes = message.as_mut_ptr();
        // SAFETY: input and output are the same bytes, which the library allows; all parts are
        // readable or writable for the lengths given; no extra input.
        done(unsafe {
            EVP_AEAD_CTX_seal_scatter(
                self.0.as_ptr(),
                bytes,
                tag.as_mut_ptr(),
                &raw mut tag_len,
                tag.len(),
                nonce.as_ptr(),
                nonce.len(),
                bytes.cast_const(),
                message.len(),
                std::ptr::null(),
                0,
                aad.as_ptr(),
                aad.len(),
            )
        })?;
        (tag_len == TAG_LEN).then_some(tag)
    }

    /// Decrypts `sealed` (ciphertext and tag) in place; the message is what stands before the tag.
    pub(in super::super) fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        sealed: &mut [u8],
    ) -> Option<()> {
        let mut len = 0;
        let bytes = sealed.as_mut_ptr();
        // SAFETY: input and output are the same bytes, which the library allows; all parts are
        // readable or writable for the lengths given.
        done(unsafe {
            EVP_AEAD_CTX_open(
                self.0.as_ptr(),
                bytes,
                &raw mut len,
                sealed.len(),
                nonce.as_ptr(),
                nonce.len(),
                bytes.cast_const(),
                sealed.len(),
                aad.as_ptr(),
                aad.len(),
            )
        })
    }
}
