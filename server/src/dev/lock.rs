//! The lock that ties the clusters to their launcher.
//!
//! The launcher holds `launcher.lock` exclusively; each cluster waits for it in a thread. The kernel
//! releases it when the launcher ends, also by SIGKILL, so no cluster lingers.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::LaunchError;

const FILE: &str = "launcher.lock";

/// The launcher's side; released on drop.
#[derive(Debug)]
pub(super) struct LauncherLock {
    _file: File,
}

impl LauncherLock {
    /// Takes the lock of a folder.
    pub(super) fn take(folder: &Path) -> Result<Self, LaunchError> {
        let file = open(folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LaunchError::FolderInUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => {
                Err(LaunchError::Folder { path: folder.join(FILE), source })
            }
        }
    }
}

/// A cluster's side.
#[derive(Debug)]
pub struct LauncherGone {
    file: File,
    folder: PathBuf,
}

impl LauncherGone {
    /// Checks that a launcher holds the folder.
    ///
    /// # Errors
    /// No launcher is running, or the lock file cannot be opened.
    pub fn watch(folder: &Path) -> Result<Self, LaunchError> {
        let file = open(folder)?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Ok(Self { file, folder: folder.to_owned() }),
            Ok(()) => Err(LaunchError::NoLauncher(folder.to_owned())),
            Err(TryLockError::Error(source)) => {
                Err(LaunchError::Folder { path: folder.join(FILE), source })
            }
        }
    }

    /// Returns when the launcher is gone. Blocks its thread.
    pub fn wait(self) {
        while let Err(error) = self.file.lock_shared() {
            if error.kind() != std::io::ErrorKind::Interrupted {
                eprintln!("cannot watch the launcher of {}: {error}", self.folder.display());
                return;
            }
        }
    }
}

fn open(folder: &Path) -> Result<File, LaunchError> {
    let path = folder.join(FILE);
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| LaunchError::Folder { path, source })
}

#[cfg(test)]
mod tests {
    use super::{LaunchError, LauncherGone, LauncherLock};

    #[test]
    fn clusters_notice_the_end_of_their_launcher() {
        let folder = tempfile::tempdir().unwrap();
        let alone = LauncherGone::watch(folder.path());
        assert!(matches!(alone, Err(LaunchError::NoLauncher(_))));
        drop(alone);

        let launcher = LauncherLock::take(folder.path()).unwrap();
        let second = LauncherLock::take(folder.path());
        assert!(matches!(second, Err(LaunchError::FolderInUse(_))));

        let watch = LauncherGone::watch(folder.path()).unwrap();
        let waiting = std::thread::spawn(move || watch.wait());
        assert!(!waiting.is_finished());
        drop(launcher);
        waiting.join().unwrap();
    }
}
