//! The master record: a small file, replaced as a whole, that says where recovery starts.

use std::io;
use std::sync::Arc;

use strongroom_aries::MapLocation;
use strongroom_wal::disk::Disk;
use strongroom_wal::{LogIdentity, Lsn, OpenHint};

use crate::error::OpenError;
use crate::sealed::{Damaged, open, seal};

pub(crate) const MAGIC: &[u8; 4] = b"SRMS";
pub(crate) const NAME: &str = "MASTER";
const NEW: &str = "MASTER.new";
/// More than a master record can be.
const LEN_MAX: u64 = 4096;

/// The one record that is found without any other: where recovery starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Master {
    pub(crate) log_id: [u8; 16],
    pub(crate) segment_size: u64,
    /// LSN of the begin record of the last complete checkpoint; zero before the first.
    pub(crate) checkpoint: Lsn,
    /// The log was durable up to here.
    pub(crate) durable: Lsn,
    /// The checkpoint's page map.
    pub(crate) map: MapLocation,
}

impl Master {
    /// What it tells of the log to who opens it.
    pub(crate) fn hint(&self) -> OpenHint {
        OpenHint {
            scan_from: self.checkpoint,
            known_durable: self.durable,
            identity: Some(LogIdentity { id: self.log_id, segment_bytes: self.segment_size }),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = self.log_id.to_vec();
        for n in [
            self.segment_size,
            self.checkpoint.0,
            self.durable.0,
            self.map.segment,
            self.map.offset,
            self.map.len,
        ] {
            body.extend_from_slice(&n.to_le_bytes());
        }
        seal(*MAGIC, &body)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut c = open(*MAGIC, bytes)?;
        let master = Master {
            log_id: c.array()?,
            segment_size: c.u64()?,
            checkpoint: Lsn(c.u64()?),
            durable: Lsn(c.u64()?),
            map: MapLocation { segment: c.u64()?, offset: c.u64()?, len: c.u64()? },
        };
        c.end()?;
        Ok(master)
    }
}

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
