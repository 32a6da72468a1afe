//! A look at a store on a disk that cannot be written.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::Arc;

use strongroom_storage::{Class, KeyspaceId, OpenError, Options, Store, look_at};
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::disk::{Disk, DiskFile};

const KS: KeyspaceId = KeyspaceId([1; 16]);

/// A disk that cannot be written, with or without locks.
struct ReadOnly {
    disk: SimDisk,
    locks: bool,
}

impl ReadOnly {
    fn refuse<T>() -> io::Result<T> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    }
}

impl Disk for ReadOnly {
    fn create(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        Self::refuse()
    }

    fn open(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        Self::refuse()
    }

    fn open_read(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open_read(name)
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Self::refuse()
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Self::refuse()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.disk.list()?;
        // The simulated disk's locks have no file.
        names.push("LOCK".to_owned());
        Ok(names)
    }

    fn sync_dir(&self) -> io::Result<()> {
        Self::refuse()
    }

    fn lock(&self, _: &str) -> io::Result<Box<dyn Send + Sync>> {
        Self::refuse()
    }

    fn lock_existing(&self, name: &str) -> io::Result<Box<dyn Send + Sync>> {
        if self.locks { self.disk.lock(name) } else { Self::refuse() }
    }
}

/// The lock was taken as a server takes it, who writes: a disk that cannot be written, or a copy on one,
/// could not be looked at.
#[test]
fn a_store_on_a_disk_that_cannot_be_written_is_looked_at() {
    let disk = SimDisk::new(7);
    let on: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Options { segment_size: 1 << 20, ..Options::default() };
    let store = Store::open_on(&on, options).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(KS, Class::Replicated);
    txn.put(KS, b"a", b"1".to_vec());
    txn.commit_blocking().unwrap();
    let read_only = |locks| -> Arc<dyn Disk> { Arc::new(ReadOnly { disk: disk.clone(), locks }) };
    let used = look_at(&read_only(true)).map(drop);
    assert!(matches!(used, Err(OpenError::InUse)), "{used:?}");
    drop(store);
    for locks in [true, false] {
        let look = look_at(&read_only(locks)).unwrap();
        assert_eq!(look.snapshot.get(KS, b"a").unwrap(), Some(b"1".to_vec()));
        assert_eq!(look.unlocked.is_none(), locks, "{:?}", look.unlocked);
    }
}
