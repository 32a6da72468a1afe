//! Key bytes: zeroed when dropped, not shown, base64 in storage.

use std::fmt;

use base64::Engine;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::wire::{BASE64, decode};
use crate::logical::{ApiError, ApiResult};

/// Bytes of a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// `len` bytes from the operating system.
    ///
    /// # Errors
    /// 500 when it gives none.
    pub(super) fn random(len: usize) -> ApiResult<Self> {
        let mut bytes = Zeroizing::new(vec![0; len]);
        getrandom::fill(&mut bytes)
            .map_err(|_| ApiError::internal("no randomness from the operating system"))?;
        Ok(Self(bytes))
    }

    /// The bytes given.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes in base64.
    pub(super) fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&*self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SecretVisitor)
    }
}

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        decode(text).map(Secret::from_bytes).map_err(|_| E::custom("not base64"))
    }
}

/// Bytes that are not secret, in base64.
pub(super) mod base64_bytes {
    use super::{BASE64, Deserialize, Deserializer, Engine, Serialize, Serializer, decode};

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        BASE64.encode(bytes).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        decode(&text).map_err(|_| serde::de::Error::custom("not base64"))
    }
}
