//! A data folder from a backup, while no server runs on it.

use std::io::Read;
use std::path::Path;

use strongroom_storage::{BackupReport, Options, RestoreError};

use super::data_dir::{DataDir, DataDirError};

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreFailed {
    /// The data folder, its lock among others.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// There is data already, and nobody said that it may go.
    #[error("the data folder holds a store already; --replace puts the backup in its place")]
    Occupied,
    /// The backup, or the device.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// Verifies a backup and makes its store the one of the data folder `path`, which is made if need be. With
/// `replace` the store that was there is removed once the new one has its place. Blocks on the disk.
///
/// # Errors
/// [`RestoreFailed`]. The folder has the store that it had.
pub fn restore(
    input: &mut dyn Read,
    path: &Path,
    replace: bool,
) -> Result<BackupReport, RestoreFailed> {
    let data = DataDir::open(path)?;
    if data.current()?.is_some() && !replace {
        return Err(RestoreFailed::Occupied);
    }
    let prepared = data.prepare()?;
    let restored = strongroom_storage::restore(input, prepared.path(), Options::default());
    match restored {
        Ok(report) => {
            data.switch(&prepared)?;
            data.remove_leftovers()?;
            Ok(report)
        }
        Err(e) => {
            // What cannot be removed now goes when the folder is opened next.
            let _ = data.remove_leftovers();
            Err(e.into())
        }
    }
}
