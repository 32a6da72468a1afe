//! The form in which keys travel between servers: a one-time AES-256 key under RSA-OAEP, and the
//! key under that by AES-KWP (RFC 5649).
//!
//! Each mount has one RSA-4096 key to import under, made when it is first asked for.

use std::sync::Arc;

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::hash::Hash;
use super::material::unhurried;
use super::native::Pkey;
use super::pem;
use super::secret::Secret;
use crate::barrier::View;
use crate::logical::{ApiError, ApiResult, Call, Response};

const ENTRY: &str = "wrapping-key";
/// As listings of keys show it.
pub(super) const FOLDER: &str = "import/";
const BITS: i32 = 4096;
/// Bytes of the one-time key.
const ONE_TIME_LEN: usize = 32;
/// A block of AES-KWP, and what it adds.
const BLOCK: usize = 8;

/// The mount's key, as stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    pkcs8: Secret,
}

fn load(view: &mut View<'_>) -> ApiResult<Option<Arc<Pkey>>> {
    Ok(view.cached(ENTRY, |plain| {
        let stored: Stored = serde_json::from_slice(plain).ok()?;
        Pkey::from_pkcs8(stored.pkcs8.expose())
    })?)
}

/// Whether there is a wrapping key.
pub(super) fn exists(view: &mut View<'_>) -> ApiResult<bool> {
    Ok(view.exists(ENTRY)?)
}

/// `wrapping_key`: the public half.
pub(super) fn read(_: &Call<'_>, view: &mut View<'_>) -> ApiResult<Response> {
    let failed = || ApiError::internal("a key could not be generated");
    let spki = if let Some(key) = load(view)? {
        key.to_spki()
    } else {
        let key = unhurried(|| Pkey::generate_rsa(BITS)).ok_or_else(failed)?;
        let pkcs8 = key.to_pkcs8().ok_or_else(failed)?;
        view.put_json(ENTRY, &Stored { pkcs8: Secret::from_bytes(pkcs8.to_vec()) })?;
        key.to_spki()
    };
    let text = pem::encode("PUBLIC KEY", &spki.ok_or_else(failed)?);
    Response::data(&json!({ "public_key": text.as_str() }))
}

/// Opens what was wrapped under the mount's key.
pub(super) fn open(
    view: &mut View<'_>,
    hash: Hash,
    wrapped: &[u8],
) -> ApiResult<Zeroizing<Vec<u8>>> {
    let refuse = |why: &str| ApiError::bad_request(why);
    let key = load(view)?.ok_or_else(|| {
        refuse("this mount has no wrapping key yet: read wrapping_key, and wrap under that")
    })?;
    let (one_time, body) = wrapped
        .split_at_checked(key.bits() / 8)
        .filter(|(_, body)| !body.is_empty())
        .ok_or_else(|| refuse("provided ciphertext is too short"))?;
    let one_time =
        key.oaep_open(hash, one_time).ok_or_else(|| refuse("crypto/rsa: decryption error"))?;
    let mut out = Zeroizing::new(vec![0; body.len()]);
    let kek = AesKek::new(&AES_256, &one_time)
        .map_err(|_| refuse("the one-time key must be one of AES-256"))?;
    let len = kek
        .unwrap_with_padding(body, &mut out)
        .map_err(|_| refuse("the key does not unwrap under its one-time key"))?
        .len();
    out.truncate(len);
    Ok(out)
}

/// Wraps key material under a public key.
pub(super) fn seal(destination: &Pkey, hash: Hash, material: &[u8]) -> ApiResult<Vec<u8>> {
    let failed = || ApiError::bad_request("the key cannot be wrapped under its destination");
    let one_time = Secret::random(ONE_TIME_LEN)?;
    let mut wrapped = destination.oaep_seal(hash, one_time.expose()).ok_or_else(failed)?;
    let kek = AesKek::new(&AES_256, one_time.expose()).map_err(|_| failed())?;
    let mut body = vec![0; material.len().next_multiple_of(BLOCK) + BLOCK];
    let body = kek.wrap_with_padding(material, &mut body).map_err(|_| failed())?;
    wrapped.extend_from_slice(body);
    Ok(wrapped)
}
