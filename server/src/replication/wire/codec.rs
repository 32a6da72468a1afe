//! Byte codec of the replication wire: big-endian numbers and length-prefixed, bounded byte strings.
//!
//! [`Input`] never panics and never allocates more than the bytes that are really there.

use super::WireError;

/// Longest text in a message, bytes.
pub(crate) const TEXT_MAX: usize = 4096;

/// What is left to read of a message.
#[derive(Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::BadValue("flag")),
        }
    }

    /// A byte string; the frame's own bound limits it.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.u32()?;
        self.take(usize::try_from(len).map_err(|_| WireError::Truncated)?)
    }

    pub(crate) fn text(&mut self) -> Result<String, WireError> {
        let bytes = self.bytes()?;
        if bytes.len() > TEXT_MAX {
            return Err(WireError::BadValue("text longer than 4096 bytes"));
        }
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError::BadValue("UTF-8"))
    }

    /// How many items follow, each of at least `least` bytes: a count that the bytes left cannot
    /// hold is refused before anything is allocated for it.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, WireError> {
        let n = usize::try_from(self.u32()?).map_err(|_| WireError::Truncated)?;
        if n > self.0.len() / least.max(1) {
            return Err(WireError::Truncated);
        }
        Ok(n)
    }

    pub(crate) fn finish(self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Trailing(self.0.len())) }
    }
}

/// Appends to a message.
pub(crate) trait Output {
    fn put_flag(&mut self, v: bool);
    fn put_num32(&mut self, v: u32);
    fn put_num64(&mut self, v: u64);
    fn put_count(&mut self, n: usize);
    fn put_bytes(&mut self, v: &[u8]);
    fn put_text(&mut self, v: &str);
}

impl Output for Vec<u8> {
    fn put_flag(&mut self, v: bool) {
        self.push(u8::from(v));
    }

    fn put_num32(&mut self, v: u32) {
        self.extend_from_slice(&v.to_be_bytes());
    }

    fn put_num64(&mut self, v: u64) {
        self.extend_from_slice(&v.to_be_bytes());
    }

    /// Panics above 4 Gi items: senders bound what they put into a message.
    fn put_count(&mut self, n: usize) {
        let n = u32::try_from(n);
        assert!(n.is_ok(), "a message holds fewer than 2^32 items");
        self.put_num32(n.unwrap_or_default());
    }

    fn put_bytes(&mut self, v: &[u8]) {
        self.put_count(v.len());
        self.extend_from_slice(v);
    }

    /// Text is cut at [`TEXT_MAX`], at a character's edge.
    fn put_text(&mut self, v: &str) {
        let mut end = v.len().min(TEXT_MAX);
        while !v.is_char_boundary(end) {
            end -= 1;
        }
        self.put_bytes(&v.as_bytes()[..end]);
    }
}
