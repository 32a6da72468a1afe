//! Key types and what each can do.

use serde::{Deserialize, Serialize};

/// The type of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum Kind {
    #[serde(rename = "aes128-gcm96")]
    Aes128Gcm96,
    #[default]
    #[serde(rename = "aes256-gcm96")]
    Aes256Gcm96,
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
    #[serde(rename = "ed25519")]
    Ed25519,
}

const ALL: &[Kind] = &[Kind::Aes128Gcm96, Kind::Aes256Gcm96, Kind::ChaCha20Poly1305, Kind::Ed25519];

impl Kind {
    /// By its name in the API.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Its name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm96 => "aes128-gcm96",
            Self::Aes256Gcm96 => "aes256-gcm96",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::Ed25519 => "ed25519",
        }
    }

    /// Encrypts and decrypts.
    pub(super) fn encrypts(self) -> bool {
        !self.signs()
    }

    /// Signs and verifies.
    pub(super) fn signs(self) -> bool {
        self == Self::Ed25519
    }

    /// Can derive a key from each caller's context.
    pub(super) fn derives(self) -> bool {
        matches!(
            self,
            Self::Aes128Gcm96 | Self::Aes256Gcm96 | Self::ChaCha20Poly1305 | Self::Ed25519
        )
    }

    /// Bytes of a symmetric key, or of the seed of a signing key.
    pub(super) fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm96 => 16,
            Self::Aes256Gcm96 | Self::ChaCha20Poly1305 | Self::Ed25519 => 32,
        }
    }

    /// What a message that does not authenticate is called.
    pub(super) fn failed_authentication(self) -> &'static str {
        match self {
            Self::ChaCha20Poly1305 => "chacha20poly1305: message authentication failed",
            _ => "cipher: message authentication failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_what_is_stored() {
        for kind in ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(Kind::from_name("rot13"), None);
    }
}
