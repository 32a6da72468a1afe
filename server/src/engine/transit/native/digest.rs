//! Hash functions and HMAC over them.
#![expect(unsafe_code, reason = "calls into AWS-LC")]

use std::ptr;

use aws_lc_sys::{
    EVP_Digest, EVP_MAX_MD_SIZE, EVP_MD, EVP_sha1, EVP_sha3_224, EVP_sha3_256, EVP_sha3_384,
    EVP_sha3_512, EVP_sha224, EVP_sha256, EVP_sha384, EVP_sha512, HMAC,
};

use super::super::hash::Hash;
use super::done;

const LONGEST: usize = EVP_MAX_MD_SIZE as usize;

/// The library's description of a hash function; `None` for [`Hash::None`].
pub(super) fn description(hash: Hash) -> Option<*const EVP_MD> {
    // SAFETY: these take nothing and answer pointers to constants that are never freed.
    unsafe {
        Some(match hash {
            Hash::None => return None,
            Hash::Sha1 => EVP_sha1(),
            Hash::Sha224 => EVP_sha224(),
            Hash::Sha256 => EVP_sha256(),
            Hash::Sha384 => EVP_sha384(),
            Hash::Sha512 => EVP_sha512(),
            Hash::Sha3_224 => EVP_sha3_224(),
            Hash::Sha3_256 => EVP_sha3_256(),
            Hash::Sha3_384 => EVP_sha3_384(),
            Hash::Sha3_512 => EVP_sha3_512(),
        })
    }
}

/// The digest of `input`.
pub(in super::super) fn digest(hash: Hash, input: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; LONGEST];
    let mut len = 0;
    // SAFETY: the input is readable for its length; the output has room for the longest digest, and
    // `len` receives what was written. No engine.
    done(unsafe {
        EVP_Digest(
            input.as_ptr().cast(),
            input.len(),
            out.as_mut_ptr(),
            &raw mut len,
            description(hash)?,
            ptr::null_mut(),
        )
    })?;
    out.truncate(usize::try_from(len).ok()?);
    Some(out)
}

/// The HMAC (RFC 2104) of `input`.
pub(in super::super) fn hmac(hash: Hash, key: &[u8], input: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; LONGEST];
    let mut len = 0;
    // SAFETY: key and input are readable for their lengths; the output has room for the longest
    // digest, and `len` receives what was written.
    let written = unsafe {
        HMAC(
            description(hash)?,
            key.as_ptr().cast(),
            key.len(),
            input.as_ptr(),
            input.len(),
            out.as_mut_ptr(),
            &raw mut len,
        )
    };
    if written.is_null() {
        return None;
    }
    out.truncate(usize::try_from(len).ok()?);
    Some(out)
}
