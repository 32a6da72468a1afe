//! The master record: a small file, replaced as a whole, that says where recovery starts.

use std::io;
use std::sync::Arc;

use strongroom_wal::disk::Disk;

use crate::error::OpenError;
use crate::page::Master;

const NAME: &str = "MASTER";
const NEW: &str = "MASTER.new";
/// More than a master record can be.
const LEN_MAX: u64 = 4096;

/// Replaces the master record; durable when it returns. A crash leaves the old or the new one.
pub(crate) fn write(disk: &Arc<dyn Disk>, master: &Master) -> io::Result<()> {
    if disk.list()?.iter().any(|name| name == NEW) {
        disk.remove(NEW)?;
    }
    let file = disk.create(NEW)?;
    file.write_at(0, &master.encode())?;
    file.sync()?;
    disk.rename(NEW, NAME)?;
    disk.sync_dir()
}

/// Reads the master record; `None` if the folder never held a store.
pub(crate) fn read(disk: &Arc<dyn Disk>) -> Result<Option<Master>, OpenError> {
    let names = disk.list().map_err(OpenError::io("list the folder"))?;
    if !names.iter().any(|name| name == NAME) {
        return Ok(None);
    }
    let file = disk.open_read(NAME).map_err(OpenError::io("open the master record"))?;
    let len = file.len().map_err(OpenError::io("read the master record"))?;
    let damaged = |why| OpenError::Damaged { file: NAME.to_owned(), why };
    if len > LEN_MAX {
        return Err(damaged("too long"));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    file.read_at(0, &mut bytes).map_err(OpenError::io("read the master record"))?;
    Master::decode(&bytes).map(Some).map_err(|e| damaged(e.0))
}
