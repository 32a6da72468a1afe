//! Any bytes as a frame behind a sound segment header, with the checksums and the fixed fields set
//! right, so that the decoder has to judge every number by itself.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::inspect::Inspector;
use strongroom_wal::{Log, LogOptions, OpenHint};

const ID: [u8; 16] = *b"a log under fuzz";
const BLOCK: usize = 4096;
const NAME: &str = "wal-0000000000000000.log";

fn checksum(parts: &[&[u8]]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().to_le_bytes()
}

fuzz_target!(|data: &[u8]| {
    if data.len() < 80 || data.len() > 1 << 15 {
        return;
    }
    let disk = SimDisk::new(1);
    let options = LogOptions {
        segment_size: 1 << 16,
        reserve_step: 4096,
        prepare_ahead: false,
        ..LogOptions::default()
    };
    drop(Log::create(Arc::new(disk.clone()), options.clone(), ID).unwrap());
    let mut frame = data.to_vec();
    frame.resize(data.len().next_multiple_of(BLOCK), 0);
    frame[0..5].copy_from_slice(b"SRfr\x01");
    frame[6..8].copy_from_slice(&[80, 0]);
    frame[8..16].copy_from_slice(&4096u64.to_le_bytes());
    frame[60..64].fill(0);
    frame[64..68].copy_from_slice(&checksum(&[&ID]));
    frame[68..72].fill(0);
    let header = checksum(&[&frame[..72]]);
    frame[72..76].copy_from_slice(&header);
    let number = |at: usize| u32::from_le_bytes(frame[at..at + 4].try_into().unwrap()) as usize;
    let end = number(48).saturating_add(number(52)).saturating_add(80).min(frame.len());
    let whole = checksum(&[&frame[..76], &frame[80..end]]);
    frame[76..80].copy_from_slice(&whole);
    disk.open(NAME).unwrap().write_at(4096, &frame).unwrap();

    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let inspector = Inspector::open(Arc::clone(&shared)).unwrap();
    inspector.look(OpenHint::default(), &mut |_| {}).unwrap();
    if let Ok((log, _)) = Log::open(shared, options, OpenHint::default()) {
        for frame in log.reader().frames(log.oldest()) {
            let frame = frame.unwrap();
            let bytes: u64 = frame.records().map(|(_, record)| record.len() as u64).sum();
            assert_eq!(bytes, u64::from(frame.header.data_len));
        }
    }
});
