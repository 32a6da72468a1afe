//! Any blocks with checksums that hold are a backup that can be restored, or are refused with a
//! reason; and so are any bytes.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use strongroom_storage::{Options, Store, restore_on, verify_backup};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;

/// Kind, length (2 bytes) and payload become a block.
fn sealed(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = b"SRBK\x01\0\0\0".to_vec();
    while let Some(([kind, low, high], rest)) = bytes.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (payload, rest) = rest.split_at(len);
        let len = (len as u32).to_le_bytes();
        let crc = crc32fast::hash(&[&[*kind], &len[..], payload].concat()).to_le_bytes();
        out.extend([&[*kind], &len[..], &crc, payload].concat());
        bytes = rest;
    }
    let checksum = blake3::hash(&out);
    out.extend(checksum.as_bytes());
    out
}

fuzz_target!(|bytes: &[u8]| {
    let _ = verify_backup(&mut &*bytes);
    let backup = sealed(bytes);
    let Ok(report) = verify_backup(&mut &*backup) else { return };
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let options = Options { segment_size: 1 << 20, compact_after: None, warm_pages: false, ..Options::default() };
    let restored = restore_on(&mut &*backup, &disk, options).unwrap();
    assert_eq!(restored.root, report.root);
    let store = Store::open_on(&disk, options).unwrap();
    let found: Vec<_> = store.keyspaces().into_iter().collect();
    assert_eq!(found.len(), report.keyspaces.len());
    for keyspace in &report.keyspaces {
        let keys = store.scan(keyspace.id, b"", None, usize::MAX);
        assert_eq!(keys.len() as u64, keyspace.entries);
    }
});
