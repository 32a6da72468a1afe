//! The checked frame that a reader gets.
//!
//! Promise: a [`Frame`] exists only after every byte of it was checked, so that its records can be
//! gone through without any failure.

use super::{FRAME_HEADER_BYTES, FrameHeader, varint};
use crate::lsn::Lsn;

/// A frame that was read and checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: FrameHeader,
    bytes: Vec<u8>,
}

impl Frame {
    /// Checks the body that belongs to a decoded header. `None` when any byte of it is damaged.
    pub(crate) fn check(header: FrameHeader, bytes: Vec<u8>) -> Option<Self> {
        if u64::try_from(bytes.len()).ok()? != header.total_bytes() {
            return None;
        }
        let table_at = FRAME_HEADER_BYTES + usize::try_from(header.data_len).ok()?;
        let payload_end = table_at + usize::try_from(header.table_len).ok()?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[..76]);
        hasher.update(&bytes[FRAME_HEADER_BYTES..payload_end]);
        let sound = hasher.finalize() == header.crc
            && bytes[payload_end..].iter().all(|b| *b == 0)
            && table_adds_up(&bytes[table_at..payload_end], &header);
        sound.then_some(Self { header, bytes })
    }

    /// Where it starts.
    pub fn start(&self) -> Lsn {
        self.header.lsn
    }

    /// The position after it.
    pub fn end(&self) -> Lsn {
        self.header.end()
    }

    /// The records with their positions, in order.
    pub fn records(&self) -> Records<'_> {
        let payload = &self.bytes[FRAME_HEADER_BYTES..];
        let data_len = usize::try_from(self.header.data_len).unwrap_or(usize::MAX);
        let (data, rest) = payload.split_at(data_len);
        let table_len = usize::try_from(self.header.table_len).unwrap_or(usize::MAX);
        Records { at: self.header.lsn.plus(80), data, table: &rest[..table_len] }
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The records of a frame.
#[derive(Clone)]
pub struct Records<'a> {
    at: Lsn,
    data: &'a [u8],
    table: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = (Lsn, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // The table was checked with the frame, so `None` only means the end.
        let len = varint::decode(&mut self.table)?;
        let (record, rest) = self.data.split_at_checked(usize::try_from(len).ok()?)?;
        let lsn = self.at;
        self.data = rest;
        self.at = lsn.plus(u64::from(len));
        Some((lsn, record))
    }
}

/// Whether the table has one length per record, none zero, that add up to the data.
fn table_adds_up(mut table: &[u8], header: &FrameHeader) -> bool {
    let mut sum = 0u64;
    for _ in 0..header.records {
        match varint::decode(&mut table) {
            Some(len) if len > 0 => sum += u64::from(len),
            _ => return false,
        }
    }
    table.is_empty() && sum == u64::from(header.data_len)
}
