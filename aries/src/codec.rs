//! Bytes in and out: little-endian integers, LEB128 varints, bounds-checked reading.

use crate::error::RecordError;

/// Appends an unsigned LEB128 varint (1 to 10 bytes).
pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Reads from the front of a slice; every read is checked.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], RecordError> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(RecordError::Short)?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(RecordError::Short)?;
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RecordError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RecordError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, RecordError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, RecordError> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(RecordError::Malformed);
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                // One encoding per number: a trailing zero group is refused.
                return if byte == 0 && shift > 0 { Err(RecordError::Malformed) } else { Ok(n) };
            }
        }
        Err(RecordError::Malformed)
    }

    pub(crate) fn varint_u32(&mut self) -> Result<u32, RecordError> {
        u32::try_from(self.varint()?).map_err(|_| RecordError::Malformed)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let n = usize::try_from(self.varint()?).map_err(|_| RecordError::Malformed)?;
        self.take(n)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn finish<T>(self, value: T) -> Result<T, RecordError> {
        if self.rest.is_empty() { Ok(value) } else { Err(RecordError::Malformed) }
    }
}
