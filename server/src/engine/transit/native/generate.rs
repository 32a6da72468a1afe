//! New keys, and what a key turns out to be.
#![expect(unsafe_code, reason = "calls into AWS-LC")]

use std::os::raw::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys::{
    EC_GROUP_get_curve_name, EC_KEY_get0_group, EVP_PKEY_CTX, EVP_PKEY_CTX_new_id,
    EVP_PKEY_CTX_set_ec_paramgen_curve_nid, EVP_PKEY_CTX_set_rsa_keygen_bits, EVP_PKEY_EC,
    EVP_PKEY_RSA, EVP_PKEY_get_raw_public_key, EVP_PKEY_get0_EC_KEY, EVP_PKEY_keygen,
    EVP_PKEY_keygen_init, EVP_PKEY_pqdsa_new_raw_private_key, EVP_PKEY_pqdsa_new_raw_public_key,
    NID_MLDSA44, NID_MLDSA65, NID_MLDSA87, NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1,
};

use super::done;
use super::pkey::{Context, Pkey};

/// A curve of NIST's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Bytes of a coordinate, and of a private key.
    pub(in super::super) fn len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn id(self) -> c_int {
        match self {
            Self::P256 => NID_X9_62_prime256v1,
            Self::P384 => NID_secp384r1,
            Self::P521 => NID_secp521r1,
        }
    }
}

/// A parameter set of ML-DSA (FIPS 204).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum MlDsa {
    L44,
    L65,
    L87,
}

impl MlDsa {
    fn id(self) -> c_int {
        match self {
            Self::L44 => NID_MLDSA44,
            Self::L65 => NID_MLDSA65,
            Self::L87 => NID_MLDSA87,
        }
    }
}

impl Pkey {
    /// A new RSA key with exponent 65537.
    pub(in super::super) fn generate_rsa(bits: c_int) -> Option<Self> {
        // SAFETY: a live context that was initialised for making keys.
        generate(EVP_PKEY_RSA, |c| unsafe { EVP_PKEY_CTX_set_rsa_keygen_bits(c, bits) })
    }

    /// A new key on a curve.
    pub(in super::super) fn generate_ec(curve: Curve) -> Option<Self> {
        generate(EVP_PKEY_EC, |c| {
            // SAFETY: a live context that was initialised for making keys.
            unsafe { EVP_PKEY_CTX_set_ec_paramgen_curve_nid(c, curve.id()) }
        })
    }

    /// The ML-DSA key of a seed of 32 bytes.
    pub(in super::super) fn from_ml_dsa_seed(parameters: MlDsa, seed: &[u8; 32]) -> Option<Self> {
        // SAFETY: the seed is readable for its length; the answer is a key of its own.
        Self::own(unsafe {
            EVP_PKEY_pqdsa_new_raw_private_key(parameters.id(), seed.as_ptr(), seed.len())
        })
    }

    /// An ML-DSA public key from its bytes.
    pub(in super::super) fn from_ml_dsa_public(parameters: MlDsa, bytes: &[u8]) -> Option<Self> {
        // SAFETY: the bytes are readable for their length, which the library checks; the answer is a
        // key of its own.
        Self::own(unsafe {
            EVP_PKEY_pqdsa_new_raw_public_key(parameters.id(), bytes.as_ptr(), bytes.len())
        })
    }

    /// The bytes of an ML-DSA public key.
    pub(in super::super) fn ml_dsa_public(&self) -> Option<Vec<u8>> {
        let mut len = 0;
        // SAFETY: without a buffer the call only tells the length.
        done(unsafe { EVP_PKEY_get_raw_public_key(self.as_ptr(), ptr::null_mut(), &raw mut len) })?;
        let mut out = vec![0; len];
        // SAFETY: `len` is the room in `out`.
        done(unsafe {
            EVP_PKEY_get_raw_public_key(self.as_ptr(), out.as_mut_ptr(), &raw mut len)
        })?;
        out.truncate(len);
        Some(out)
    }

    /// Whether it is an RSA key.
    pub(in super::super) fn is_rsa(&self) -> bool {
        self.id() == EVP_PKEY_RSA
    }

    /// The curve that it is on.
    pub(in super::super) fn curve(&self) -> Option<Curve> {
        // SAFETY: reads a live key; the parts are borrowed from it and looked at only here. For a
        // key of another kind the first call answers null.
        let id = unsafe {
            let key = EVP_PKEY_get0_EC_KEY(self.as_ptr());
            if key.is_null() {
                return None;
            }
            EC_GROUP_get_curve_name(EC_KEY_get0_group(key))
        };
        [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| curve.id() == id)
    }
}

fn generate(kind: c_int, set: impl FnOnce(*mut EVP_PKEY_CTX) -> c_int) -> Option<Pkey> {
    // SAFETY: a context without a key. No engine.
    let context = unsafe { EVP_PKEY_CTX_new_id(kind, ptr::null_mut()) };
    let context = Context(NonNull::new(context)?);
    // SAFETY: a live context.
    done(unsafe { EVP_PKEY_keygen_init(context.0.as_ptr()) })?;
    done(set(context.0.as_ptr()))?;
    let mut key = ptr::null_mut();
    // SAFETY: the context was initialised for this; the new key is ours.
    done(unsafe { EVP_PKEY_keygen(context.0.as_ptr(), &raw mut key) })?;
    Pkey::own(key)
}
