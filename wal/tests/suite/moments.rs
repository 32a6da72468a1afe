//! What power loss may leave, one choice after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use strongroom_wal::disk::Disk;
use strongroom_wal::disk::buffer::BlockBuf;
use strongroom_wal::disk::queue::Submission;
use strongroom_wal::disk::sim::{Left, SimDisk};

/// Of files `a` and `b` their first bytes, as a choice leaves them.
fn left(disk: &SimDisk, left: Left) -> [Option<u8>; 2] {
    let image = disk.moment().left(left);
    ["a", "b"].map(|name| image.contents(name).and_then(|bytes| bytes.first().copied()))
}

/// Two files, and a write to each that is not synced.
fn two_writes() -> SimDisk {
    let disk = SimDisk::new(1);
    for name in ["a", "b"] {
        disk.create(name).unwrap().write_durable_at(0, &[0; 600]).unwrap();
    }
    disk.sync_dir().unwrap();
    for name in ["b", "a"] {
        disk.open(name).unwrap().write_at(0, &[1; 600]).unwrap();
    }
    disk
}

#[test]
fn each_change_is_lost_kept_and_torn_alone() {
    let disk = two_writes();
    assert_eq!(left(&disk, Left::Nothing), [Some(0), Some(0)]);
    assert_eq!(left(&disk, Left::All), [Some(1), Some(1)]);
    // They are numbered as they came: `b` was written first.
    assert_eq!(left(&disk, Left::AllBut(0)), [Some(1), Some(0)]);
    assert_eq!(left(&disk, Left::Only(0)), [Some(0), Some(1)]);
    let torn = disk.moment().left(Left::Torn(1)).contents("a").unwrap();
    let expected = [vec![1; 512], vec![1; 44], vec![0; 44]].concat();
    assert_eq!(torn, expected, "a sector and a half of two");
    assert_eq!(disk.moment().choices(2).len(), 3 + 3 * 2);
    assert_eq!(disk.moment().choices(1).len(), 3 + 3, "they are not few");
    disk.open("a").unwrap().sync().unwrap();
    let choices = [Left::Nothing, Left::All, Left::Cached, Left::Torn(0)];
    assert_eq!(disk.moment().choices(2), choices);
    assert_eq!(left(&disk, Left::Nothing), [Some(1), Some(0)]);
}

#[test]
fn what_a_killed_process_leaves_is_not_durable() {
    let disk = two_writes();
    let image = disk.moment().left(Left::Cached);
    assert_eq!(left(&image, Left::All), [Some(1), Some(1)]);
    assert_eq!(image.contents("a").unwrap(), [1; 600]);
    assert_eq!(left(&image, Left::Nothing), [Some(0), Some(0)]);
    image.open("a").unwrap().sync().unwrap();
    assert_eq!(left(&image, Left::Nothing), [Some(1), Some(0)]);
}

#[test]
fn a_change_of_names_is_one_too() {
    let disk = two_writes();
    disk.open("a").unwrap().sync().unwrap();
    disk.open("b").unwrap().sync().unwrap();
    disk.remove("a").unwrap();
    disk.rename("b", "a").unwrap();
    assert_eq!(left(&disk, Left::Nothing), [Some(1), Some(1)]);
    assert_eq!(left(&disk, Left::All), [Some(1), None]);
    assert_eq!(left(&disk, Left::Only(0)), [None, Some(1)]);
    assert_eq!(left(&disk, Left::AllBut(0)), [Some(1), None]);
    disk.sync_dir().unwrap();
    assert_eq!(disk.moment().choices(2), [Left::Nothing]);
}

#[test]
fn a_seed_leaves_what_it_leaves_of_the_disk() {
    let disk = two_writes();
    for seed in 0..20 {
        let one = disk.crash_with(seed).digest();
        assert_eq!(one, disk.moment().left(Left::Seeded(seed)).digest());
    }
    let images: BTreeSet<u64> = (0..20).map(|seed| disk.crash_with(seed).digest()).collect();
    assert!(images.len() > 5, "{}", images.len());
    let choices = disk.moment().choices(9).into_iter();
    let images: BTreeSet<u64> = choices.map(|choice| disk.moment().left(choice).digest()).collect();
    // To lose one of two is to keep the other alone.
    assert_eq!(images.len(), 6);
}

/// Each call is a moment, with its own change begun: a submission, a completion, and what has no
/// effect; the last ones share theirs.
#[test]
fn every_submission_and_completion_is_a_moment() {
    let disk = SimDisk::new(1);
    let file = disk.create("a").unwrap();
    file.write_durable_at(0, &[0; 8192]).unwrap();
    disk.sync_dir().unwrap();
    let first = disk.calls();
    disk.keep_moments();
    let mut queue = disk.write_queue(2);
    for n in 0..2u8 {
        let mut data = BlockBuf::new();
        data.extend_from_slice(&[n + 1; 4096]);
        let (file, offset) = (Arc::clone(&file), u64::from(n) * 4096);
        queue.submit(Submission { file, offset, data, tag: u64::from(n) });
    }
    while queue.reap().is_some() {}
    file.len().unwrap();
    file.read_at(0, &mut [0]).unwrap();
    let moments = disk.moments();
    let calls: Vec<_> = moments.iter().map(|moment| moment.calls().0 - first).collect();
    assert_eq!(calls, [0, 1, 2, 3, 4]);
    assert_eq!(moments[4].calls().1, disk.calls(), "two calls that change nothing, and the end");
    let unsynced = |n: usize| moments[n].choices(0).len() > 1;
    assert_eq!([0, 1, 2, 3, 4].map(unsynced), [true, true, true, true, false]);
    // Submitted, both, one of them completed, and both.
    let zeros = |n: usize| {
        let image = moments[n].left(Left::Nothing).contents("a").unwrap();
        image.chunks(4096).filter(|half| half[0] == 0).count()
    };
    assert_eq!([0, 1, 2, 3, 4].map(zeros), [2, 2, 2, 1, 0]);
    // Power that fails at a call meets the same.
    for (n, moment) in moments.iter().enumerate().take(2) {
        let disk = SimDisk::new(1);
        let file = disk.create("a").unwrap();
        file.write_durable_at(0, &[0; 8192]).unwrap();
        disk.sync_dir().unwrap();
        disk.crash_at_call(n as u64);
        let writes = (0..2u8).map(|n| file.write_at(u64::from(n) * 4096, &[n + 1; 4096]));
        assert_eq!(writes.flatten().count(), n);
        for left in moment.choices(9) {
            assert_eq!(disk.moment().left(left).digest(), moment.left(left).digest());
        }
    }
}
