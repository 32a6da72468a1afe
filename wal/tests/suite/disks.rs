//! What both disks promise, and that the simulated one is as treacherous as it says.

use std::io::ErrorKind;
use std::sync::Arc;

use strongroom_wal::disk::buffer::BlockBuf;
use strongroom_wal::disk::queue::Submission;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::disk::{Disk, DurableMethod, SysDisk, SysOptions};

/// What every implementation of the seam does alike.
fn keeps_the_contract(disk: &dyn Disk) {
    let file = disk.create("a").unwrap();
    assert_eq!(disk.create("a").err().unwrap().kind(), ErrorKind::AlreadyExists);
    assert_eq!(disk.open("none").err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.open_read("none").err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.remove("none").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(file.is_empty().unwrap());
    file.write_at(3, b"def").unwrap();
    file.write_durable_at(0, b"abc").unwrap();
    file.sync().unwrap();
    let mut buf = [0; 6];
    file.read_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"abcdef");
    assert_eq!(file.read_at(1, &mut buf).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    file.reserve(5000).unwrap();
    file.reserve(10).unwrap();
    assert_eq!((file.len().unwrap(), file.is_empty().unwrap()), (5000, false));
    let mut tail = [1; 4994];
    file.read_at(6, &mut tail).unwrap();
    assert!(tail.iter().all(|b| *b == 0));
    file.drop_cache().unwrap();
    file.read_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"abcdef");

    let reader = disk.open_read("a").unwrap();
    assert!(reader.write_at(0, b"x").is_err(), "read-only means so");
    disk.create("b").unwrap().write_at(0, b"b").unwrap();
    disk.rename("a", "b").unwrap();
    disk.sync_dir().unwrap();
    assert_eq!(disk.list().unwrap(), ["b"]);
    disk.remove("b").unwrap();
    assert!(disk.list().unwrap().is_empty());
    reader.read_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"abcdef", "handles outlive names");

    let lock = disk.lock("LOCK").unwrap();
    assert_eq!(disk.lock("LOCK").err().unwrap().kind(), ErrorKind::WouldBlock);
    drop(lock);
    drop(disk.lock("LOCK").unwrap());
    // Who only reads and who writes exclude each other.
    let lock = disk.lock_existing("LOCK").unwrap();
    assert_eq!(disk.lock("LOCK").err().unwrap().kind(), ErrorKind::WouldBlock);
    drop(lock);
    let _lock = disk.lock("LOCK").unwrap();
    assert_eq!(disk.lock_existing("LOCK").err().unwrap().kind(), ErrorKind::WouldBlock);
}

// Half of the time names change as a journal has them, in order; half of the time as they like.
#[test]
fn names_that_were_not_synced_come_in_order_or_at_random() {
    let disk = SimDisk::new(1);
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for name in names {
        disk.create(name).unwrap();
    }
    let (mut in_order, mut none, mut all) = (0, 0, 0);
    for seed in 0..400 {
        let left = disk.crash_with(seed).list().unwrap();
        in_order +=
            u32::from(names.starts_with(&left.iter().map(String::as_str).collect::<Vec<_>>()));
        none += u32::from(left.is_empty());
        all += u32::from(left.len() == names.len());
    }
    assert!((150..280).contains(&in_order), "{in_order}");
    assert!((5..60).contains(&none) && (5..60).contains(&all), "{none} {all}");
}

// A disk that kept more than was asked for would hide a sync that is missing.
#[test]
fn a_durable_write_settles_its_own_sectors_alone() {
    let disk = SimDisk::new(1);
    let file = disk.create("a").unwrap();
    disk.sync_dir().unwrap();
    file.write_durable_at(0, &[0; 1536]).unwrap();
    file.write_at(0, &[1; 1536]).unwrap();
    file.write_durable_at(600, &[1; 10]).unwrap();
    let mut lost = [0; 3];
    for seed in 0..64 {
        let image = disk.crash_with(seed).contents("a").unwrap();
        for (lost, sector) in lost.iter_mut().zip(image.chunks(512)) {
            *lost += u32::from(sector.contains(&0));
        }
    }
    assert!(lost[0] > 20 && lost[1] == 0 && lost[2] > 20, "{lost:?}");
}

#[test]
fn the_simulated_disk_keeps_the_contract() {
    keeps_the_contract(&SimDisk::new(1));
}

#[test]
fn a_real_directory_keeps_the_contract_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er");
    let disk = SysDisk::open(&path).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    let none = disk.lock_existing("LOCK").err().unwrap();
    assert_eq!((none.kind(), disk.list().unwrap().len()), (ErrorKind::NotFound, 0));
    keeps_the_contract(&disk);
    // A lock asks for no right to write.
    let lock = path.join("LOCK");
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o400)).unwrap();
    drop(disk.lock_existing("LOCK").unwrap());
    disk.create("secret").unwrap();
    assert_eq!(mode(&path.join("secret")), 0o600);
    assert!(!disk.durable_method().name().is_empty());
    for name in ["", ".", "..", "a/b", "/a"] {
        let opened = std::panic::catch_unwind(|| disk.open(name).map(drop));
        assert!(opened.is_err(), "{name} is not in the directory");
    }
    assert!(disk.in_background() && !SimDisk::new(1).in_background());
    let gone = SysDisk::open(&dir.path().join("gone")).unwrap();
    gone.sync_dir().unwrap();
    std::fs::remove_dir(gone.dir()).unwrap();
    assert_eq!(gone.sync_dir().unwrap_err().kind(), ErrorKind::NotFound);
    let nowhere = SysDisk::open_existing(&path.join("none")).err().unwrap();
    assert_eq!(nowhere.kind(), ErrorKind::NotFound);
    let file = SysDisk::open_existing(&path.join("secret")).err().unwrap();
    assert_eq!(file.kind(), ErrorKind::NotADirectory);
}

/// Counts, over many power losses, how each of 20 sectors came out.
#[test]
fn unsynced_sectors_are_kept_lost_and_torn_one_by_one() {
    let disk = SimDisk::new(7);
    let file = disk.create("f").unwrap();
    disk.sync_dir().unwrap();
    file.write_durable_at(0, &[1; 10240]).unwrap();
    file.write_at(0, &[2; 10240]).unwrap();
    let (mut kept, mut lost, mut torn) = (0, 0, 0);
    for seed in 0..50 {
        let after = disk.crash_with(seed).contents("f").unwrap();
        assert_eq!(after, disk.crash_with(seed).contents("f").unwrap(), "the same for a seed");
        for sector in after.chunks(512) {
            match (sector.contains(&1), sector.contains(&2)) {
                (false, true) => kept += 1,
                (true, false) => lost += 1,
                (true, true) => torn += 1,
                (false, false) => panic!("bytes from nowhere"),
            }
        }
    }
    assert!(kept > 200 && lost > 200 && torn > 200, "{kept} {lost} {torn}");
    file.sync().unwrap();
    assert_eq!(disk.crash().contents("f").unwrap(), [2; 10240]);
}

/// What was torn within a sector is new in front and old behind, wherever in it the write began: a piece
/// that crossed sectors would leave it the other way round.
#[test]
fn a_write_from_the_middle_of_a_sector_is_torn_at_sectors_too() {
    let disk = SimDisk::new(7);
    let file = disk.create("f").unwrap();
    disk.sync_dir().unwrap();
    file.write_durable_at(0, &[1; 4096]).unwrap();
    file.write_at(1124, &[2; 1024]).unwrap();
    let mut torn = 0;
    for seed in 0..200 {
        let after = disk.crash_with(seed).contents("f").unwrap();
        assert!(!after[..1124].contains(&2) && !after[2148..].contains(&2));
        for sector in [1124..1536, 1536..2048, 2048..2148] {
            let sector = &after[sector];
            let new = sector.iter().take_while(|byte| **byte == 2).count();
            assert!(!sector[new..].contains(&2), "seed {seed}: {sector:?}");
            torn += usize::from(new > 0 && new < sector.len());
        }
    }
    assert!(torn > 100, "{torn}");
}

#[test]
fn a_durable_write_over_an_unsynced_one_stays() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let file = disk.create("f").unwrap();
        disk.sync_dir().unwrap();
        file.write_at(0, &[1; 2048]).unwrap();
        file.write_durable_at(512, &[2; 512]).unwrap();
        assert_eq!(disk.crash().contents("f").unwrap()[512..1024], [2; 512]);
    }
}

#[test]
fn names_come_and_go_until_the_directory_is_synced() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let disk = SimDisk::new(1);
        disk.create("a").unwrap();
        disk.create("b").unwrap();
        disk.sync_dir().unwrap();
        disk.rename("a", "c").unwrap();
        disk.remove("b").unwrap();
        outcomes.insert(disk.crash_with(seed).list().unwrap());
        disk.sync_dir().unwrap();
        assert_eq!(disk.crash_with(seed).list().unwrap(), ["c"]);
    }
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
}

/// As file systems do: the pages are clean after a failed sync, and the next one says it is fine.
#[test]
fn a_sync_after_a_failed_one_proves_nothing() {
    let mut lost = 0;
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let file = disk.create("f").unwrap();
        disk.sync_dir().unwrap();
        file.write_durable_at(0, &[1; 512]).unwrap();
        file.write_at(0, &[2; 512]).unwrap();
        disk.fail_after(0, ErrorKind::Other, false);
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert_eq!(disk.contents("f").unwrap(), [2; 512], "the cache shows it still");
        let after = disk.crash().contents("f").unwrap();
        lost += usize::from(after != [2; 512]);
        file.drop_cache().unwrap();
        assert_eq!(disk.contents("f").unwrap(), after, "without the cache one sees the medium");
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn a_full_disk_refuses_growth_and_takes_overwrites() {
    let disk = SimDisk::new(1);
    let file = disk.create("f").unwrap();
    disk.set_capacity(Some(1000));
    file.reserve(800).unwrap();
    assert_eq!(file.reserve(1001).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.write_at(500, &[1; 501]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!((file.len().unwrap(), disk.used()), (800, 800));
    file.write_durable_at(0, &[1; 800]).unwrap();
    // As on a disk of which someone else has taken the rest.
    disk.set_capacity(Some(100));
    file.write_at(0, &[1; 800]).unwrap();
    disk.set_capacity(None);
    file.reserve(2000).unwrap();
}

#[test]
fn images_go_their_own_way_and_power_stays_off() {
    let disk = SimDisk::new(1);
    disk.create("f").unwrap().write_at(0, b"old").unwrap();
    let image = disk.clone_image();
    disk.open("f").unwrap().write_at(0, b"new").unwrap();
    assert_eq!(image.contents("f").unwrap(), b"old");
    disk.crash_at_call(1);
    disk.list().unwrap();
    assert!(!disk.is_dead());
    assert!(disk.list().is_err() && disk.is_dead());
    assert!(disk.open("f").is_err() && disk.lock("l").is_err());
    let again: Arc<dyn Disk> = Arc::new(disk.crash());
    again.list().unwrap();
}

#[test]
fn a_call_fails_when_it_is_due_and_later_ones_when_told_so() {
    for sticky in [false, true] {
        let disk = SimDisk::new(1);
        disk.fail_after(2, ErrorKind::Other, sticky);
        let works: Vec<bool> = (0..5).map(|_| disk.list().is_ok()).collect();
        assert_eq!(works, [true, true, false, !sticky, !sticky]);
        disk.heal();
        disk.list().unwrap();
    }
}

/// A durable write says nothing of what stands unsynced beside it.
#[test]
fn a_durable_write_settles_its_own_sectors_only() {
    let disk = SimDisk::new(7);
    let file = disk.create("f").unwrap();
    disk.sync_dir().unwrap();
    file.write_durable_at(0, &[1; 1536]).unwrap();
    file.write_at(0, &[2; 512]).unwrap();
    file.write_at(1024, &[2; 512]).unwrap();
    file.write_durable_at(512, &[3; 512]).unwrap();
    let (mut before, mut behind) = (0, 0);
    for seed in 0..50 {
        let after = disk.crash_with(seed).contents("f").unwrap();
        assert_eq!(after[512..1024], [3; 512]);
        before += usize::from(after[..512] != [2; 512]);
        behind += usize::from(after[1024..] != [2; 512]);
    }
    assert!(before > 10 && behind > 10, "{before} {behind}");
}

// Tests that send a write astray have to know whether it went, and which file it damaged.
#[test]
fn a_file_that_a_write_missed_is_known_by_its_name_of_now() {
    let disk = SimDisk::new(1);
    let files = ["a", "b"].map(|name| disk.create(name).unwrap());
    files[1].write_at(0, &[1; 8]).unwrap();
    assert_eq!((disk.misdirects(), disk.misdirected()), (false, None));
    disk.misdirect_after(1, 6);
    files[0].write_at(0, &[2; 4]).unwrap();
    assert_eq!((disk.misdirects(), disk.misdirected()), (true, None));
    files[1].write_at(0, &[3; 4]).unwrap();
    assert_eq!((disk.misdirects(), disk.misdirected()), (false, Some("b".to_owned())));
    assert_eq!(disk.contents("b").unwrap(), [1, 1, 1, 1, 1, 1, 3, 3]);
    disk.rename("b", "c").unwrap();
    assert_eq!(disk.misdirected(), Some("c".to_owned()));
    disk.remove("c").unwrap();
    assert_eq!(disk.misdirected(), None);
}

// What has rotted is rotten for good: neither a look past the cache nor power loss repairs it.
#[test]
fn rot_is_noise_on_the_medium_and_leaves_the_rest() {
    let disk = SimDisk::new(1);
    let file = disk.create("a").unwrap();
    disk.sync_dir().unwrap();
    file.write_durable_at(0, &[0; 64]).unwrap();
    disk.rot("a", 16..48, 5);
    let rotten = disk.contents("a").unwrap();
    assert!(rotten[..16] == [0; 16] && rotten[48..] == [0; 16], "{rotten:?}");
    let values: std::collections::BTreeSet<u8> = rotten[16..48].iter().copied().collect();
    assert!(values.len() > 16, "{rotten:?}");
    assert_eq!(disk.crash().contents("a").unwrap(), rotten);
    file.drop_cache().unwrap();
    assert_eq!(disk.contents("a").unwrap(), rotten);
}

/// As file systems do: what a write left dirty when it failed is clean, and the next sync says it is fine.
#[test]
fn a_sync_after_a_failed_write_proves_nothing() {
    for durable in [false, true] {
        let (mut lost, mut kept) = (0, 0);
        for seed in 0..30 {
            let disk = SimDisk::new(seed);
            let file = disk.create("f").unwrap();
            disk.sync_dir().unwrap();
            file.write_durable_at(0, &[1; 512]).unwrap();
            disk.fail_after(0, ErrorKind::Other, false);
            let write = if durable {
                file.write_durable_at(0, &[2; 512])
            } else {
                file.write_at(0, &[2; 512])
            };
            write.unwrap_err();
            file.sync().unwrap();
            assert_eq!(disk.contents("f").unwrap(), [2; 512], "the cache shows it still");
            let after = disk.crash().contents("f").unwrap();
            lost += usize::from(after != [2; 512]);
            kept += usize::from(after == [2; 512]);
        }
        assert!(lost > 5 && kept > 2, "{lost} {kept}");
    }
}

#[test]
fn files_that_are_written_past_the_cache_have_a_second_descriptor() {
    use std::os::unix::fs::OpenOptionsExt;
    for (method, direct) in [(DurableMethod::DirectDsync, true), (DurableMethod::Dsync, false)] {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = SysOptions { method: Some(method), ..SysOptions::default() };
        let disk = SysDisk::open_with(dir.path(), options).unwrap();
        let file = disk.create("f").unwrap();
        // Not every file system has it.
        let possible = std::fs::File::options()
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(dir.path().join("f"))
            .is_ok();
        assert_eq!(file.direct_fd().is_some(), direct && possible);
        if let Some(fd) = file.direct_fd() {
            let flags = rustix::fs::fcntl_getfl(fd).unwrap();
            assert!(flags.contains(rustix::fs::OFlags::DIRECT));
        }
    }
}

#[test]
fn a_write_for_which_there_is_no_room_changes_nothing() {
    let disk = SimDisk::new(1);
    let file = disk.create("f").unwrap();
    file.write_durable_at(0, &[1; 512]).unwrap();
    disk.fail_after(0, ErrorKind::StorageFull, false);
    assert_eq!(file.write_at(0, &[2; 512]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.contents("f").unwrap(), [1; 512]);
}

// Both are what a device does, so both have to come.
#[test]
fn a_write_in_flight_may_be_finished_when_it_is_asked_for_or_not() {
    let mut finished = 0;
    for seed in 0..64 {
        let disk = SimDisk::new(seed);
        let mut queue = disk.write_queue(2);
        let (file, data) = (disk.create("f").unwrap(), BlockBuf::new());
        queue.submit(Submission { file, offset: 0, data, tag: 1 });
        finished += u32::from(queue.poll().is_some());
    }
    assert!((10..54).contains(&finished), "{finished}");
}
