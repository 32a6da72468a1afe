//! HMAC-SHA256 of many short texts under one key.
//!
//! What the key makes of the hash's state is computed once; a text starts from there. A text of up to
//! 55 bytes then costs two blocks of SHA-256, and next to nothing beside them.

use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a block of SHA-256.
const BLOCK_LEN: usize = 64;
/// Bytes at the end of the last block that hold the length.
const LENGTH_LEN: usize = 8;
/// Characters of a tag in hexadecimal.
pub(super) const HEX_LEN: usize = 64;
/// The hash's state before the first block (FIPS 180-4, 5.3.3).
const START: State = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

type State = [u32; 8];
type Block = [u8; BLOCK_LEN];

/// A key, ready for use; wiped when it is dropped.
pub(super) struct Key {
    /// After the block that the key makes in front of a text, and after the one in front of its hash.
    inner: State,
    outer: State,
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
        let after = |pad: u8| {
            let padded = Zeroizing::new(block.map(|byte| byte ^ pad));
            let mut state = START;
            compress256(&mut state, std::slice::from_ref(&*padded));
            state
        };
        let mut ready = Self { inner: after(0x36), outer: after(0x5c), empty: [0; HEX_LEN] };
        ready.empty = ready.made(b"");
        ready
    }

    /// The tag of a text, in lower case.
    pub(super) fn tag(&self, text: &[u8]) -> [u8; HEX_LEN] {
        if text.is_empty() { self.empty } else { self.made(text) }
    }

    fn made(&self, text: &[u8]) -> [u8; HEX_LEN] {
        let mut hash = [0; BLOCK_LEN / 2];
        put(&mut hash, &hashed(self.inner, text));
        hex(&hashed(self.outer, &hash))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// The hash of a block that led to `state`, and a text behind it.
fn hashed(mut state: State, text: &[u8]) -> State {
    let (whole, rest) = text.as_chunks::<BLOCK_LEN>();
    compress256(&mut state, whole);
    // A bit that is set, zeros, and the length in bits.
    let mut end: [Block; 2] = [[0; BLOCK_LEN]; 2];
    let blocks = if rest.len() < BLOCK_LEN - LENGTH_LEN { 1 } else { 2 };
    let flat = end.as_flattened_mut();
    flat[..rest.len()].copy_from_slice(rest);
    flat[rest.len()] = 0x80;
    let bits = u64::try_from(BLOCK_LEN + text.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    flat[blocks * BLOCK_LEN - LENGTH_LEN..blocks * BLOCK_LEN].copy_from_slice(&bits.to_be_bytes());
    compress256(&mut state, &end[..blocks]);
    state
}

fn put(bytes: &mut [u8; BLOCK_LEN / 2], state: &State) {
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
}

fn hex(state: &State) -> [u8; HEX_LEN] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [0; BLOCK_LEN / 2];
    put(&mut bytes, state);
    let mut out = [0; HEX_LEN];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

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

    /// Lengths around those at which a block more is needed.
    #[test]
    fn tags_are_those_of_another_implementation_whatever_the_length() {
        let (key, other) = (Key::new(b"key"), hmac::Key::new(hmac::HMAC_SHA256, b"key"));
        let text: Vec<u8> = (0..=255).cycle().take(400).collect();
        for len in 0..text.len() {
            let want: String = hmac::sign(&other, &text[..len])
                .as_ref()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            assert_eq!(String::from_utf8(key.tag(&text[..len]).to_vec()).unwrap(), want, "{len}");
        }
    }
}
