//! Any bytes in the files: an error or a log, never a panic.

use std::sync::Arc;

use proptest::prelude::*;
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{Log, Lsn, OpenHint, Tail};

use crate::support::{append, contents, create, record, small};

/// One change to a file.
#[derive(Clone, Debug)]
enum Damage {
    Set { at: usize, to: u8 },
    CopyBlock { from: usize, to: usize },
    Noise { at: usize, seed: u64 },
    Truncate { at: usize },
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..80_000usize;
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, to)| Damage::Set { at, to }),
        (0..80usize, any::<u8>()).prop_map(|(at, to)| Damage::Set { at: at + 4096, to }),
        (0..16usize, 0..16usize).prop_map(|(from, to)| Damage::CopyBlock { from, to }),
        (at.clone(), any::<u64>()).prop_map(|(at, seed)| Damage::Noise { at, seed }),
        at.prop_map(|at| Damage::Truncate { at }),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let len = bytes.len().max(1);
    match *damage {
        Damage::Set { at, to } => {
            if let Some(byte) = bytes.get_mut(at % len) {
                *byte = to;
            }
        }
        Damage::CopyBlock { from, to } => {
            let (from, to) = (from * 4096, to * 4096);
            if from.max(to) + 4096 <= bytes.len() {
                bytes.copy_within(from..from + 4096, to);
            }
        }
        Damage::Noise { at, seed } => {
            for (i, byte) in bytes.iter_mut().skip(at).take(700).enumerate() {
                *byte = seed.rotate_left(u32::try_from(i % 64).unwrap()).to_le_bytes()[i % 8];
            }
        }
        Damage::Truncate { at } => bytes.truncate(at),
    }
}

fn files() -> Vec<(String, Vec<u8>)> {
    let disk = SimDisk::new(4);
    let mut log = create(&disk);
    for n in 0..9 {
        append(&mut log, &[record(n, 1 + n * 1700), record(n, 40)]).unwrap();
    }
    log.close().unwrap();
    disk.list().unwrap().into_iter().map(|n| (n.clone(), disk.contents(&n).unwrap())).collect()
}

/// Opens the files and reads all that is there, from frame starts and from elsewhere.
fn use_it(files: &[(String, Vec<u8>)], hint: OpenHint) {
    let disk = SimDisk::new(4);
    for (name, bytes) in files {
        disk.create(name).unwrap().write_at(0, bytes).unwrap();
    }
    let Ok((mut log, _)) = Log::open(Arc::new(disk), small(), hint) else { return };
    let reader = log.reader();
    let mut frames = 0;
    for frame in reader.frames(log.oldest()) {
        let Ok(frame) = frame else { break };
        assert_eq!(frame.records().count(), usize::try_from(frame.header.records).unwrap());
        frames += 1;
    }
    assert!(frames <= 9);
    assert!(reader.frames(hint.scan_from).take(20).count() <= 20);
    append(&mut log, &[record(1, 20_000)]).unwrap();
    log.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_damaged_log_opens_or_is_refused(
        damages in proptest::collection::vec((0..3usize, damage()), 1..5),
        scan_from in prop_oneof![Just(0), 0..200_000u64, any::<u64>()],
        known_durable in prop_oneof![Just(0), 0..200_000u64, any::<u64>()],
    ) {
        let mut files = files();
        for (file, damage) in &damages {
            let count = files.len();
            apply(&mut files[file % count].1, damage);
        }
        let hint = OpenHint { scan_from: Lsn(scan_from), known_durable: Lsn(known_durable), ..OpenHint::default() };
        use_it(&files, hint);
    }

    #[test]
    fn random_files_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
        let name = "wal-0000000000000000.log".to_owned();
        let far = "wal-ffffffffffffffff.log".to_owned();
        use_it(&[(name, bytes.clone()), (far, bytes)], OpenHint::default());
    }
}

/// Found by the fuzzer: a sound frame of the last generation there is made the next opening panic. Here it
/// stands alone, so that nothing else speaks against it.
#[test]
fn a_frame_of_the_last_generation_is_no_frame() {
    for (generation, frames, tail) in [
        (u64::MAX - 1, 1, Tail::Clean),
        (u64::MAX, 0, Tail::Torn { lsn: Lsn(4096), segment: 0, offset: 4096 }),
    ] {
        let (name, mut bytes) = files().remove(0);
        let frame = &mut bytes[4096..];
        let number = |frame: &[u8], at: usize| {
            usize::try_from(u32::from_le_bytes(frame[at..at + 4].try_into().unwrap())).unwrap()
        };
        let end = 80 + number(frame, 48) + number(frame, 52);
        frame[end..].fill(0);
        frame[16..24].copy_from_slice(&generation.to_le_bytes());
        let header = crc32fast::hash(&frame[..72]).to_le_bytes();
        frame[72..76].copy_from_slice(&header);
        let whole = crc32fast::hash(&[&frame[..76], &frame[80..end]].concat()).to_le_bytes();
        frame[76..80].copy_from_slice(&whole);
        let disk = SimDisk::new(4);
        disk.create(&name).unwrap().write_at(0, &bytes).unwrap();
        let (log, report) = Log::open(Arc::new(disk), small(), OpenHint::default()).unwrap();
        assert_eq!((report.tail, report.frames), (tail, frames), "generation {generation}");
        assert_eq!(contents(&log).len() as u64, frames);
    }
}
