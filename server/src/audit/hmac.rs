//! HMAC-SHA256 of many short texts under one key.
//!
//! What the key makes of the hash's state is computed once, and a text goes on from there. A text of up
//! to 55 bytes then costs two blocks of SHA-256, and no more: a hasher that takes any text in any
//! pieces spends as much on its buffers as on the blocks.

use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Bytes of a block of SHA-256.
const BLOCK_LEN: usize = 64;
/// Bytes at the end of the last block that hold the length.
const LENGTH_LEN: usize = 8;
/// Bytes of a tag.
const TAG_LEN: usize = 32;
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

/// The state of SHA-256.
type State = [u32; 8];

/// Before the first block (FIPS 180-4, 5.3.3).
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

/// A key, ready for use; wiped when it is dropped.
pub(super) struct Key {
    /// After the block that the key makes for the text, and for the hash of it.
    inner: Zeroizing<State>,
    outer: Zeroizing<State>,
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
            block[..TAG_LEN].copy_from_slice(&Sha256::digest(key));
        }
        let after = |pad: u8| {
            let mut state = Zeroizing::new(START);
            compress256(&mut state, &*Zeroizing::new([block.map(|byte| byte ^ pad)]));
            state
        };
        let mut key = Self { inner: after(0x36), outer: after(0x5c), empty: [0; HEX_LEN] };
        key.empty = key.computed(b"");
        key
    }

    /// The tag of a text, in lower case.
    pub(super) fn tag(&self, text: &[u8]) -> [u8; HEX_LEN] {
        if text.is_empty() { self.empty } else { self.computed(text) }
    }

    fn computed(&self, text: &[u8]) -> [u8; HEX_LEN] {
        hex(ended(*self.outer, &ended(*self.inner, text)))
    }
}

/// The hash that a state comes to, in which one block went before, with `text` as all that follows.
fn ended(mut state: State, text: &[u8]) -> [u8; TAG_LEN] {
    let (whole, rest) = text.as_chunks::<BLOCK_LEN>();
    if !whole.is_empty() {
        compress256(&mut state, whole);
    }
    let mut last = [[0; BLOCK_LEN]; 2];
    last[0][..rest.len()].copy_from_slice(rest);
    last[0][rest.len()] = 0x80;
    let last = &mut last[..if rest.len() < BLOCK_LEN - LENGTH_LEN { 1 } else { 2 }];
    let bits = 8 * (BLOCK_LEN + text.len()) as u64;
    if let Some(length) = last.as_flattened_mut().last_chunk_mut() {
        *length = bits.to_be_bytes();
    }
    compress256(&mut state, last);
    let mut hash = [0; TAG_LEN];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

fn hex(hash: [u8; TAG_LEN]) -> [u8; HEX_LEN] {
    let mut out = [0; HEX_LEN];
    for (pair, byte) in out.as_chunks_mut().0.iter_mut().zip(hash) {
        *pair = DIGITS[usize::from(byte)];
    }
    out
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};

    use super::*;

    /// At every length the end of the text stands elsewhere in its block.
    #[test]
    fn tags_of_all_lengths_are_those_of_another_implementation() {
        let text: Vec<u8> = (0..=255).collect();
        for key in [&text[..32], &text[..64], &text[..65]] {
            let ours = Key::new(key);
            for len in 0..=text.len() {
                let mut theirs = Hmac::<Sha256>::new_from_slice(key).unwrap();
                theirs.update(&text[..len]);
                let want = hex(theirs.finalize().into_bytes().into());
                assert_eq!(ours.tag(&text[..len]), want, "{len} bytes");
            }
        }
    }

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
