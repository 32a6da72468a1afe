//! Any bytes as the first segment file: looked at, opened, read and written on, nothing panics.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::inspect::Inspector;
use strongroom_wal::{Log, LogOptions, OpenHint};

fuzz_target!(|data: &[u8]| {
    if data.len() > 1 << 16 {
        return;
    }
    let disk = SimDisk::new(1);
    disk.create("wal-0000000000000000.log").unwrap().write_at(0, data).unwrap();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    if let Ok(inspector) = Inspector::open(Arc::clone(&shared)) {
        inspector.look(OpenHint::default(), &mut |_| {}).unwrap();
    }
    let options = LogOptions { prepare_ahead: false, reserve_step: 4096, ..LogOptions::default() };
    if let Ok((mut log, _)) = Log::open(shared, options, OpenHint::default()) {
        let found: Vec<_> = log.reader().frames(log.oldest()).collect::<Result<_, _>>().unwrap();
        let mut frame = log.begin_frame(10).unwrap();
        frame.push(b"more").unwrap();
        log.append(frame).unwrap();
        assert_eq!(log.reader().frames(log.oldest()).count(), found.len() + 1);
    }
});
