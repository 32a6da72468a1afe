//! The bytes of format version 1, pinned, and read by a second reader written from the document.

use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Lsn, OpenHint};

use crate::support::{ID, append, contents, create, reopen};

const SEGMENT: &[u8] = include_bytes!("../golden/segment-v1.bin");
/// The seal of a segment; then header, frame and close of the next one, which is a recycled file.
const NEXT: &[u8] = include_bytes!("../golden/next-v1.bin");

fn frames() -> Vec<Vec<Vec<u8>>> {
    vec![vec![b"first record".to_vec(), vec![7; 200]], vec![], vec![b"x".to_vec()]]
}

/// The first four blocks of a log: segment header and three frames.
fn written() -> Vec<u8> {
    let disk = SimDisk::new(0);
    let mut log = create(&disk);
    for frame in frames() {
        append(&mut log, &frame).unwrap();
    }
    disk.contents("wal-0000000000000000.log").unwrap()[..16384].to_vec()
}

#[test]
fn the_writer_makes_the_pinned_bytes() {
    assert!(written() == SEGMENT, "format version 1 is pinned; a new format needs a new version");
}

#[test]
fn the_reader_reads_the_pinned_bytes() {
    use strongroom_wal::disk::Disk;
    let disk = SimDisk::new(0);
    disk.create("wal-0000000000000000.log").unwrap().write_at(0, SEGMENT).unwrap();
    let log = reopen(&disk);
    assert_eq!((log.id(), log.segment_size(), log.generation()), (ID, 65536, 2));
    assert_eq!(contents(&log), frames());
    assert_eq!(OpenHint::default().scan_from, Lsn::ZERO);
}

/// Two segments with a frame each that leaves a block, and a third, in the file of the first, where
/// the log is closed.
fn written_on() -> Vec<u8> {
    let disk = SimDisk::new(0);
    let mut log = create(&disk);
    let fills = vec![vec![7; 14 * 4096 - 100]];
    append(&mut log, &fills).unwrap();
    append(&mut log, &fills).unwrap();
    log.recycle(&[0]).unwrap();
    append(&mut log, &[vec![8; 4096]]).unwrap();
    log.close().unwrap();
    let sealed = disk.contents("wal-0000000000000001.log").unwrap();
    let next = disk.contents("wal-0000000000000002.log").unwrap();
    [&sealed[15 * 4096..], &next[..4 * 4096]].concat()
}

#[test]
fn the_writer_goes_on_and_closes_with_the_pinned_bytes() {
    assert!(written_on() == NEXT, "format version 1 is pinned; a new format needs a new version");
}

#[test]
fn the_pinned_seal_header_and_close_are_as_in_the_document() {
    let (seal, header, frame, close) =
        (&NEXT[..4096], &NEXT[4096..8192], &NEXT[8192..16384], &NEXT[16384..]);
    let sum = |f: &[u8]| le(&f[76..80]);
    assert_eq!((seal[5], le(&seal[8..16]), le(&seal[48..60])), (1, 2 * 65536 - 4096, 0));
    assert_eq!((header[9], le(&header[12..16]), le(&header[32..40])), (1, sum(seal), 2));
    assert_eq!((frame[5], le(&frame[8..16]), le(&frame[60..64])), (0, 2 * 65536 + 4096, sum(seal)));
    assert_eq!(&frame[80 + 4096..80 + 4098], [0x80, 0x20]);
    assert_eq!(
        (close[5], le(&close[8..16]), le(&close[60..64])),
        (2, 2 * 65536 + 12288, sum(frame))
    );
    for marker in [seal, close] {
        assert_eq!(sum(marker), u64::from(crc32(&[&marker[..76]])));
        assert!(marker[80..].iter().all(|b| *b == 0));
    }
}

/// CRC-32 (IEEE, reflected) bit by bit.
fn crc32(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().flat_map(|p| p.iter()) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    !crc
}

fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

#[test]
fn an_independent_reader_agrees_with_the_document() {
    let header = &SEGMENT[..4096];
    assert_eq!(&header[0..8], b"SRwalseg");
    assert_eq!((header[8], header[9], le(&header[10..12])), (1, 0, 80));
    assert_eq!((le(&header[12..16]), &header[16..32]), (0, &ID[..]));
    assert_eq!((le(&header[32..40]), le(&header[40..48])), (0, 65536));
    assert_eq!((le(&header[48..56]), le(&header[56..64])), (1, 0));
    assert_eq!(le(&header[76..80]), u64::from(crc32(&[&header[..76]])));
    assert!(header[64..76].iter().chain(&header[80..]).all(|b| *b == 0));

    let mut previous = 0;
    for (n, expected) in frames().iter().enumerate() {
        let at = (n + 1) * 4096;
        let f = &SEGMENT[at..at + 4096];
        assert_eq!(&f[0..4], b"SRfr");
        assert_eq!((f[4], f[5], le(&f[6..8])), (1, 0, 80));
        let lsn = u64::try_from(at).unwrap();
        assert_eq!((le(&f[8..16]), le(&f[16..24]), le(&f[24..32])), (lsn, 1, lsn));
        assert_eq!((le(&f[32..40]), le(&f[40..48]), le(&f[68..72])), (0, 0, 0));
        assert_eq!(le(&f[60..64]), previous);
        assert_eq!(le(&f[64..68]), u64::from(crc32(&[&ID])));
        assert_eq!(le(&f[72..76]), u64::from(crc32(&[&f[..72]])));
        let data_len = usize::try_from(le(&f[48..52])).unwrap();
        let table_len = usize::try_from(le(&f[52..56])).unwrap();
        let payload = &f[80..80 + data_len + table_len];
        previous = le(&f[76..80]);
        assert_eq!(previous, u64::from(crc32(&[&f[..76], payload])));
        assert_eq!(le(&f[56..60]), u64::try_from(expected.len()).unwrap());
        assert_eq!(payload[..data_len], expected.concat());
        assert!(f[80 + data_len + table_len..].iter().all(|b| *b == 0));
    }
}
