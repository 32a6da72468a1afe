//! Looking at the store of a stopped server: recovery in memory, nothing on the disk is changed.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{LogReader, OpenHint};

use crate::error::OpenError;
use crate::folder::{LOCK, check_restored};
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
    /// Why the folder could not be locked; `None` when it was, or when there is no lock file: no server
    /// ever ran there. Without the lock a server may be writing, which would look like damage.
    pub unlocked: Option<String>,
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
    let (_lock, unlocked) = lock_if_can(disk)?;
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
        unlocked,
        losers: if recovered.losers.is_empty() { 0 } else { recovered.losers.count() },
        recovery: recovered.report,
        snapshot: Snapshot::new(Arc::new(recovered.state), Values::new(log, pool)),
    })
}

type Lock = Option<Box<dyn Send + Sync>>;

/// The lock if there is a lock file, as there is where a server ever ran; or why it cannot be had: the
/// folder may be of a disk that cannot be written, or of a file system that knows no locks. Taking it
/// changes nothing.
fn lock_if_can(disk: &Arc<dyn Disk>) -> Result<(Lock, Option<String>), OpenError> {
    let names = disk.list().map_err(OpenError::io("list the folder"))?;
    if !names.iter().any(|name| name == LOCK) {
        return Ok((None, None));
    }
    match disk.lock_existing(LOCK) {
        Ok(lock) => Ok((Some(lock), None)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(OpenError::InUse),
        Err(error) => Ok((None, Some(error.to_string()))),
    }
}
