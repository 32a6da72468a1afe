//! Opening the log of a folder, or making a new store there.

use std::sync::Arc;

use strongroom_wal::disk::Disk;
use strongroom_wal::{Frame, Log, LogError, LogOptions, LogReader, Lsn, OpenHint};

use crate::error::OpenError;
use crate::master::{self, Master};
use crate::options::Options;

/// Name of the file whose lock the owner of a folder holds.
pub(crate) const LOCK: &str = "LOCK";

/// Name of the file that stands in a folder while a backup is restored to it.
pub(crate) const RESTORING: &str = "RESTORING";

/// Takes the folder for this owner.
pub(crate) fn take_lock(disk: &Arc<dyn Disk>) -> Result<Box<dyn Send + Sync>, OpenError> {
    disk.lock(LOCK).map_err(|e| match e.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::InUse,
        _ => OpenError::Io { what: "lock the folder", cause: e },
    })
}

/// Refuses a folder where a restore was interrupted: what is there is not the whole store.
pub(crate) fn check_restored(disk: &Arc<dyn Disk>) -> Result<(), OpenError> {
    let names = disk.list().map_err(OpenError::io("list the folder"))?;
    if names.iter().any(|name| name == RESTORING) { Err(OpenError::Restoring) } else { Ok(()) }
}

/// Opens the log; `seen` is shown its frames from the last checkpoint on.
pub(crate) fn open_log(
    disk: &Arc<dyn Disk>,
    master: &Master,
    io_uring: bool,
    seen: &mut dyn FnMut(&Frame),
) -> Result<Log, OpenError> {
    let segment_size = master.segment_size;
    let options = LogOptions { segment_size, io_uring, ..LogOptions::default() };
    let (log, _report) = Log::open_seeing(Arc::clone(disk), options, master.hint(), seen)?;
    if log.id() != master.log_id {
        return Err(OpenError::Damaged {
            file: "MASTER".to_owned(),
            why: "it belongs to another log",
        });
    }
    Ok(log)
}

/// Makes a new store. The master record comes last: without it nothing was ever acknowledged, so
/// what an interrupted attempt left behind is removed, if it is a log without a frame.
pub(crate) fn create(disk: &Arc<dyn Disk>, options: Options) -> Result<(Log, Master), OpenError> {
    let Options { segment_size, io_uring, .. } = options;
    let log_options = LogOptions { segment_size, io_uring, ..LogOptions::default() };
    let mut log_id = [0; 16];
    getrandom::fill(&mut log_id)
        .map_err(|e| OpenError::Io { what: "draw a log id", cause: std::io::Error::other(e) })?;
    remove_unborn(disk)?;
    let log = Log::create(Arc::clone(disk), log_options, log_id)?;
    let master = Master {
        log_id,
        segment_size: options.segment_size,
        checkpoint: Lsn::ZERO,
        durable: Lsn::ZERO,
        map: strongroom_aries::MapLocation { segment: 0, offset: 0, len: 0 },
    };
    master::write(disk, &master).map_err(OpenError::io("write the master record"))?;
    Ok((log, master))
}

fn remove_unborn(disk: &Arc<dyn Disk>) -> Result<(), OpenError> {
    let names = disk.list().map_err(OpenError::io("list the folder"))?;
    let left: Vec<&String> =
        names.iter().filter(|name| ![LOCK, RESTORING].contains(&name.as_str())).collect();
    if left.is_empty() {
        return Ok(());
    }
    if let Some(foreign) = left.iter().find(|name| !is_ours(name)) {
        let why = "it does not belong to a store; choose an empty folder";
        return Err(OpenError::Damaged { file: (*foreign).clone(), why });
    }
    if holds_records(disk)? {
        let why = "it is missing though there is a log; restore the folder";
        return Err(OpenError::Damaged { file: "MASTER".to_owned(), why });
    }
    for name in left {
        disk.remove(name).map_err(OpenError::io("remove an unfinished store"))?;
    }
    disk.sync_dir().map_err(OpenError::io("sync the folder"))
}

/// Whether there is more than a log that was never begun, or has no record yet. One that cannot be read
/// to its end may hold anything.
fn holds_records(disk: &Arc<dyn Disk>) -> Result<bool, OpenError> {
    let log = match LogReader::open(Arc::clone(disk), OpenHint::default()) {
        Ok(log) => log,
        Err(LogError::NotFound) => return Ok(false),
        Err(e @ LogError::Io { .. }) => return Err(e.into()),
        Err(_) => return Ok(true),
    };
    for frame in log.frames(log.oldest()) {
        if frame?.records().count() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a file of this name can be what an interrupted creation left behind.
fn is_ours(name: &str) -> bool {
    name == "MASTER.new" || strongroom_wal::parse_segment_name(name).is_some()
}
