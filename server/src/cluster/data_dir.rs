//! The data folder: who owns it and which store in it is the one in use.
//!
//! | name | is |
//! |---|---|
//! | `LOCK` | held while a server runs on the folder |
//! | `CURRENT` | the name of the store folder in use, one line |
//! | `store-<n>/` | a store |
//!
//! A store folder counts only once `CURRENT` names it, and `CURRENT` changes by one rename. Killed
//! at any step, the folder opens on the old store or on the new one; what `CURRENT` does not name
//! is removed at the next open.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const LOCK: &str = "LOCK";
const CURRENT: &str = "CURRENT";
const CURRENT_NEW: &str = "CURRENT.new";
const STORE_PREFIX: &str = "store-";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another server holds the lock.
    #[error("{0}: another server runs on this data folder; stop it or choose another path")]
    InUse(PathBuf),
    /// A file operation failed.
    #[error("{path}: cannot {action}: {source}; check that this user may read and write there")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// `CURRENT` does not name a store folder that is there.
    #[error(
        "{0}: does not name a store folder of this data folder; restore the folder from a backup"
    )]
    BadCurrent(PathBuf),
}

/// A locked data folder.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// A store folder that is being built and that nothing names yet.
#[derive(Debug)]
pub struct Prepared {
    name: String,
    path: PathBuf,
}

impl Prepared {
    /// The folder, empty at first.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl DataDir {
    /// Makes the folder if it is not there, takes its lock and removes half-built stores.
    ///
    /// # Errors
    /// [`DataDirError`]; nothing was removed then.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(io_error(path, "create the data folder"))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(io_error(&lock_path, "open the lock file"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path.to_owned())),
            Err(TryLockError::Error(e)) => return Err(io_error(&lock_path, "lock")(e)),
        }
        let dir = Self { path: path.to_owned(), _lock: lock };
        dir.remove_leftovers()?;
        Ok(dir)
    }

    /// The store folder in use, if there is one.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn current(&self) -> Result<Option<PathBuf>, DataDirError> {
        Ok(self.current_name()?.map(|name| self.path.join(name)))
    }

    /// A new, empty store folder beside the one in use.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn prepare(&self) -> Result<Prepared, DataDirError> {
        let next = self.stores()?.iter().filter_map(|s| number(s)).max().unwrap_or(0) + 1;
        let name = format!("{STORE_PREFIX}{next}");
        let path = self.path.join(&name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(io_error(&path, "create the store folder"))?;
        sync_dir(&self.path)?;
        Ok(Prepared { name, path })
    }

    /// Makes a store the one in use, durably. The one before stays in place until
    /// [`DataDir::remove_leftovers`].
    ///
    /// # Errors
    /// [`DataDirError`]. On an error the folder may open on either store.
    pub fn switch(&self, to: &Prepared) -> Result<(), DataDirError> {
        let new = self.path.join(CURRENT_NEW);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&new)
            .map_err(io_error(&new, "create"))?;
        file.write_all(format!("{}\n", to.name).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io_error(&new, "write"))?;
        let current = self.path.join(CURRENT);
        fs::rename(&new, &current).map_err(io_error(&current, "replace"))?;
        sync_dir(&self.path)
    }

    /// Removes every store folder that `CURRENT` does not name.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn remove_leftovers(&self) -> Result<(), DataDirError> {
        let current = self.current_name()?;
        for name in self.stores()? {
            if current.as_deref() != Some(name.as_str()) {
                let path = self.path.join(&name);
                fs::remove_dir_all(&path).map_err(io_error(&path, "remove"))?;
            }
        }
        let new = self.path.join(CURRENT_NEW);
        match fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(&new, "remove")(e)),
            _ => sync_dir(&self.path),
        }
    }

    fn current_name(&self) -> Result<Option<String>, DataDirError> {
        let path = self.path.join(CURRENT);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error(&path, "read")(e)),
        };
        let name = text.trim_end();
        if number(name).is_none() || !self.path.join(name).is_dir() {
            return Err(DataDirError::BadCurrent(path));
        }
        Ok(Some(name.to_owned()))
    }

    fn stores(&self) -> Result<Vec<String>, DataDirError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(io_error(&self.path, "list"))? {
            let entry = entry.map_err(io_error(&self.path, "list"))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if number(&name).is_some() {
                names.push(name);
            }
        }
        Ok(names)
    }
}

fn number(name: &str) -> Option<u64> {
    name.strip_prefix(STORE_PREFIX)?.parse().ok()
}

fn sync_dir(path: &Path) -> Result<(), DataDirError> {
    File::open(path).and_then(|d| d.sync_all()).map_err(io_error(path, "sync the folder"))
}

fn io_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |source| DataDirError::Io { path, action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn killed_at_any_step_of_a_switch_one_store_opens() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = DataDir::open(tmp.path()).unwrap();
        assert_eq!(dir.current().unwrap(), None);
        let first = dir.prepare().unwrap();
        drop(dir);
        // Killed before the switch: the half-built store is gone, nothing is in use.
        let dir = DataDir::open(tmp.path()).unwrap();
        assert!(!first.path().exists());
        assert_eq!(dir.current().unwrap(), None);

        let first = dir.prepare().unwrap();
        dir.switch(&first).unwrap();
        let second = dir.prepare().unwrap();
        fs::write(tmp.path().join(CURRENT_NEW), "store-2\n").unwrap();
        drop(dir);
        // Killed between writing the new name and the rename: the old store.
        let dir = DataDir::open(tmp.path()).unwrap();
        assert_eq!(dir.current().unwrap().as_deref(), Some(first.path()));
        assert!(!second.path().exists());
        assert!(!tmp.path().join(CURRENT_NEW).exists());

        let second = dir.prepare().unwrap();
        dir.switch(&second).unwrap();
        drop(dir);
        // Killed after the rename, before the old folder was removed: the new store.
        let dir = DataDir::open(tmp.path()).unwrap();
        assert_eq!(dir.current().unwrap().as_deref(), Some(second.path()));
        assert!(!first.path().exists());
    }

    #[test]
    fn a_second_owner_and_a_bad_current_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = DataDir::open(tmp.path()).unwrap();
        assert!(matches!(DataDir::open(tmp.path()), Err(DataDirError::InUse(_))));
        drop(dir);
        fs::create_dir(tmp.path().join("store-3")).unwrap();
        for bad in ["store-9\n", "../elsewhere\n", ""] {
            fs::write(tmp.path().join(CURRENT), bad).unwrap();
            assert!(matches!(DataDir::open(tmp.path()), Err(DataDirError::BadCurrent(_))));
            assert!(tmp.path().join("store-3").exists(), "refused, so nothing is removed");
        }
    }
}
