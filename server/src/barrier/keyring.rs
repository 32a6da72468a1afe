//! The keyring: the data keys by term, and the root key that protects them at rest.
//!
//! Stored form of a keyring: `nonce (12) || AES-256-GCM(root key, JSON)`, associated data
//! `strongroom/keyring/v1`. The root key itself is stored only as wrapped by a seal.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const AAD: &[u8] = b"strongroom/keyring/v1";

/// Why a keyring could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Wrong root key, or the stored bytes were changed.
    #[error("the keyring cannot be decrypted with this root key")]
    Decrypt,
    /// Decrypted, but not a keyring.
    #[error("the keyring is malformed")]
    Malformed,
    /// The operating system gave no random bytes.
    #[error("no randomness from the operating system")]
    Random,
}

/// The key that protects the keyring; 32 bytes, zeroed when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RootKey([u8; 32]);

impl RootKey {
    /// A new random root key.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn generate() -> Result<Self, KeyringError> {
        random32().map(Self)
    }

    /// From its 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes; a secret.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> Result<LessSafeKey, KeyringError> {
        UnboundKey::new(&AES_256_GCM, &self.0)
            .map(LessSafeKey::new)
            .map_err(|_| KeyringError::Malformed)
    }
}

#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct TermKey {
    key: [u8; 32],
    /// Seconds since the epoch.
    installed: u64,
}

/// The data keys by term.
#[derive(Clone, Serialize, Deserialize)]
pub struct Keyring {
    active: u32,
    terms: BTreeMap<u32, TermKey>,
}

impl Keyring {
    /// A keyring with one random key of term 1. `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn generate(now: u64) -> Result<Self, KeyringError> {
        let mut ring = Self { active: 0, terms: BTreeMap::new() };
        ring.rotate(now)?;
        Ok(ring)
    }

    /// Adds a term and makes it the active one.
    ///
    /// # Errors
    /// [`KeyringError::Random`]; the keyring is unchanged then.
    pub fn rotate(&mut self, now: u64) -> Result<u32, KeyringError> {
        let key = random32()?;
        let term = self.active + 1;
        self.terms.insert(term, TermKey { key, installed: now });
        self.active = term;
        Ok(term)
    }

    /// The term that new values are sealed under.
    pub fn active_term(&self) -> u32 {
        self.active
    }

    /// When a term was installed, seconds since the epoch.
    pub fn installed(&self, term: u32) -> Option<u64> {
        self.terms.get(&term).map(|t| t.installed)
    }

    /// The key of a term; a secret.
    pub(super) fn key(&self, term: u32) -> Option<&[u8; 32]> {
        self.terms.get(&term).map(|t| &t.key)
    }

    /// All terms with their keys; secrets.
    pub(super) fn keys(&self) -> impl Iterator<Item = (u32, &[u8; 32])> {
        self.terms.iter().map(|(term, of)| (*term, &of.key))
    }

    /// The stored form.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn seal(&self, root: &RootKey) -> Result<Vec<u8>, KeyringError> {
        seal_json(self, root, AAD)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`KeyringError::Decrypt`] with the wrong root key, [`KeyringError::Malformed`] otherwise.
    pub fn open(stored: &[u8], root: &RootKey) -> Result<Self, KeyringError> {
        let ring: Self = open_json(stored, root, AAD)?;
        if ring.terms.contains_key(&ring.active) { Ok(ring) } else { Err(KeyringError::Malformed) }
    }
}

/// `nonce || AES-256-GCM(root key, JSON)`.
pub(super) fn seal_json(
    value: &impl Serialize,
    root: &RootKey,
    aad: &[u8],
) -> Result<Vec<u8>, KeyringError> {
    let plain = Zeroizing::new(serde_json::to_vec(value).map_err(|_| KeyringError::Malformed)?);
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce).map_err(|_| KeyringError::Random)?;
    let mut body = plain.to_vec();
    root.cipher()?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
        .map_err(|_| KeyringError::Malformed)?;
    Ok([&nonce[..], &body].concat())
}

/// What [`seal_json`] sealed.
pub(super) fn open_json<T: DeserializeOwned>(
    stored: &[u8],
    root: &RootKey,
    aad: &[u8],
) -> Result<T, KeyringError> {
    let (nonce, body) = stored.split_at_checked(NONCE_LEN).ok_or(KeyringError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyringError::Malformed)?;
    let mut body = Zeroizing::new(body.to_vec());
    let plain = root
        .cipher()?
        .open_in_place(nonce, Aad::from(aad), &mut body)
        .map_err(|_| KeyringError::Decrypt)?;
    serde_json::from_slice(plain).map_err(|_| KeyringError::Malformed)
}

fn random32() -> Result<[u8; 32], KeyringError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| KeyringError::Random)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_survives_its_stored_form_and_refuses_the_wrong_root_key() {
        let root = RootKey::generate().unwrap();
        let mut ring = Keyring::generate(7).unwrap();
        ring.rotate(9).unwrap();
        let stored = ring.seal(&root).unwrap();
        let back = Keyring::open(&stored, &root).unwrap();
        assert_eq!(back.active_term(), 2);
        assert_eq!(back.key(1), ring.key(1));
        assert_eq!(back.installed(2), Some(9));
        let other = RootKey::generate().unwrap();
        assert!(matches!(Keyring::open(&stored, &other), Err(KeyringError::Decrypt)));
        assert!(matches!(Keyring::open(b"short", &root), Err(KeyringError::Malformed)));
    }
}
