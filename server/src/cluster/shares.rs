//! Key shares on their way in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Sealed;
use crate::barrier::RootKey;
use crate::logical::{ApiError, ApiResult};
use crate::seal::{self, ShamirSeal};

/// Decoded key shares shorter or longer than this are refused before they count.
const SHARE_LEN: std::ops::RangeInclusive<usize> = seal::UNSEAL_KEY_LEN..=seal::UNSEAL_KEY_LEN + 1;

/// Shares given so far.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) nonce: String,
    pub(super) shares: Vec<Zeroizing<Vec<u8>>>,
}

impl Sealed {
    /// All shares, when this one completes them.
    pub(super) fn add_share(&self, share: Zeroizing<Vec<u8>>) -> Option<Vec<Zeroizing<Vec<u8>>>> {
        let mut progress = self.progress();
        if progress.shares.is_empty() {
            progress.nonce = uuid::Uuid::new_v4().to_string();
        }
        if !progress.shares.contains(&share) {
            progress.shares.push(share);
        }
        if progress.shares.len() < usize::from(self.entry.threshold) {
            return None;
        }
        Some(std::mem::take(&mut *progress).shares)
    }

    /// The root key, if these are the right shares.
    pub(super) fn root_key(&self, shares: &[Zeroizing<Vec<u8>>]) -> ApiResult<RootKey> {
        let wrong =
            |e: &dyn std::fmt::Display| ApiError::bad_request(format!("unseal failed: {e}"));
        let key = seal::combine(shares, self.entry.threshold).map_err(|e| wrong(&e))?;
        self.entry.unwrap(&ShamirSeal::new(key)).map_err(|e| wrong(&e))
    }
}

/// A share in hexadecimal or base64.
pub(super) fn decode_share(text: &str) -> ApiResult<Zeroizing<Vec<u8>>> {
    let bytes = decode(text)?;
    if SHARE_LEN.contains(&bytes.len()) {
        return Ok(bytes);
    }
    Err(ApiError::bad_request(format!(
        "key share has the wrong length: {} or {} bytes are expected",
        SHARE_LEN.start(),
        SHARE_LEN.end()
    )))
}

/// Whether a text may be a key share, for a cluster that needs none.
pub(super) fn is_encoded(text: &str) -> ApiResult<()> {
    decode(text).map(drop)
}

fn decode(text: &str) -> ApiResult<Zeroizing<Vec<u8>>> {
    let bytes = unhex(text).or_else(|| STANDARD.decode(text).ok()).map(Zeroizing::new);
    bytes.ok_or_else(|| ApiError::bad_request("'key' must be a valid hex or base64 string"))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        for digit in [b >> 4, b & 15] {
            out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}
