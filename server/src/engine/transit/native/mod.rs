//! The seam to AWS-LC for what `aws-lc-rs` does not offer: RSA-PSS with any length of salt, RSA and
//! ECDSA over any hash function, OAEP over SHA-224, HMAC over SHA-3, ML-DSA, XChaCha20-Poly1305.
//!
//! All unsafe code of the engine is in this folder, each block with its proof; what is public here
//! is safe whatever it is given. It is the same library that `aws-lc-rs` stands on, in the same copy.
//! A failure is `None`: the library refused the input, or had no memory.

mod digest;
mod generate;
mod pkey;
mod sign;
mod xchacha;

pub(super) use digest::{digest, hmac};
pub(super) use generate::{Curve, MlDsa};
pub(super) use pkey::Pkey;
pub(super) use sign::{Salt, Scheme};
pub(super) use xchacha::{NONCE_LEN as XCHACHA_NONCE_LEN, XChaCha};

/// The library's answer to most calls: 1 for success.
fn done(answer: std::os::raw::c_int) -> Option<()> {
    (answer == 1).then_some(())
}
