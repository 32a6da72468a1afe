//! The wrapping of everything on disk that is not log: `magic (4) | CRC-32 of the rest (4) | format
//! version (4) | body`, little-endian.

/// The version of every format here. Before the first release it stays 1.
const FORMAT: u32 = 1;
const HEADER_LEN: usize = 8;

/// The bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

/// Wraps a body.
pub(crate) fn seal(magic: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&FORMAT.to_le_bytes());
    hasher.update(body);
    [&magic[..], &hasher.finalize().to_le_bytes(), &FORMAT.to_le_bytes(), body].concat()
}

/// The checksum that something is wrapped with, unchecked.
pub(crate) fn crc_of(sealed: &[u8]) -> [u8; 4] {
    sealed.get(4..).and_then(|crc| crc.first_chunk()).copied().unwrap_or_default()
}

/// Checks the wrapping; answers the body.
pub(crate) fn open(magic: [u8; 4], bytes: &[u8]) -> Result<Cursor<'_>, Damaged> {
    let (header, body) = bytes.split_at_checked(HEADER_LEN).ok_or(Damaged("too short"))?;
    if header[..4] != magic {
        return Err(Damaged("wrong magic"));
    }
    if header[4..] != crc32fast::hash(body).to_le_bytes() {
        return Err(Damaged("wrong checksum"));
    }
    let mut cursor = Cursor(body);
    if cursor.u32()? != FORMAT {
        return Err(Damaged("unknown format version; use a newer server"));
    }
    Ok(cursor)
}

/// Appends an unsigned LEB128 varint (1 to 10 bytes).
pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push((n & 0x7f) as u8);
}

/// Reads from the front of a body; every read is checked.
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], Damaged> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Damaged("too short"))?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (head, tail) = self.0.split_first_chunk().ok_or(Damaged("too short"))?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Damaged> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Damaged> {
        self.array().map(u64::from_le_bytes)
    }

    /// An unsigned LEB128 varint in its shortest form.
    pub(crate) fn varint(&mut self) -> Result<u64, Damaged> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(n);
            }
        }
        Err(Damaged("malformed number"))
    }

    pub(crate) fn varint_u32(&mut self) -> Result<u32, Damaged> {
        u32::try_from(self.varint()?).map_err(|_| Damaged("number too large"))
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn end(&self) -> Result<(), Damaged> {
        if self.0.is_empty() { Ok(()) } else { Err(Damaged("bytes left over")) }
    }
}
