//! Backups of real stores: taken beside writers, restored, and restores that are interrupted.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use strongroom_storage::{
    Class, OpenError, RestoreError, Store, VerifyError, look_at, restore, restore_on, verify_backup,
};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use support::{Model, Step, apply, check, contents, keyspace, open, options, run};

/// A store with something in it, and what that is.
fn sample(disk: &SimDisk) -> (Store, Model) {
    let steps = [
        Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(40_000)), (4, 5, Some(0))]),
        Step::Checkpoint,
        Step::Commit((0..100).map(|key| (2, key, Some(usize::from(key)))).collect()),
        Step::Commit(vec![(2, 0, None), (4, 5, None)]),
    ];
    let (store, mut model) = (open(disk).unwrap(), Model::new());
    for (i, step) in steps.iter().enumerate() {
        run(&store, i, step).unwrap();
        apply(&mut model, i, step);
    }
    (store, model)
}

fn backup(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    let report = store.backup(&mut bytes).unwrap();
    assert_eq!(report, verify_backup(&mut bytes.as_slice()).unwrap());
    assert_eq!(report.bytes, bytes.len() as u64);
    bytes
}

fn dyn_disk(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

#[test]
fn what_was_backed_up_is_restored() {
    let (store, model) = sample(&SimDisk::new(1));
    let bytes = backup(&store);
    let disk = SimDisk::new(2);
    let report = restore_on(&mut bytes.as_slice(), &dyn_disk(&disk), options()).unwrap();
    assert_eq!(report.log_id, store.log_id());
    assert_eq!(report.position, store.position().0);
    assert_eq!(report.entries(), store.stats().keys);
    // It is durable: a power loss right after takes nothing.
    let restored = open(&disk.crash_with(3)).unwrap();
    check(&restored, &[&model], "restored");
    for class in [Class::Replicated, Class::Local, Class::Ignored] {
        assert_eq!(restored.root(class), store.root(class));
    }
    assert_ne!(restored.log_id(), store.log_id());
    // And it is a store like any other, its backup too.
    run(&restored, 9, &Step::Commit(vec![(2, 200, Some(7))])).unwrap();
    backup(&restored);
}

#[test]
fn an_empty_store_can_be_backed_up() {
    let bytes = backup(&open(&SimDisk::new(1)).unwrap());
    let disk = SimDisk::new(2);
    restore_on(&mut bytes.as_slice(), &dyn_disk(&disk), options()).unwrap();
    assert!(contents(&open(&disk).unwrap()).is_empty());
}

#[test]
fn a_backup_beside_writers_is_one_state() {
    let store = open(&SimDisk::new(1)).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.create_keyspace(keyspace(3), Class::Local);
    txn.commit_blocking().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Both keyspaces always have the same entry: a mixed state would show.
        scope.spawn(|| {
            for i in 0u32.. {
                let mut txn = store.begin();
                for n in [2, 3] {
                    txn.put(keyspace(n), &(i % 50).to_be_bytes(), i.to_be_bytes().to_vec());
                }
                txn.commit_blocking().unwrap();
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for _ in 0..20 {
            let bytes = backup(&store);
            let disk = SimDisk::new(2);
            restore_on(&mut bytes.as_slice(), &dyn_disk(&disk), options()).unwrap();
            let all = contents(&open(&disk).unwrap());
            assert_eq!(all[&keyspace(2)].1, all[&keyspace(3)].1);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Bytes of a small store: short enough to be cut and damaged everywhere.
fn small() -> (Vec<u8>, Model) {
    let (store, mut model) = (open(&SimDisk::new(1)).unwrap(), Model::new());
    let step = Step::Commit(vec![(2, 0, Some(10)), (3, 1, Some(3))]);
    run(&store, 0, &step).unwrap();
    apply(&mut model, 0, &step);
    (backup(&store), model)
}

#[test]
fn a_refused_backup_leaves_the_folder_empty() {
    let (bytes, model) = small();
    let disk = SimDisk::new(2);
    let refused = |bytes: &[u8]| {
        let error = restore_on(&mut &*bytes, &dyn_disk(&disk), options()).unwrap_err();
        assert!(matches!(error, RestoreError::Backup(_)), "{error}");
        assert!(disk.list().unwrap().is_empty());
    };
    for len in (0..bytes.len()).step_by(7) {
        refused(&bytes[..len]);
    }
    for at in (0..bytes.len()).step_by(11) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        refused(&damaged);
    }
    refused(&[bytes.as_slice(), &[0]].concat());
    restore_on(&mut bytes.as_slice(), &dyn_disk(&disk), options()).unwrap();
    check(&open(&disk).unwrap(), &[&model], "after many refusals");
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let (bytes, _) = small();
    let disk = SimDisk::new(1);
    let (store, model) = sample(&disk);
    let busy = restore_on(&mut bytes.as_slice(), &dyn_disk(&disk), options());
    assert!(matches!(busy, Err(RestoreError::Open(OpenError::InUse))));
    store.close().unwrap();
    let full = restore_on(&mut bytes.as_slice(), &dyn_disk(&disk), options());
    assert!(matches!(full, Err(RestoreError::NotEmpty(_))));
    check(&open(&disk).unwrap(), &[&model], "left alone");
}

#[test]
fn a_crash_at_any_call_of_a_restore() {
    let (bytes, model) = small();
    let restore = |disk: &SimDisk| restore_on(&mut bytes.as_slice(), &dyn_disk(disk), options());
    let whole = SimDisk::new(1);
    restore(&whole).unwrap();
    let (mut refused, mut empty) = (0, 0);
    for at in 1..=whole.calls() {
        let disk = SimDisk::new(at);
        disk.crash_at_call(at);
        let outcome = restore(&disk);
        let image = disk.crash_with(at ^ 0x5555);
        let again = image.clone_image();
        // A look found nothing wrong with half a store once.
        let look = look_at(&dyn_disk(&image));
        let opened = open(&image);
        let restoring = matches!(opened, Err(OpenError::Restoring));
        assert_eq!(matches!(look, Err(OpenError::Restoring)), restoring, "call {at}");
        match opened {
            Ok(store) => {
                // Not yet begun, or complete.
                let which = check(&store, &[&Model::new(), &model], &format!("call {at}"));
                assert!(which == 1 || outcome.is_err(), "call {at}: acknowledged but lost");
                empty += usize::from(which == 0);
                if which == 1 {
                    continue;
                }
            }
            Err(OpenError::Restoring) => refused += 1,
            Err(e) => panic!("call {at}: {e}"),
        }
        // The second try works, and also when it is the one that is interrupted.
        for next in (1..40).step_by(3) {
            let image = again.clone_image();
            image.crash_at_call(next);
            let _ = restore(&image);
            let image = image.crash_with(next);
            match open(&image.clone_image()) {
                Ok(store) => {
                    check(&store, &[&Model::new(), &model], &format!("call {at}, then {next}"));
                }
                Err(OpenError::Restoring) => {
                    restore(&image).unwrap_or_else(|e| panic!("call {at}, then {next}: {e}"));
                    check(&open(&image).unwrap(), &[&model], "after a third try");
                }
                Err(e) => panic!("call {at}, then {next}: {e}"),
            }
        }
        restore(&again).unwrap_or_else(|e| panic!("call {at}, again: {e}"));
        check(&open(&again).unwrap(), &[&model], &format!("call {at}, again"));
    }
    assert!(refused > 10 && empty > 0, "{refused} refused, {empty} empty");
}

#[test]
fn a_file_appears_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let (store, model) = sample(&SimDisk::new(1));
    let path = folder.path().join("store.backup");
    std::fs::write(&path, "an older one").unwrap();
    let report = store.backup_to_file(&path).unwrap();
    let names: Vec<_> = folder.path().read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["store.backup"]);
    let mut file = std::fs::File::open(&path).unwrap();
    assert_eq!(verify_backup(&mut file).unwrap(), report);

    let target = folder.path().join("restored");
    std::fs::create_dir(&target).unwrap();
    let mut file = std::fs::File::open(&path).unwrap();
    restore(&mut file, &target, options()).unwrap();
    check(&Store::open(&target, options()).unwrap(), &[&model], "restored from a file");

    assert!(store.backup_to_file(&folder.path().join("missing/store.backup")).is_err());
    let error = verify_backup(&mut &b"not a backup"[..]).unwrap_err();
    assert!(matches!(error, VerifyError::NotABackup));
}
