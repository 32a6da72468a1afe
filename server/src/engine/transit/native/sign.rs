//! Signatures.
#![expect(unsafe_code, reason = "calls into AWS-LC")]

use std::os::raw::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys::{
    EVP_DigestSign, EVP_DigestSignInit, EVP_DigestVerify, EVP_DigestVerifyInit, EVP_MD_CTX,
    EVP_MD_CTX_free, EVP_MD_CTX_new, EVP_PKEY_CTX_set_rsa_padding,
    EVP_PKEY_CTX_set_rsa_pss_saltlen, EVP_PKEY_CTX_set_signature_md, EVP_PKEY_sign,
    EVP_PKEY_sign_init, EVP_PKEY_verify, EVP_PKEY_verify_init, RSA_PKCS1_PADDING,
    RSA_PKCS1_PSS_PADDING,
};

use super::super::hash::Hash;
use super::digest::description;
use super::done;
use super::pkey::{Context, Pkey};

/// The library's number for a salt as long as the digest.
const SALT_OF_DIGEST: c_int = -1;
/// The longest that fits when signing; any when verifying.
const SALT_OF_ANY: c_int = -2;

/// Bytes of salt in a PSS signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Salt {
    /// As many as fit; when verifying, as many as there are.
    Auto,
    /// As many as the digest has.
    Digest,
    /// That many.
    Exactly(u16),
}

/// What is signed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Scheme {
    /// ECDSA of a digest, whatever made it; a signature is DER.
    Ecdsa,
    /// RSASSA-PKCS1-v1_5 of a digest; without a hash function, of the bytes as they are.
    Pkcs1(Hash),
    /// RSASSA-PSS of a digest; MGF1 over the same hash function.
    Pss(Hash, Salt),
    /// ML-DSA of a message.
    MlDsa,
    /// ML-DSA of the 64 bytes that FIPS 204 calls mu.
    MlDsaMu,
}

impl Scheme {
    fn apply(self, context: &Context) -> Option<()> {
        let context = context.0.as_ptr();
        // SAFETY: a live context that was initialised for signing or verifying, and constant
        // descriptions; a key of another kind refuses.
        unsafe {
            match self {
                Self::Ecdsa | Self::MlDsa | Self::MlDsaMu => {}
                Self::Pkcs1(hash) => {
                    done(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING))?;
                    if let Some(hash) = description(hash) {
                        done(EVP_PKEY_CTX_set_signature_md(context, hash))?;
                    }
                }
                Self::Pss(hash, salt) => {
                    let salt = match salt {
                        Salt::Auto => SALT_OF_ANY,
                        Salt::Digest => SALT_OF_DIGEST,
                        Salt::Exactly(bytes) => c_int::from(bytes),
                    };
                    done(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING))?;
                    done(EVP_PKEY_CTX_set_signature_md(context, description(hash)?))?;
                    done(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt))?;
                }
            }
        }
        Some(())
    }
}

impl Pkey {
    /// Signs; `None` for a public key alone, a digest of the wrong length or a scheme that is not
    /// the key's.
    pub(in super::super) fn sign(&self, scheme: Scheme, input: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; self.size()];
        let mut len = out.len();
        if scheme == Scheme::MlDsa {
            let context = Digesting::new()?;
            // SAFETY: live context and key; without a hash function the message is signed as it is.
            // `len` is the room in `out`; the input is readable for its length.
            unsafe {
                let context = context.0.as_ptr();
                done(EVP_DigestSignInit(
                    context,
                    ptr::null_mut(),
                    ptr::null(),
                    ptr::null_mut(),
                    self.as_ptr(),
                ))?;
                done(EVP_DigestSign(
                    context,
                    out.as_mut_ptr(),
                    &raw mut len,
                    input.as_ptr(),
                    input.len(),
                ))?;
            }
        } else {
            // SAFETY: initialises a live context.
            let context = Context::of(self, |c| unsafe { EVP_PKEY_sign_init(c) })?;
            scheme.apply(&context)?;
            // SAFETY: `len` is the room in `out`; the input is readable for its length.
            done(unsafe {
                EVP_PKEY_sign(
                    context.0.as_ptr(),
                    out.as_mut_ptr(),
                    &raw mut len,
                    input.as_ptr(),
                    input.len(),
                )
            })?;
        }
        out.truncate(len);
        Some(out)
    }

    /// Whether `signature` is one of `input`; false for whatever makes no sense.
    pub(in super::super) fn verify(&self, scheme: Scheme, input: &[u8], signature: &[u8]) -> bool {
        self.verified(scheme, input, signature).is_some()
    }

    fn verified(&self, scheme: Scheme, input: &[u8], signature: &[u8]) -> Option<()> {
        if scheme == Scheme::MlDsa {
            let context = Digesting::new()?;
            // SAFETY: live context and key; signature and input are readable for their lengths.
            unsafe {
                let context = context.0.as_ptr();
                done(EVP_DigestVerifyInit(
                    context,
                    ptr::null_mut(),
                    ptr::null(),
                    ptr::null_mut(),
                    self.as_ptr(),
                ))?;
                return done(EVP_DigestVerify(
                    context,
                    signature.as_ptr(),
                    signature.len(),
                    input.as_ptr(),
                    input.len(),
                ));
            }
        }
        // SAFETY: initialises a live context.
        let context = Context::of(self, |c| unsafe { EVP_PKEY_verify_init(c) })?;
        scheme.apply(&context)?;
        // SAFETY: signature and input are readable for their lengths.
        done(unsafe {
            EVP_PKEY_verify(
                context.0.as_ptr(),
                signature.as_ptr(),
                signature.len(),
                input.as_ptr(),
                input.len(),
            )
        })
    }
}

/// A context for messages that are not hashed first; freed when dropped.
struct Digesting(NonNull<EVP_MD_CTX>);

impl Digesting {
    fn new() -> Option<Self> {
        // SAFETY: takes nothing.
        NonNull::new(unsafe { EVP_MD_CTX_new() }).map(Self)
    }
}

impl Drop for Digesting {
    fn drop(&mut self) {
        // SAFETY: the one owner of a live context.
        unsafe { EVP_MD_CTX_free(self.0.as_ptr()) }
    }
}
