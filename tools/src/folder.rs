//! From the folder that a person names to the folder that holds the log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
        Err(error) => return Err(error),
    };
    if len > CURRENT_BYTES_MAX {
        return Err(bad_current(&current));
    }
    let name = fs::read_to_string(&current)?;
    let name = name.trim();
    if name.is_empty() || name.starts_with('.') || name.contains('/') {
        return Err(bad_current(&current));
    }
    Ok(given.join(name))
}

fn bad_current(path: &Path) -> io::Error {
    let message = format!("{} does not name a store folder", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}
