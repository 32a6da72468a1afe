//! Keys that the keyring had once and does not have any more.
//!
//! A keyring only gains terms, but for one case: the primary of a secondary is restored from a backup
//! that is older than its last rotation. What is the secondary's own was sealed under the terms that
//! are gone, so it keeps their keys, to open and never to seal. The restored primary's next term has
//! the number of one that is gone, and another key.
//!
//! Stored as NODE/`former-keys`: `nonce (12) || AES-256-GCM(root key, JSON)`.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::keyring::{self, Keyring, KeyringError, RootKey};

const AAD: &[u8] = b"strongroom/former-keys/v1";
/// Keys that are kept at most; the oldest make room.
const KEYS_MAX: usize = 256;

/// Terms with the keys that they had.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct FormerKeys(Vec<FormerKey>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct FormerKey {
    term: u32,
    key: [u8; 32],
}

impl FormerKeys {
    /// With what `new` lacks of `old`; `None` where that adds nothing.
    pub(super) fn after(&self, old: &Keyring, new: &Keyring) -> Option<Self> {
        let mut all = self.clone();
        for (term, key) in old.keys() {
            let former = FormerKey { term, key: *key };
            if new.key(term) != Some(key) && !all.0.contains(&former) {
                all.0.push(former);
            }
        }
        let excess = all.0.len().saturating_sub(KEYS_MAX);
        all.0.drain(..excess);
        (all.0 != self.0).then_some(all)
    }

    /// The keys that a term had, the last one first.
    pub(super) fn of(&self, term: u32) -> impl Iterator<Item = &[u8; 32]> {
        self.0.iter().rev().filter(move |former| former.term == term).map(|former| &former.key)
    }

    /// The stored form.
    ///
    /// # Errors
    /// [`KeyringError::Random`].
    pub fn seal(&self, root: &RootKey) -> Result<Vec<u8>, KeyringError> {
        keyring::seal_json(self, root, AAD)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`KeyringError::Decrypt`] with the wrong root key, [`KeyringError::Malformed`] otherwise.
    pub fn open(stored: &[u8], root: &RootKey) -> Result<Self, KeyringError> {
        keyring::open_json(stored, root, AAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_new_keyring_lacks_is_kept_once() {
        let old = Keyring::generate(0).unwrap();
        let mut rotated = old.clone();
        rotated.rotate(1).unwrap();
        let none = FormerKeys::default();
        assert!(none.after(&old, &rotated).is_none(), "nothing is lost by a rotation");
        let former = none.after(&rotated, &old).unwrap();
        assert!(former.after(&rotated, &old).is_none());
        assert_eq!(former.of(2).collect::<Vec<_>>(), [rotated.key(2).unwrap()]);
        assert_eq!(former.of(1).count(), 0);
        // Another key under the number of one that is gone.
        let mut again = old.clone();
        again.rotate(2).unwrap();
        assert!(former.after(&old, &again).is_none());
        let both = former.after(&again, &old).unwrap();
        let keys = [again.key(2).unwrap(), rotated.key(2).unwrap()];
        assert_eq!(both.of(2).collect::<Vec<_>>(), keys);
        let root = RootKey::generate().unwrap();
        let back = FormerKeys::open(&both.seal(&root).unwrap(), &root).unwrap();
        assert_eq!(back.of(2).collect::<Vec<_>>(), keys);
        let other = RootKey::generate().unwrap();
        assert!(FormerKeys::open(&both.seal(&root).unwrap(), &other).is_err());
    }
}
