//! Bounded reading and writing of the fields of a message.

use super::bucket::Base;
use super::{MAX_BUCKET_BITS, ReconcileError};

/// Reads fields from the front of a message. Every method fails at its end rather than panic.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReconcileError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(ReconcileError::Malformed)?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, ReconcileError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], ReconcileError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(ReconcileError::Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Seven bits a byte, low first, no more bytes than needed.
    pub(super) fn number(&mut self) -> Result<u32, ReconcileError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7f);
            if bits.leading_zeros() < shift || (byte == 0 && shift > 0) {
                return Err(ReconcileError::Malformed);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ReconcileError::Malformed)
    }

    /// The number of items of `size` bytes that follow; no more than there are bytes for.
    pub(super) fn count(&mut self, size: usize) -> Result<usize, ReconcileError> {
        let count = usize::try_from(self.number()?).map_err(|_| ReconcileError::Malformed)?;
        if count.checked_mul(size).is_none_or(|bytes| bytes > self.rest.len()) {
            return Err(ReconcileError::Malformed);
        }
        Ok(count)
    }

    /// `count` little-endian numbers of `N` bytes.
    pub(super) fn numbers<const N: usize>(
        &mut self,
        count: usize,
    ) -> Result<Vec<u64>, ReconcileError> {
        let bytes = self.bytes(count * N)?;
        Ok(bytes
            .chunks_exact(N)
            .map(|chunk| {
                let mut word = [0; 8];
                word[..N].copy_from_slice(chunk);
                u64::from_le_bytes(word)
            })
            .collect())
    }

    pub(super) fn base(&mut self) -> Result<Base, ReconcileError> {
        let len = self.byte()?;
        if len > MAX_BUCKET_BITS {
            return Err(ReconcileError::Malformed);
        }
        let mut word = [0; 8];
        let bytes = usize::from(len).div_ceil(8);
        word[..bytes].copy_from_slice(self.bytes(bytes)?);
        Base::new(u64::from_be_bytes(word), len).ok_or(ReconcileError::Malformed)
    }

    pub(super) fn end(&self) -> Result<(), ReconcileError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ReconcileError::Malformed) }
    }
}

pub(super) fn put_number(out: &mut Vec<u8>, value: u32) {
    let mut left = value;
    loop {
        let low = u8::try_from(left & 0x7f).unwrap_or(0x7f);
        left >>= 7;
        if left == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// A count of things in a message, which are always fewer than bytes in it.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    let Ok(count) = u32::try_from(count) else { panic!("a message holds fewer than 2^32 items") };
    put_number(out, count);
}

pub(super) fn put_numbers<const N: usize>(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes()[..N]);
    }
}

pub(super) fn put_base(out: &mut Vec<u8>, base: Base) {
    out.push(base.len());
    out.extend_from_slice(&base.head().to_be_bytes()[..usize::from(base.len()).div_ceil(8)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(value: u32) {
            let mut out = Vec::new();
            put_number(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.number(), Ok(value));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn a_number_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..7)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.number() {
                let mut again = Vec::new();
                put_number(&mut again, value);
                prop_assert_eq!(&bytes[..again.len()], &again[..]);
            }
        }
    }

    // One content has one encoding, or what is signed or compared could be said in two ways.
    #[test]
    fn numbers_that_are_too_long_or_too_large_are_refused() {
        let number = |bytes: &[u8]| Reader::new(bytes).number();
        assert_eq!(number(&[0]), Ok(0));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
        for bytes in [
            &[0x80, 0][..],
            &[0xff, 0x80, 0],
            &[0xff, 0xff, 0xff, 0xff, 0x10],
            &[0xff, 0xff, 0xff, 0xff, 0x8f, 0],
        ] {
            assert_eq!(number(bytes), Err(ReconcileError::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn counts_beyond_the_message_are_refused() {
        assert_eq!(Reader::new(&[3, 0, 0]).count(1), Err(ReconcileError::Malformed));
        assert_eq!(Reader::new(&[2, 0, 0]).count(1), Ok(2));
        assert_eq!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).count(32),
            Err(ReconcileError::Malformed)
        );
    }
}
