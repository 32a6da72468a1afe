//! Subkeys: what values are sealed under, derived from a term's key by a salt of one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

use super::BarrierError;

pub(super) const SALT_LEN: usize = 16;
const INFO: &[u8] = b"strongroom/barrier/v1";
/// Subkeys kept for reading, each of some salt that a process of the past drew.
const SUBKEY_CACHE_MAX: usize = 1024;

/// Term and salt of a subkey.
pub(super) type Origin = (u32, [u8; SALT_LEN]);

pub(super) fn derive(
    master: &[u8; 32],
    salt: &[u8; SALT_LEN],
) -> Result<LessSafeKey, BarrierError> {
    let prk = Salt::new(HKDF_SHA256, salt).extract(master);
    let okm = prk.expand(&[INFO], &AES_256_GCM).map_err(|_| BarrierError::Malformed)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}

/// Those that were derived already.
#[derive(Default)]
pub(super) struct Subkeys(Mutex<HashMap<Origin, Arc<LessSafeKey>>>);

impl Subkeys {
    pub(super) fn get(&self, of: Origin) -> Option<Arc<LessSafeKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&of).cloned()
    }

    pub(super) fn keep(&self, of: Origin, subkey: Arc<LessSafeKey>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SUBKEY_CACHE_MAX {
            known.clear();
        }
        known.insert(of, subkey);
    }
}
