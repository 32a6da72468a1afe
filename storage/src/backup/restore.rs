//! Building a store from a backup.
//!
//! A file `RESTORING` is made durable before anything else and removed after everything else; a
//! folder with it does not open. So an interrupted restore leaves nothing that could be taken for
//! a store, and the next restore begins by clearing up after it.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use strongroom_wal::disk::{Disk, SysDisk};

use super::error::RestoreError;
use super::read::{Sink, read};
use super::report::BackupReport;
use crate::folder::{self, LOCK, RESTORING};
use crate::id::{Class, KeyspaceId};
use crate::options::Options;
use crate::snapshot::KeyValue;
use crate::store::Store;

/// Verifies a backup and builds its store in an empty folder, which is made if need be. The store
/// is complete, durable and closed when it answers. It has a log of its own: nobody can follow it
/// from positions of the old one.
///
/// # Errors
/// See [`RestoreError`]. The folder is as empty as before then or, after a crash or when the
/// device failed, refuses to open and can be restored to again.
pub fn restore(
    input: &mut dyn Read,
    dir: &Path,
    options: Options,
) -> Result<BackupReport, RestoreError> {
    let disk = SysDisk::open(dir).map_err(RestoreError::io("open the folder"))?;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    restore_on(input, &disk, options)
}

/// As [`restore`], on a disk.
///
/// # Errors
/// As [`restore`].
pub fn restore_on(
    input: &mut dyn Read,
    disk: &Arc<dyn Disk>,
    options: Options,
) -> Result<BackupReport, RestoreError> {
    let lock = folder::take_lock(disk)?;
    begin(disk)?;
    let built = Store::open_locked(disk, options, lock)
        .map_err(RestoreError::from)
        .and_then(|store| build(input, &store));
    match built {
        Ok(report) => {
            finish(disk).map_err(RestoreError::io("complete the folder"))?;
            Ok(report)
        }
        Err(error) => {
            // If this fails too the folder still refuses to open, and the cause is told already.
            let _ = clear(disk).and_then(|()| finish(disk));
            Err(error)
        }
    }
}

/// Claims an empty folder, or one where a restore was interrupted.
fn begin(disk: &Arc<dyn Disk>) -> Result<(), RestoreError> {
    let names = disk.list().map_err(RestoreError::io("list the folder"))?;
    if names.iter().any(|name| name == RESTORING) {
        return clear(disk).map_err(RestoreError::io("remove an interrupted restore"));
    }
    if let Some(name) = names.into_iter().find(|name| name != LOCK) {
        return Err(RestoreError::NotEmpty(name));
    }
    let claimed = disk.create(RESTORING).and_then(|file| file.sync());
    claimed.and_then(|()| disk.sync_dir()).map_err(RestoreError::io("claim the folder"))
}

/// Removes everything but the lock and the claim.
fn clear(disk: &Arc<dyn Disk>) -> std::io::Result<()> {
    for name in disk.list()?.iter().filter(|name| *name != LOCK && *name != RESTORING) {
        disk.remove(name)?;
    }
    disk.sync_dir()
}

/// Gives the claim up.
fn finish(disk: &Arc<dyn Disk>) -> std::io::Result<()> {
    disk.remove(RESTORING)?;
    disk.sync_dir()
}

fn build(input: &mut dyn Read, store: &Store) -> Result<BackupReport, RestoreError> {
    let report = read(input, &mut Builder { store })?;
    for class in [Class::Replicated, Class::Local, Class::Ignored] {
        let keyspaces = report.keyspaces.iter().filter(|k| k.class == class);
        let root = strongroom_merkle::composite(keyspaces.map(|k| (k.id.0, k.root)));
        if root != store.root(class) {
            return Err(RestoreError::Root);
        }
    }
    store.close()?;
    Ok(report)
}

/// Writes what a backup holds, a chunk to a transaction.
struct Builder<'a> {
    store: &'a Store,
}

impl Sink for Builder<'_> {
    type Error = RestoreError;

    fn keyspaces(&mut self, keyspaces: &[(KeyspaceId, Class)]) -> Result<(), RestoreError> {
        let mut txn = self.store.begin();
        for (id, class) in keyspaces {
            txn.create_keyspace(*id, *class);
        }
        txn.commit_blocking()?;
        Ok(())
    }

    fn entries(
        &mut self,
        keyspace: KeyspaceId,
        entries: Vec<KeyValue>,
    ) -> Result<(), RestoreError> {
        let mut txn = self.store.begin();
        for (key, value) in entries {
            txn.put(keyspace, &key, value);
        }
        txn.commit_blocking()?;
        Ok(())
    }
}
