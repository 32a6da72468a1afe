//! Any records in sound frames are the log of a store: a restart ends in a store that goes on, or
//! says what is wrong with it.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use strongroom_storage::{Class, KeyspaceId, Options, Store, look_at};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Log, LogOptions};

const ID: [u8; 16] = *b"a log under fuzz";
const SEGMENT: u64 = 1 << 16;
const OURS: KeyspaceId = KeyspaceId([0xee; 16]);

/// Each record has two bytes of length before it; an empty one ends the frame.
fn write_log(disk: &Arc<dyn Disk>, mut bytes: &[u8]) {
    let options = LogOptions {
        segment_size: SEGMENT,
        reserve_step: 4096,
        prepare_ahead: false,
        ..LogOptions::default()
    };
    let mut log = Log::create(Arc::clone(disk), options, ID).unwrap();
    let mut frame = log.begin_frame(1 << 14).unwrap();
    while let Some((len, rest)) = bytes.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
        let (record, rest) = rest.split_at(len);
        bytes = rest;
        if record.is_empty() && !frame.is_empty() {
            log.append(frame).unwrap();
            frame = log.begin_frame(1 << 14).unwrap();
        } else if !record.is_empty() && frame.push(record).is_err() {
            break;
        }
    }
    if !frame.is_empty() {
        log.append(frame).unwrap();
    }
    log.close().unwrap();
}

/// As `docs/pages.md` has it: no checkpoint yet.
fn write_master(disk: &Arc<dyn Disk>) {
    let version = 1u32.to_le_bytes();
    let body = [&version[..], &ID, &SEGMENT.to_le_bytes(), &[0; 40]].concat();
    let file = disk.create("MASTER").unwrap();
    file.write_at(0, &[b"SRMS", &crc32fast::hash(&body).to_le_bytes()[..], &body].concat()).unwrap();
}

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() > 1 << 13 {
        return;
    }
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    write_log(&disk, bytes);
    write_master(&disk);
    let Ok(look) = look_at(&disk) else { return };
    for (keyspace, _) in look.snapshot.keyspaces() {
        look.snapshot.entries(keyspace).for_each(|entry| drop(entry));
    }
    let options = Options { segment_size: SEGMENT, compact_after: None, warm_pages: false, ..Options::default() };
    let Ok(store) = Store::open_on(&disk, options) else { return };
    if store.keyspaces().iter().any(|(id, _)| *id == OURS) {
        return;
    }
    let mut txn = store.begin();
    txn.create_keyspace(OURS, Class::Local);
    txn.put(OURS, b"key", b"value".to_vec());
    txn.commit_blocking().unwrap();
    assert_eq!(store.get(OURS, b"key").unwrap().unwrap().value, b"value");
    store.checkpoint().unwrap();
    let root = store.root(Class::Local);
    drop(store);
    let store = Store::open_on(&disk, options).unwrap();
    assert_eq!(store.root(Class::Local), root);
});
