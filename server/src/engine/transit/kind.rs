//! Key types and what each can do.

use serde::{Deserialize, Serialize};

use super::native::{Curve, MlDsa};

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
    #[serde(rename = "xchacha20-poly1305")]
    XChaCha20Poly1305,
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    #[serde(rename = "ecdsa-p521")]
    EcdsaP521,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    #[serde(rename = "mldsa-44")]
    MlDsa44,
    #[serde(rename = "mldsa-65")]
    MlDsa65,
    #[serde(rename = "mldsa-87")]
    MlDsa87,
    #[serde(rename = "hmac")]
    Hmac,
}

/// What a type works by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Authenticated encryption under a key of that many bytes.
    Aead(usize),
    Ed25519,
    Ecdsa(Curve),
    /// With a modulus of that many bits.
    Rsa(u16),
    MlDsa(MlDsa),
    Hmac,
}

/// Type, name in the API, number in a backup, family.
const ALL: &[(Kind, &str, u8, Family)] = &[
    (Kind::Aes128Gcm96, "aes128-gcm96", 8, Family::Aead(16)),
    (Kind::Aes256Gcm96, "aes256-gcm96", 0, Family::Aead(32)),
    (Kind::ChaCha20Poly1305, "chacha20-poly1305", 5, Family::Aead(32)),
    (Kind::XChaCha20Poly1305, "xchacha20-poly1305", 11, Family::Aead(32)),
    (Kind::Ed25519, "ed25519", 2, Family::Ed25519),
    (Kind::EcdsaP256, "ecdsa-p256", 1, Family::Ecdsa(Curve::P256)),
    (Kind::EcdsaP384, "ecdsa-p384", 6, Family::Ecdsa(Curve::P384)),
    (Kind::EcdsaP521, "ecdsa-p521", 7, Family::Ecdsa(Curve::P521)),
    (Kind::Rsa2048, "rsa-2048", 3, Family::Rsa(2048)),
    (Kind::Rsa3072, "rsa-3072", 9, Family::Rsa(3072)),
    (Kind::Rsa4096, "rsa-4096", 4, Family::Rsa(4096)),
    (Kind::MlDsa44, "mldsa-44", 12, Family::MlDsa(MlDsa::L44)),
    (Kind::MlDsa65, "mldsa-65", 13, Family::MlDsa(MlDsa::L65)),
    (Kind::MlDsa87, "mldsa-87", 14, Family::MlDsa(MlDsa::L87)),
    (Kind::Hmac, "hmac", 10, Family::Hmac),
];

impl Kind {
    /// By its name in the API.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, known, ..)| *known == name).map(|(kind, ..)| *kind)
    }

    /// By its number in a backup.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        ALL.iter().find(|(_, _, known, _)| *known == number).map(|(kind, ..)| *kind)
    }

    fn row(self) -> &'static (Self, &'static str, u8, Family) {
        // The table is in the order of the variants; a test holds it to that.
        &ALL[self as usize]
    }

    /// Its name in the API.
    pub(super) fn name(self) -> &'static str {
        self.row().1
    }

    /// Its number in a backup.
    pub(super) fn number(self) -> u8 {
        self.row().2
    }

    /// What it works by.
    pub(super) fn family(self) -> Family {
        self.row().3
    }

    /// The name that goes with a public key.
    pub(super) fn public_name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "P-256",
            Self::EcdsaP384 => "P-384",
            Self::EcdsaP521 => "P-521",
            other => other.name(),
        }
    }

    /// Encrypts with associated data.
    pub(super) fn is_aead(self) -> bool {
        matches!(self.family(), Family::Aead(_))
    }

    /// Encrypts and decrypts.
    pub(super) fn encrypts(self) -> bool {
        matches!(self.family(), Family::Aead(_) | Family::Rsa(_))
    }

    /// Signs and verifies, and so has a public key.
    pub(super) fn signs(self) -> bool {
        !matches!(self.family(), Family::Aead(_) | Family::Hmac)
    }

    /// Can derive a key from each caller's context.
    pub(super) fn derives(self) -> bool {
        matches!(self.family(), Family::Aead(_) | Family::Ed25519)
    }

    /// Bytes of a nonce before a ciphertext.
    pub(super) fn nonce_len(self) -> usize {
        match self {
            Self::XChaCha20Poly1305 => 24,
            kind if kind.is_aead() => 12,
            _ => 0,
        }
    }

    /// What a message that does not authenticate is called.
    pub(super) fn failed_authentication(self) -> &'static str {
        match self {
            Self::ChaCha20Poly1305 | Self::XChaCha20Poly1305 => {
                "chacha20poly1305: message authentication failed"
            }
            _ => "cipher: message authentication failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_what_is_stored() {
        for (row, (kind, name, number, _)) in ALL.iter().enumerate() {
            assert_eq!(*kind as usize, row);
            assert_eq!(Kind::from_name(name), Some(*kind));
            assert_eq!(Kind::from_number(*number), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(Kind::from_name("rot13"), None);
    }
}
