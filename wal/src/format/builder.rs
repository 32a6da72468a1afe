//! Building a frame in memory.
//!
//! A frame is a header, the records back to back, and a table of their lengths (one varint each),
//! padded with zeros to whole blocks. The table stands behind the records so that a record's
//! position is known before its length is. Promise: building allocates nothing per record once the
//! buffer has grown.

use super::{BLOCK, FRAME_HEADER_BYTES, FrameHeader, FrameKind, varint};
use crate::disk::buffer::BlockBuf;
use crate::lsn::Lsn;

/// The record does not fit into this frame any more: append the frame and begin another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "record of {len} bytes does not fit into the {room} bytes left in the frame; append it and begin another"
)]
pub struct FrameFull {
    /// Bytes of the record.
    pub len: usize,
    /// Payload bytes left, framing included.
    pub room: usize,
}

/// Payload bytes that a record takes in a frame, its framing included. Add these up to get the
/// hint for [`Log::begin_frame`](crate::Log::begin_frame).
///
/// # Panics
/// When the record is longer than 32 bits can say.
#[must_use]
pub fn framed_len(record_len: usize) -> usize {
    let short = u32::try_from(record_len).unwrap_or_else(|_| panic!("record over 4 GiB"));
    record_len + varint::encoded_len(short)
}

/// A frame that is being filled. Its position is fixed from the start.
pub struct FrameBuilder {
    start: Lsn,
    /// Most payload bytes (records and table) that the segment has room for.
    room: usize,
    /// Space for the header, then the records.
    buf: BlockBuf,
    table: Vec<u8>,
    records: u32,
    /// Checksum of the records up to `summed`. It goes along with the records, so that a full frame
    /// is not gone through once more between the arrival of one write and the start of the next.
    sum: crc32fast::Hasher,
    summed: usize,
    /// What the log took for it.
    pub(crate) taken: Room,
}

/// Space that was taken from the disk when a frame was begun, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Room {
    /// For the frame itself.
    pub(crate) announced: u64,
    /// What has to stay free behind it, however long it gets.
    pub(crate) free: u64,
}

/// Bytes of records that are summed up in one go: many enough for the checksum's fast path, few
/// enough to be in the processor's first cache still.
const SUM_BYTES: usize = 8 * 1024;

impl FrameBuilder {
    pub(crate) fn new(start: Lsn, room: usize, mut buf: BlockBuf, mut table: Vec<u8>) -> Self {
        buf.clear();
        buf.resize(FRAME_HEADER_BYTES);
        table.clear();
        let sum = crc32fast::Hasher::new();
        let (summed, taken) = (FRAME_HEADER_BYTES, Room::default());
        Self { start, room, buf, table, records: 0, sum, summed, taken }
    }

    /// Where the frame will start.
    pub fn start(&self) -> Lsn {
        self.start
    }

    /// Position of the first byte of the next record. Part of a record that begins `n` bytes into
    /// it stands at this position plus `n`.
    pub fn record_lsn(&self) -> Lsn {
        let used = u64::try_from(self.buf.len()).unwrap_or_else(|_| panic!("frame over 64 bits"));
        self.start.plus(used)
    }

    /// Whether a record of this length can still be pushed.
    pub fn fits(&self, record_len: usize) -> bool {
        record_len <= self.room && self.payload_len() + framed_len(record_len) <= self.room
    }

    /// Whether there are no records yet.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Records pushed so far.
    pub fn len(&self) -> u32 {
        self.records
    }

    /// Payload bytes so far, framing included.
    pub fn payload_len(&self) -> usize {
        self.buf.len() - FRAME_HEADER_BYTES + self.table.len()
    }

    /// Adds a record and returns its position.
    ///
    /// # Errors
    /// [`FrameFull`]; the frame is as it was.
    ///
    /// # Panics
    /// When the record is empty: it would share its position with the next one.
    #[inline]
    pub fn push(&mut self, record: &[u8]) -> Result<Lsn, FrameFull> {
        self.push_with(record.len(), |out| out.extend_from_slice(record))
    }

    /// Adds a record that is made of these parts, without putting them together first.
    ///
    /// # Errors
    /// [`FrameFull`]; the frame is as it was.
    ///
    /// # Panics
    /// When all parts are empty.
    pub fn push_parts(&mut self, parts: &[&[u8]]) -> Result<Lsn, FrameFull> {
        let len = parts.iter().map(|part| part.len()).sum();
        self.push_with(len, |out| parts.iter().for_each(|part| out.extend_from_slice(part)))
    }

    /// Adds a record of exactly `len` bytes that `write` appends to the buffer it is given.
    ///
    /// # Errors
    /// [`FrameFull`]; the frame is as it was.
    ///
    /// # Panics
    /// When `len` is zero, or `write` appends another number of bytes.
    #[inline]
    pub fn push_with(
        &mut self,
        len: usize,
        write: impl FnOnce(&mut BlockBuf),
    ) -> Result<Lsn, FrameFull> {
        assert!(len > 0, "a record has at least one byte");
        if !self.fits(len) {
            return Err(FrameFull { len, room: self.room - self.payload_len() });
        }
        let lsn = self.record_lsn();
        let before = self.buf.len();
        write(&mut self.buf);
        assert_eq!(self.buf.len(), before + len, "a record is as long as announced");
        let short = u32::try_from(len).map_err(|_| FrameFull { len, room: self.room })?;
        varint::encode(short, &mut self.table);
        self.records += 1;
        if self.buf.len() - self.summed >= SUM_BYTES {
            self.sum_up();
        }
        Ok(lsn)
    }

    fn sum_up(&mut self) {
        self.sum.update(&self.buf[self.summed..]);
        self.summed = self.buf.len();
    }

    /// Writes header, table and padding. The buffer is the frame as it goes to disk.
    pub(crate) fn finish(mut self, seal: &FrameSeal, log_tag: u32) -> Finished {
        let data_len = self.buf.len() - FRAME_HEADER_BYTES;
        let short = |len: usize| {
            u32::try_from(len).unwrap_or_else(|_| panic!("frame over its segment's limit"))
        };
        let mut header = FrameHeader {
            lsn: self.start,
            kind: seal.kind,
            generation: seal.generation,
            durable_lsn: seal.durable_lsn,
            term: 0,
            index: 0,
            data_len: short(data_len),
            table_len: short(self.table.len()),
            records: self.records,
            prev_crc: seal.prev_crc,
            crc: 0,
        };
        self.buf.extend_from_slice(&self.table);
        self.sum_up();
        let mut hasher = header.encode(log_tag, &mut self.buf);
        hasher.combine(&self.sum);
        header.crc = hasher.finalize();
        self.buf[76..80].copy_from_slice(&header.crc.to_le_bytes());
        let padded = self.buf.len().next_multiple_of(BLOCK);
        self.buf.resize(padded);
        Finished { header, bytes: self.buf, table: self.table }
    }
}

impl std::fmt::Debug for FrameBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { start, records, .. } = self;
        f.debug_struct("FrameBuilder")
            .field("start", start)
            .field("records", records)
            .finish_non_exhaustive()
    }
}

/// What the log adds to a frame when it is appended.
pub(crate) struct FrameSeal {
    pub(crate) kind: FrameKind,
    pub(crate) generation: u64,
    pub(crate) durable_lsn: Lsn,
    pub(crate) prev_crc: u32,
}

/// A frame as it goes to disk.
pub(crate) struct Finished {
    pub(crate) header: FrameHeader,
    pub(crate) bytes: BlockBuf,
    pub(crate) table: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    // Long frames are summed up while their bytes are still in the processor's cache.
    #[test]
    fn what_makes_a_part_is_summed_up_at_once() {
        let mut frame = FrameBuilder::new(Lsn::ZERO, 50_000, BlockBuf::new(), Vec::new());
        frame.push(&[1; SUM_BYTES - 1]).unwrap();
        assert_eq!(frame.summed, FRAME_HEADER_BYTES);
        frame.push(&[1]).unwrap();
        assert_eq!(frame.summed, FRAME_HEADER_BYTES + SUM_BYTES);
        frame.push(&[1]).unwrap();
        assert_eq!(frame.summed, FRAME_HEADER_BYTES + SUM_BYTES);
    }
}
