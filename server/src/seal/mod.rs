//! What protects the root key at rest.
//!
//! A [`Seal`] wraps the root key; the wrapped form and the seal's parameters are the [`SealEntry`],
//! the only entry that is stored in the plain, as NODE/`seal`. With Shamir's scheme the wrapping key
//! exists only while its shares are put together.

mod shamir;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::barrier::RootKey;

pub use shamir::{ShamirError, ShamirSeal, UNSEAL_KEY_LEN, combine, split};

const AAD: &[u8] = b"strongroom/seal/v1";

/// Why a root key could not be wrapped or unwrapped.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// Wrong key, or the stored bytes were changed.
    #[error("the root key cannot be decrypted with these key shares")]
    Decrypt,
    /// The stored seal entry is not in a form that this version knows.
    #[error("the stored seal configuration is malformed")]
    Malformed,
    /// The operating system gave no random bytes.
    #[error("no randomness from the operating system")]
    Random,
}

/// Wraps and unwraps the root key. Shamir's scheme today; a hardware token is another implementation.
pub trait Seal: Send + Sync {
    /// As `seal-status` shows it.
    fn kind(&self) -> &'static str;

    /// The wrapped root key.
    ///
    /// # Errors
    /// [`SealError::Random`].
    fn wrap(&self, root: &RootKey) -> Result<Vec<u8>, SealError>;

    /// The root key.
    ///
    /// # Errors
    /// [`SealError::Decrypt`] with the wrong key.
    fn unwrap(&self, wrapped: &[u8]) -> Result<RootKey, SealError>;
}

/// NODE/`seal`, stored as JSON in the plain.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct SealEntry {
    /// [`Seal::kind`].
    pub kind: String,
    /// Key shares in all.
    pub shares: u8,
    /// Key shares that are needed.
    pub threshold: u8,
    /// The wrapped root key, base64.
    wrapped: String,
}

impl SealEntry {
    /// The entry for `root` under `seal`.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub fn new(
        seal: &dyn Seal,
        root: &RootKey,
        shares: u8,
        threshold: u8,
    ) -> Result<Self, SealError> {
        let wrapped = STANDARD.encode(seal.wrap(root)?);
        Ok(Self { kind: seal.kind().to_owned(), shares, threshold, wrapped })
    }

    /// From the stored bytes.
    ///
    /// # Errors
    /// [`SealError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SealError> {
        let entry: Self = serde_json::from_slice(bytes).map_err(|_| SealError::Malformed)?;
        let sound = entry.kind == shamir::KIND
            && entry.threshold >= 1
            && entry.threshold <= entry.shares
            && STANDARD.decode(&entry.wrapped).is_ok();
        if sound { Ok(entry) } else { Err(SealError::Malformed) }
    }

    /// The stored bytes.
    ///
    /// # Errors
    /// [`SealError::Malformed`], which does not come up.
    pub fn encode(&self) -> Result<Vec<u8>, SealError> {
        serde_json::to_vec(self).map_err(|_| SealError::Malformed)
    }

    /// The root key, if `seal` is the one that wrapped it.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn unwrap(&self, seal: &dyn Seal) -> Result<RootKey, SealError> {
        seal.unwrap(&STANDARD.decode(&self.wrapped).map_err(|_| SealError::Malformed)?)
    }
}

/// `nonce || AES-256-GCM(key, root key)`.
fn wrap_with(key: &[u8; 32], root: &RootKey) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
    let mut body = root.expose().to_vec();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(AAD), &mut body)
        .map_err(|_| SealError::Malformed)?;
    Ok([&nonce[..], &body].concat())
}

fn unwrap_with(key: &[u8; 32], wrapped: &[u8]) -> Result<RootKey, SealError> {
    let (nonce, body) = wrapped.split_at_checked(NONCE_LEN).ok_or(SealError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Malformed)?;
    let mut body = Zeroizing::new(body.to_vec());
    let plain = cipher(key)?
        .open_in_place(nonce, Aad::from(AAD), &mut body)
        .map_err(|_| SealError::Decrypt)?;
    let root = Zeroizing::new(<[u8; 32]>::try_from(&*plain).map_err(|_| SealError::Malformed)?);
    Ok(RootKey::from_bytes(*root))
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| SealError::Malformed)
}
