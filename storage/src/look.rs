//! Looking at the store of a stopped server: recovery in memory, nothing on the disk is changed.

use std::path::Path;
use std::sync::Arc;

use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{LogReader, OpenHint};

use crate::error::OpenError;
use crate::folder::{LOCK, check_restored, take_lock};
use crate::master::{self, Master};
use crate::pages::{PageFiles, Pool};
use crate::recovery::{Loaded, RecoveryReport, Restart};
use crate::snapshot::Snapshot;
use crate::values::Values;

/// What a look finds.
pub struct Look {
    /// The state that a restart would come to.
    pub snapshot: Snapshot,
    /// What coming to it took.
    pub recovery: RecoveryReport,
    /// Transactions that a restart would take back; the snapshot holds their changes still.
    pub losers: u64,
}

/// What a store knows of its log.
#[derive(Clone, Copy, Debug)]
pub struct StoreLog {
    /// The log's id.
    pub id: [u8; 16],
    /// Bytes of a segment.
    pub segment_size: u64,
    /// Where recovery starts, and how far the log was durable at the last checkpoint.
    pub hint: OpenHint,
}

/// Recovers the store in a folder without changing it. The roots that the log promises are checked
/// on the way. The server has to be stopped: its log is read as it lies there.
///
/// # Errors
/// See [`OpenError`]; [`OpenError::InUse`] while a server runs on the folder.
pub fn look(dir: &Path) -> Result<Look, OpenError> {
    let disk = SysDisk::open_existing(dir).map_err(OpenError::io("open the folder"))?;
    look_at(&(Arc::new(disk) as Arc<dyn Disk>))
}

/// What the store in a folder knows of its log; `None` when there is no store. Takes no lock, so it may be
/// asked beside a live server.
///
/// # Errors
/// See [`OpenError`].
pub fn store_log(disk: &Arc<dyn Disk>) -> Result<Option<StoreLog>, OpenError> {
    let known = |m: Master| StoreLog { id: m.log_id, segment_size: m.segment_size, hint: m.hint() };
    Ok(master::read(disk)?.map(known))
}

/// As [`look`], on a disk.
///
/// # Errors
/// See [`look`].
pub fn look_at(disk: &Arc<dyn Disk>) -> Result<Look, OpenError> {
    let names = disk.list().map_err(OpenError::io("list the folder"))?;
    // A lock file is there when a server ever ran; taking the lock changes nothing.
    let _lock = if names.iter().any(|name| name == LOCK) { Some(take_lock(disk)?) } else { None };
    check_restored(disk)?;
    let master = master::read(disk)?.ok_or_else(|| OpenError::Damaged {
        file: "MASTER".to_owned(),
        why: "there is none: the folder holds no store",
    })?;
    let log = LogReader::open(Arc::clone(disk), master.hint())?;
    let files = PageFiles::new(Arc::clone(disk)).map_err(OpenError::io("list the folder"))?;
    // Nothing is written while pages are not evicted.
    let pool = Arc::new(Pool::new(files, usize::MAX));
    pool.attach(log.clone());
    let loaded = Loaded::of(&pool, &master)?;
    let recovered = Restart::begin(&pool, &log, &master, loaded)?.finish(None)?;
    Ok(Look {
        losers: if recovered.losers.is_empty() { 0 } else { recovered.losers.count() },
        recovery: recovered.report,
        snapshot: Snapshot::new(Arc::new(recovered.state), Values::new(log, pool)),
    })
}
