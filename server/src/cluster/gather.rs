//! Key shares that are given one after the other, for an operation of an unsealed cluster.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::shares::decode_share;
use super::{Sealed, Unsealed};
use crate::logical::{ApiError, ApiResult};
use crate::seal::{self, SealEntry, ShamirSeal};

/// Key shares given so far, for the operation that `nonce` names.
pub(super) struct Gathered {
    pub(super) nonce: String,
    shares: Vec<Zeroizing<Vec<u8>>>,
}

impl Gathered {
    pub(super) fn new() -> Self {
        Self { nonce: Uuid::new_v4().to_string(), shares: Vec::new() }
    }

    pub(super) fn progress(&self) -> usize {
        self.shares.len()
    }

    /// All shares, when this one makes them `threshold`; they are forgotten here then. `what` names
    /// the operation.
    ///
    /// # Errors
    /// 400 for another nonce or a share of the wrong form.
    pub(super) fn add(
        &mut self,
        key: &str,
        nonce: &str,
        threshold: u8,
        what: &str,
    ) -> ApiResult<Option<Vec<Zeroizing<Vec<u8>>>>> {
        if key.is_empty() {
            return Err(ApiError::bad_request("'key' must be specified in request body as JSON"));
        }
        if nonce != self.nonce {
            return Err(ApiError::bad_request(format!(
                "incorrect nonce supplied; nonce for this {what} operation is {:?}",
                self.nonce
            )));
        }
        let share = decode_share(key)?;
        if self.shares.contains(&share) {
            return Err(ApiError::bad_request("given key has already been provided"));
        }
        self.shares.push(share);
        let complete = self.shares.len() >= usize::from(threshold);
        Ok(complete.then(|| std::mem::take(&mut self.shares)))
    }
}

/// The seal as it is stored now.
pub(super) fn seal_entry(unsealed: &Unsealed) -> ApiResult<SealEntry> {
    Ok(Sealed::of(unsealed.store.clone()).map_err(ApiError::internal)?.entry)
}

/// Whether these are the key shares of `entry`.
pub(super) fn check(entry: &SealEntry, shares: &[Zeroizing<Vec<u8>>]) -> ApiResult<()> {
    let wrong = |e: &dyn std::fmt::Display| {
        ApiError::bad_request(format!("the key shares given do not fit together: {e}"))
    };
    let key = seal::combine(shares, entry.threshold).map_err(|e| wrong(&e))?;
    entry.unwrap(&ShamirSeal::new(key)).map(drop).map_err(|e| wrong(&e))
}
