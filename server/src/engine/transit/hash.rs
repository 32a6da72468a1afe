//! Hash functions by their names in the API, and HMAC over them.

use super::native;

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    None,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

impl Hash {
    /// By name; the empty name is the default, `sha2-256`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "sha1" => Self::Sha1,
            "sha2-224" => Self::Sha224,
            "" | "sha2-256" => Self::Sha256,
            "sha2-384" => Self::Sha384,
            "sha2-512" => Self::Sha512,
            "sha3-224" => Self::Sha3_224,
            "sha3-256" => Self::Sha3_256,
            "sha3-384" => Self::Sha3_384,
            "sha3-512" => Self::Sha3_512,
            _ => return None,
        })
    }

    /// The digest of `input`; `None` for [`Hash::None`].
    pub(super) fn digest(self, input: &[u8]) -> Option<Vec<u8>> {
        native::digest(self, input)
    }

    /// The HMAC of `input`; `None` for [`Hash::None`].
    pub(super) fn hmac(self, key: &[u8], input: &[u8]) -> Option<Vec<u8>> {
        native::hmac(self, key, input)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tools::hex;
    use super::*;

    #[test]
    fn digests_of_hello() {
        for (name, head) in [
            ("sha2-256", "2cf24dba5fb0a30e"),
            ("sha2-224", "ea09ae9cc6768c50"),
            ("sha2-384", "59e1748777448c69"),
            ("sha2-512", "9b71d224bd62f378"),
            ("sha3-224", "b87f88c72702fff1"),
            ("sha3-256", "3338be694f50c5f3"),
            ("sha3-384", "720aea11019ef064"),
            ("sha3-512", "75d527c368f2efe8"),
        ] {
            let sum = Hash::from_name(name).unwrap().digest(b"hello").unwrap();
            assert!(hex(&sum).starts_with(head), "{name}");
        }
        assert_eq!(Hash::from_name("md5"), None);
        assert_eq!(Hash::None.digest(b"hello"), None);
    }

    /// NIST's HMAC-SHA3 examples: a key shorter and one longer than the block.
    #[test]
    fn hmac_over_sha3() {
        let key: Vec<u8> = (0..32).collect();
        let mac = Hash::Sha3_256.hmac(&key, b"Sample message for keylen<blocklen").unwrap();
        assert_eq!(hex(&mac), "4fe8e202c4f058e8dddc23d8c34e467343e23555e24fc2f025d598f558f67205");
        let key: Vec<u8> = (0..168).collect();
        let mac = Hash::Sha3_256.hmac(&key, b"Sample message for keylen>blocklen").unwrap();
        assert_eq!(hex(&mac), "9bcf2c238e235c3ce88404e813bd2f3a97185ac6f238c63d6229a00b07974258");
    }
}
