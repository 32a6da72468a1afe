//! Shamir's scheme: the key that wraps the root key is split in shares, of which a threshold is
//! enough (A. Shamir, "How to share a secret", 1979).
//!
//! A share is 33 bytes, the share's number and one byte per byte of the key. With a threshold of one
//! the only share is the key itself, 32 bytes.

use blahaj::{Share, Sharks};
use zeroize::Zeroizing;

use super::{Seal, SealError, unwrap_with, wrap_with};
use crate::barrier::RootKey;

pub(super) const KIND: &str = "shamir";
/// Bytes of the key that wraps the root key.
pub const UNSEAL_KEY_LEN: usize = 32;

/// Why a key could not be split or put together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ShamirError {
    /// Numbers that make no sense.
    #[error("{0}")]
    Parameters(&'static str),
    /// A share is not of the right length, or two are the same.
    #[error("these key shares do not belong together; start again with the right ones")]
    Shares,
}

/// Wraps the root key with a key that only the shares know.
pub struct ShamirSeal(Zeroizing<[u8; UNSEAL_KEY_LEN]>);

impl ShamirSeal {
    /// A new random key.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub fn generate() -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; UNSEAL_KEY_LEN]);
        getrandom::fill(&mut *key).map_err(|_| SealError::Random)?;
        Ok(Self(key))
    }

    /// The seal of a key that was put together.
    pub fn new(key: Zeroizing<[u8; UNSEAL_KEY_LEN]>) -> Self {
        Self(key)
    }

    /// The key; a secret.
    pub fn key(&self) -> &[u8; UNSEAL_KEY_LEN] {
        &self.0
    }
}

impl Seal for ShamirSeal {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, SealError> {
        wrap_with(&self.0, root)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<RootKey, SealError> {
        unwrap_with(&self.0, wrapped)
    }
}

/// The shares of `key`.
///
/// # Errors
/// [`ShamirError::Parameters`].
pub fn split(
    key: &[u8; UNSEAL_KEY_LEN],
    shares: u8,
    threshold: u8,
) -> Result<Vec<Zeroizing<Vec<u8>>>, ShamirError> {
    let wrong = ShamirError::Parameters;
    if shares == 0 {
        return Err(wrong("secret_shares must be a positive number"));
    }
    if threshold == 0 {
        return Err(wrong("secret_threshold must be a positive number"));
    }
    if threshold > shares {
        return Err(wrong("secret_threshold cannot be larger than secret_shares"));
    }
    if shares > 1 && threshold == 1 {
        return Err(wrong("secret_threshold must be greater than one for multiple secret_shares"));
    }
    if shares == 1 {
        return Ok(vec![Zeroizing::new(key.to_vec())]);
    }
    let dealt = Sharks(threshold).dealer(key).take(usize::from(shares));
    Ok(dealt.map(|share| Zeroizing::new(Vec::from(&share))).collect())
}

/// The key that `shares` make. Wrong shares of the right form make a wrong key, which the seal
/// then refuses.
///
/// # Errors
/// [`ShamirError::Shares`].
pub fn combine(
    shares: &[Zeroizing<Vec<u8>>],
    threshold: u8,
) -> Result<Zeroizing<[u8; UNSEAL_KEY_LEN]>, ShamirError> {
    let key = if threshold == 1 {
        shares.first().cloned().ok_or(ShamirError::Shares)?
    } else {
        if shares.iter().any(|s| s.len() != UNSEAL_KEY_LEN + 1) {
            return Err(ShamirError::Shares);
        }
        let shares: Vec<Share> = shares
            .iter()
            .map(|s| Share::try_from(s.as_slice()).map_err(|_| ShamirError::Shares))
            .collect::<Result<_, _>>()?;
        Zeroizing::new(Sharks(threshold).recover(&shares).map_err(|_| ShamirError::Shares)?)
    };
    let key = <[u8; UNSEAL_KEY_LEN]>::try_from(key.as_slice()).map_err(|_| ShamirError::Shares)?;
    Ok(Zeroizing::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SealEntry;

    #[test]
    fn any_threshold_of_shares_unwraps_and_fewer_do_not() {
        let root = RootKey::from_bytes([9; 32]);
        let seal = ShamirSeal::generate().unwrap();
        let entry = SealEntry::new(&seal, &root, 5, 3).unwrap();
        let entry = SealEntry::decode(&entry.encode().unwrap()).unwrap();
        let shares = split(seal.key(), 5, 3).unwrap();
        assert!(shares.iter().all(|s| s.len() == 33));
        for pick in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let some: Vec<_> = pick.iter().map(|i| shares[*i].clone()).collect();
            let key = combine(&some, 3).unwrap();
            assert_eq!(entry.unwrap(&ShamirSeal::new(key)).unwrap().expose(), root.expose());
        }
        let twice = [shares[0].clone(), shares[0].clone(), shares[1].clone()];
        assert_eq!(combine(&twice, 3).unwrap_err(), ShamirError::Shares);
        let mut bad = [shares[0].clone(), shares[1].clone(), shares[2].clone()];
        bad[1][7] ^= 1;
        let key = combine(&bad, 3).unwrap();
        assert!(matches!(entry.unwrap(&ShamirSeal::new(key)), Err(SealError::Decrypt)));
    }

    #[test]
    fn one_share_is_the_key_itself_and_odd_numbers_are_refused() {
        let key = [3; UNSEAL_KEY_LEN];
        let shares = split(&key, 1, 1).unwrap();
        assert_eq!(shares[0].as_slice(), key);
        assert_eq!(*combine(&shares, 1).unwrap(), key);
        for (n, t) in [(0, 0), (1, 0), (2, 3), (3, 1)] {
            assert!(matches!(split(&key, n, t), Err(ShamirError::Parameters(_))));
        }
        assert!(combine(&[Zeroizing::new(vec![1; 5])], 1).is_err());
    }
}
