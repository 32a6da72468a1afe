//! From the folder that a person names to the folder that holds the log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_wal::disk::{Disk, SysDisk};

/// Longest `CURRENT` that is believed, in bytes.
const CURRENT_BYTES_MAX: u64 = 255;

/// A server's data folder names its store in `CURRENT`; any other folder is taken as a store.
///
/// # Errors
/// When `CURRENT` cannot be read or names no folder beside it.
pub fn store_folder(given: &Path) -> io::Result<PathBuf> {
    let current = given.join("CURRENT");
    let len = match fs::metadata(&current) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(given.to_owned()),
        Err(error) => return Err(at(given)(error)),
    };
    if len > CURRENT_BYTES_MAX {
        return Err(bad_current(&current));
    }
    let name = fs::read(&current).map_err(at(&current))?;
    let Ok(name) = str::from_utf8(&name) else { return Err(bad_current(&current)) };
    let name = name.trim();
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(bad_current(&current));
    }
    Ok(given.join(name))
}

/// Opens a store folder for looking at it.
///
/// # Errors
/// When it is none; which one is said.
pub fn open(folder: &Path) -> io::Result<Arc<dyn Disk>> {
    Ok(Arc::new(SysDisk::open_existing(folder).map_err(at(folder))?))
}

/// For `map_err`: says what it was that could not be had.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}

fn bad_current(path: &Path) -> io::Error {
    let message = format!("{} does not name a store folder", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}
