//! HMAC-SHA256 of many short texts under one key.
//!
//! What the key makes of the hash's state is computed once; a text starts from a copy of it. A text
//! of up to 55 bytes then costs two blocks of SHA-256.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Bytes of a block of SHA-256.
const BLOCK_LEN: usize = 64;
/// Characters of a tag in hexadecimal.
pub(super) const HEX_LEN: usize = 64;

/// The two digits of every byte.
const DIGITS: [[u8; 2]; 256] = {
    let mut digits = [[0; 2]; 256];
    let mut at = 0;
    while at < 256 {
        let digit = b"0123456789abcdef";
        digits[at] = [digit[at / 16], digit[at % 16]];
        at += 1;
    }
    digits
};

/// A key, ready for use; wiped when it is dropped.
pub(super) struct Key {
    ready: Hmac<Sha256>,
    /// The tag of an empty text: answers are full of empty texts.
    empty: [u8; HEX_LEN],
}

impl Key {
    /// From its bytes, of any length.
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        if key.len() <= BLOCK_LEN {
            block[..key.len()].copy_from_slice(key);
        } else {
            block[..BLOCK_LEN / 2].copy_from_slice(&Sha256::digest(key));
        }
        let ready = Hmac::new((&*block).into());
        let empty = hex(ready.clone());
        Self { ready, empty }
    }

    /// The tag of a text, in lower case.
    pub(super) fn tag(&self, text: &[u8]) -> [u8; HEX_LEN] {
        if text.is_empty() {
            return self.empty;
        }
        let mut mac = self.ready.clone();
        mac.update(text);
        hex(mac)
    }
}

fn hex(mac: Hmac<Sha256>) -> [u8; HEX_LEN] {
    let mut out = [0; HEX_LEN];
    for (pair, byte) in out.as_chunks_mut().0.iter_mut().zip(mac.finalize().into_bytes()) {
        *pair = DIGITS[usize::from(byte)];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 2 and 6.
    #[test]
    fn tags_are_those_of_the_standard() {
        let tag = |key: &[u8], text: &[u8]| String::from_utf8(Key::new(key).tag(text).to_vec());
        for (key, text, want) in [
            (
                &b"Jefe"[..],
                &b"what do ya want for nothing?"[..],
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(tag(key, text).unwrap(), want);
        }
        // Of an empty text under an empty key.
        assert_eq!(
            tag(b"", b"").unwrap(),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"
        );
    }
}
