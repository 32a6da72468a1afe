//! Frames: building one in memory, and the checked frame that a reader gets.
//!
//! A frame is a header, the records back to back, and a table of their lengths (one varint each),
//! padded with zeros to whole blocks. The table stands behind the records so that a record's
//! position is known before its length is. Promises: a [`Frame`] exists only after every byte of it
//! was checked; building one allocates nothing per record once its buffer has grown.

use crate::disk::buffer::BlockBuf;
use crate::header::{BLOCK, FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use crate::lsn::Lsn;
use crate::varint;

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
        Self { start, room, buf, table, records: 0, sum, summed: FRAME_HEADER_BYTES }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lsn::Geometry;

    const TAG: u32 = 0x1234_5678;
    const AT: Lsn = Lsn(3 * 65536 + 8192);

    fn geometry() -> Geometry {
        Geometry::new(65536).unwrap()
    }

    fn built(records: &[Vec<u8>]) -> Finished {
        let mut frame = FrameBuilder::new(AT, 50_000, BlockBuf::new(), Vec::new());
        for record in records {
            frame.push(record).unwrap();
        }
        let seal = FrameSeal { kind: FrameKind::Data, generation: 9, durable_lsn: AT, prev_crc: 7 };
        frame.finish(&seal, TAG)
    }

    /// As a reader does it: the header by itself, then the whole.
    fn read(bytes: &[u8]) -> Option<Frame> {
        let header = FrameHeader::decode(&bytes[..BLOCK], AT, TAG, geometry()).ok()?;
        let total = usize::try_from(header.total_bytes()).unwrap();
        Frame::check(header, bytes.get(..total)?.to_vec())
    }

    fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let record = proptest::collection::vec(any::<u8>(), 1..400);
        proptest::collection::vec(record, 0..60)
    }

    proptest! {
        #[test]
        fn frames_come_back(records in records()) {
            let finished = built(&records);
            prop_assert_eq!(finished.bytes.len() % BLOCK, 0);
            let frame = read(&finished.bytes).unwrap();
            prop_assert_eq!(&frame.header, &finished.header);
            let mut at = AT.plus(80);
            let mut count = 0;
            for ((lsn, found), record) in frame.records().zip(&records) {
                prop_assert_eq!((lsn, found), (at, record.as_slice()));
                at = at.plus(u64::try_from(record.len()).unwrap());
                count += 1;
            }
            prop_assert_eq!(count, records.len());
        }

        #[test]
        fn any_change_is_seen(records in records(), at: prop::sample::Index, mask in 1..=255u8) {
            let mut bytes = built(&records).bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
            prop_assert!(read(&bytes).is_none());
        }

        #[test]
        fn noise_is_no_frame(mut bytes in proptest::collection::vec(any::<u8>(), BLOCK), fix: bool) {
            if fix {
                // With sound checksums over any numbers the decoder has to check them all.
                bytes[0..5].copy_from_slice(b"SRfr\x01");
                bytes[8..16].copy_from_slice(&AT.0.to_le_bytes());
                bytes[64..68].copy_from_slice(&TAG.to_le_bytes());
                let crc = crc32fast::hash(&bytes[..72]);
                bytes[72..76].copy_from_slice(&crc.to_le_bytes());
            }
            prop_assert!(read(&bytes).is_none());
        }
    }

    #[test]
    fn a_record_in_parts_is_the_same_record() {
        let mut frame = FrameBuilder::new(AT, 100, BlockBuf::new(), Vec::new());
        frame.push_parts(&[b"ab", b"", b"c"]).unwrap();
        assert_eq!(frame.push_parts(&[&[0; 60], &[0; 60]]).unwrap_err().len, 120);
        let seal = FrameSeal { kind: FrameKind::Data, generation: 9, durable_lsn: AT, prev_crc: 7 };
        assert!(*frame.finish(&seal, TAG).bytes == *built(&[b"abc".to_vec()]).bytes);
    }

    /// The checksum is right and the lengths are not: a writer's mistake must not become a panic.
    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for table in [&[3u8, 0][..], &[1, 1], &[3], &[0x83, 0x00], &[4, 255]] {
            let mut frame = FrameBuilder::new(AT, 1000, BlockBuf::new(), Vec::new());
            frame.push(b"abc").unwrap();
            frame.push(b"d").unwrap();
            frame.table = table.to_vec();
            let seal =
                FrameSeal { kind: FrameKind::Data, generation: 1, durable_lsn: AT, prev_crc: 0 };
            assert!(read(&frame.finish(&seal, TAG).bytes).is_none(), "{table:?}");
        }
    }
}
