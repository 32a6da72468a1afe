//! DER, as far as keys, signatures and certificate requests need it: reading one value after
//! another, and writing values with their lengths.
//!
//! Lengths are checked against what is there and must be minimal; what a value holds is for its
//! reader to check.

use zeroize::Zeroizing;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Values that follow each other.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(der: &'a [u8]) -> Self {
        Self(der)
    }

    /// Whether all was read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value: its tag, its content, and all of it.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.is_empty() || bytes.len() > 4 || bytes[0] == 0 {
                return None;
            }
            let len = bytes.iter().fold(0, |len, b| len << 8 | usize::from(*b));
            if len < 0x80 {
                return None;
            }
            (len, rest)
        };
        let (content, rest) = rest.split_at_checked(len)?;
        let whole = &self.0[..self.0.len() - rest.len()];
        self.0 = rest;
        Some((tag, content, whole))
    }

    /// The content of the next value, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, ..)| *found == tag).map(|(_, content, _)| content)
    }

    /// The next value, which must be a sequence.
    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.expect(SEQUENCE).map(Self)
    }

    /// The bytes of the next value, which must be a positive integer; without leading zeros.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        let bytes = self.expect(INTEGER)?;
        let first = *bytes.first()?;
        (first < 0x80).then(|| trimmed(bytes))
    }
}

/// A lone sequence and nothing after it.
pub(super) fn sequence(der: &[u8]) -> Option<Reader<'_>> {
    let mut reader = Reader::new(der);
    reader.sequence().filter(|_| reader.is_empty())
}

/// Without leading zeros.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    &bytes[zeros..]
}

/// A value with this tag, of these parts.
pub(super) fn value(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(len + 6));
    out.push(tag);
    let bytes = len.to_be_bytes();
    match trimmed(&bytes) {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0x7f));
            out.extend_from_slice(long);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A positive integer from its bytes.
pub(super) fn integer(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let bytes = trimmed(bytes);
    let padded = bytes.first().is_none_or(|b| *b >= 0x80);
    value(INTEGER, &[if padded { &[0] } else { &[] }, bytes])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were_written() {
        for len in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; len];
            let der = value(OCTET_STRING, &[&content]);
            let mut reader = Reader::new(&der);
            assert_eq!(reader.expect(OCTET_STRING), Some(&content[..]), "{len}");
            assert!(reader.is_empty());
        }
        for (bytes, der) in [
            (&[][..], &[2, 1, 0][..]),
            (&[0, 5], &[2, 1, 5]),
            (&[0x80], &[2, 2, 0, 0x80]),
            (&[1, 0], &[2, 2, 1, 0]),
        ] {
            assert_eq!(*integer(bytes), der);
            assert_eq!(Reader::new(der).integer(), Some(trimmed(bytes)));
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for der in [
            &[][..],
            &[0x30],
            &[0x30, 1],
            &[0x30, 0x80],
            &[0x30, 0x81, 1, 0],
            &[0x30, 0x82, 0, 0x80],
            &[0x30, 0x85, 1, 0, 0, 0, 0],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(Reader::new(der).next().is_none(), "{der:?}");
        }
        assert!(sequence(&[0x30, 0, 0]).is_none());
        assert!(Reader::new(&[2, 1, 0x80]).integer().is_none());
    }
}
