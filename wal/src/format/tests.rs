//! Frames as they are built and as they are read, against each other.

use proptest::prelude::*;

use super::*;
use crate::disk::buffer::BlockBuf;
use crate::lsn::{Geometry, Lsn};

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
    // Three bytes and their length are in it.
    assert_eq!(frame.push_parts(&[&[0; 60], &[0; 60]]), Err(FrameFull { len: 120, room: 96 }));
    let seal = FrameSeal { kind: FrameKind::Data, generation: 9, durable_lsn: AT, prev_crc: 7 };
    assert!(*frame.finish(&seal, TAG).bytes == *built(&[b"abc".to_vec()]).bytes);
}

/// A frame of any records and table, with the checksums set right.
fn forged(data: &[u8], table: &[u8], records: u32) -> Vec<u8> {
    let short = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let header = FrameHeader {
        lsn: AT,
        kind: FrameKind::Data,
        generation: 1,
        durable_lsn: AT,
        term: 0,
        index: 0,
        data_len: short(data),
        table_len: short(table),
        records,
        prev_crc: 0,
        crc: 0,
    };
    let mut bytes = [&[0; FRAME_HEADER_BYTES], data, table].concat();
    let mut hasher = header.encode(TAG, &mut bytes);
    hasher.update(&bytes[FRAME_HEADER_BYTES..]);
    bytes[76..80].copy_from_slice(&hasher.finalize().to_le_bytes());
    bytes.resize(BLOCK, 0);
    bytes
}

/// The checksum is right and the lengths are not: a writer's mistake must not become a panic.
#[test]
fn lengths_that_do_not_add_up_are_refused() {
    assert!(read(&forged(b"abcd", &[3, 1], 2)).is_some());
    for table in [&[3u8, 0][..], &[4, 0], &[0, 4], &[1, 1], &[3], &[0x83, 0x00], &[4, 255]] {
        assert!(read(&forged(b"abcd", table, 2)).is_none(), "{table:?}");
    }
}

/// A sound checksum over numbers that no writer writes: taken for a header they would overflow
/// positions, or prove what was never durable.
#[test]
fn a_segment_header_of_impossible_numbers_is_refused() {
    let header = SegmentHeader {
        log_id: [5; 16],
        segment: 3,
        segment_bytes: 65536,
        generation: u64::MAX - 1,
        durable_lsn: geometry().base(3),
        prev_crc: 7,
        recycled: false,
    };
    let decode = |header: &SegmentHeader| SegmentHeader::decode(&header.encode(), header.segment);
    assert_eq!(decode(&header), Ok(header.clone()));
    for bad in [
        SegmentHeader { generation: u64::MAX, ..header.clone() },
        SegmentHeader { durable_lsn: geometry().base(3).plus(1), ..header.clone() },
        SegmentHeader { segment_bytes: 4096, ..header.clone() },
        // Its end is not to be told in 64 bits.
        SegmentHeader { segment: u64::MAX / 65536, ..header.clone() },
    ] {
        assert_eq!(decode(&bad), Err(SegmentFault::Garbage), "{bad:?}");
    }
}

/// The same for frames. A mutant lived that held all numbers for possible.
#[test]
fn a_frame_header_of_impossible_numbers_is_refused() {
    let whole = u32::try_from(65536 - 8192 - FRAME_HEADER_BYTES).unwrap();
    let header = FrameHeader {
        lsn: AT,
        kind: FrameKind::Data,
        generation: u64::MAX - 1,
        durable_lsn: AT,
        term: 0,
        index: 0,
        data_len: whole - 9,
        table_len: 9,
        records: 9,
        prev_crc: 7,
        crc: 0,
    };
    let decode = |header: &FrameHeader| {
        let mut block = vec![0; BLOCK];
        header.encode(TAG, &mut block);
        FrameHeader::decode(&block, header.lsn, TAG, geometry())
    };
    let empty = FrameHeader { data_len: 0, table_len: 0, records: 0, ..header.clone() };
    let few = FrameHeader { data_len: 9, ..header.clone() };
    for good in [
        header.clone(),
        few.clone(),
        empty.clone(),
        FrameHeader { kind: FrameKind::Seal, ..empty.clone() },
        FrameHeader { lsn: Lsn(3 * 65536 + 4096), ..empty.clone() },
    ] {
        let good = FrameHeader { durable_lsn: good.lsn, ..good };
        assert_eq!(decode(&good), Ok(good));
    }
    for bad in [
        FrameHeader { data_len: whole - 8, ..header.clone() },
        FrameHeader { lsn: Lsn(3 * 65536), durable_lsn: Lsn::ZERO, ..empty.clone() },
        FrameHeader { durable_lsn: AT.plus(1), ..few.clone() },
        FrameHeader { generation: u64::MAX, ..few.clone() },
        FrameHeader { table_len: 8, ..few.clone() },
        FrameHeader { data_len: 8, ..few.clone() },
        FrameHeader { kind: FrameKind::Seal, ..few.clone() },
        FrameHeader { data_len: 1, ..empty.clone() },
        FrameHeader { table_len: 1, ..empty.clone() },
    ] {
        assert_eq!(decode(&bad), Err(HeaderFault::Garbage), "{bad:?}");
    }
}

/// A header block whose bytes from `at` on are others, with the checksum of the first `summed` bytes set
/// right behind them.
fn altered(block: &[u8], summed: usize, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut block = block.to_vec();
    block[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = crc32fast::hash(&block[..summed]);
    block[summed..summed + 4].copy_from_slice(&sum.to_le_bytes());
    block
}

/// Another kind of file may have a version, too: only behind the magic it is this format's.
#[test]
fn a_later_version_is_one_of_the_same_format() {
    let header = SegmentHeader {
        log_id: [5; 16],
        segment: 0,
        segment_bytes: 65536,
        generation: 1,
        durable_lsn: Lsn::ZERO,
        prev_crc: 0,
        recycled: false,
    };
    let later = altered(&header.encode(), 76, 8, &[9]);
    assert_eq!(SegmentHeader::decode(&later, 0), Err(SegmentFault::Newer(9)));
    let other = altered(&later, 76, 0, b"X");
    assert_eq!(SegmentHeader::decode(&other, 0), Err(SegmentFault::Garbage));
}

/// Bytes that say nothing are fixed, so that a later version can use them.
#[test]
fn a_frame_header_whose_fixed_bytes_are_others_is_refused() {
    let bytes = built(&[b"a".to_vec()]).bytes;
    let decode = |block: &[u8]| FrameHeader::decode(block, AT, TAG, geometry()).map(drop);
    assert_eq!(decode(&altered(&bytes, 72, 6, &[80, 0])), Ok(()));
    for (at, other) in [(6, 81), (7, 1), (68, 1), (71, 1)] {
        let outcome = decode(&altered(&bytes, 72, at, &[other]));
        assert_eq!(outcome, Err(HeaderFault::Garbage), "{at}");
    }
}
