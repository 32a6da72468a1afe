//! Strings as HMACs under a device's key.

use super::hmac::Key;

/// In front of every hashed string.
const PREFIX: &str = "hmac-sha256:";

/// Turns strings into what goes on record.
pub(super) struct Hasher(Key);

impl Hasher {
    /// With a device's key.
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Key::new(key))
    }

    /// `hmac-sha256:<hex>`.
    pub(super) fn hash(&self, text: &str) -> String {
        let mut out = PREFIX.to_owned();
        out.extend(self.0.tag(text.as_bytes()).map(char::from));
        out
    }

    /// Appends the hash as a JSON string.
    pub(super) fn string(&self, out: &mut Vec<u8>, text: &str) {
        out.push(b'"');
        out.extend_from_slice(PREFIX.as_bytes());
        out.extend_from_slice(&self.0.tag(text.as_bytes()));
        out.push(b'"');
    }
}
