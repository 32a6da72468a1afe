//! A backup's file: it gets its name when it is complete.
//!
//! It is written to the name with `.part` appended. What a killed process left there is written over
//! by the next backup of that name; while one is being written, another one is refused.
//!
//! # Promises
//! - Under the name stands a complete backup or what stood there before, also after a power loss.
//! - Once [`BackupFile::publish`] has answered well, it is the backup.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A backup's file was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupFileError {
    /// Another one is under way: wait for it, or choose another name.
    #[error("another backup is being written to {}; wait for it, or name another file", part.display())]
    Busy {
        /// What it is written to.
        part: PathBuf,
    },
    /// The name shows the backup, but it is not known whether it does so for good: after a power loss it
    /// may show what was there before, or nothing. Sync the folder, or make another backup.
    #[error(
        "the backup is whole and has its name {}, but a power loss may take the name back: {cause}",
        path.display()
    )]
    InDoubt {
        /// The name.
        path: PathBuf,
        /// What the device said.
        cause: io::Error,
    },
    /// The device failed. The name shows what it did before.
    #[error("cannot {what} {}: {cause}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the device said.
        cause: io::Error,
    },
}

/// See the module's text. Dropped without being published, it is removed.
#[derive(Debug)]
pub struct BackupFile {
    file: File,
    part: PathBuf,
    path: PathBuf,
    published: bool,
}

impl BackupFile {
    /// Begins the file that is to have this name.
    ///
    /// # Errors
    /// See [`BackupFileError`].
    pub fn create(path: &Path) -> Result<Self, BackupFileError> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = take(&part)?;
        Ok(Self { file, part, path: path.to_owned(), published: false })
    }

    /// What is written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What it is called until it is published.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Makes it durable, and gives it its name durably.
    ///
    /// # Errors
    /// See [`BackupFileError`].
    pub fn publish(self) -> Result<(), BackupFileError> {
        self.publish_by(|folder| File::open(folder)?.sync_all())
    }

    fn publish_by(
        mut self,
        sync: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), BackupFileError> {
        self.file.sync_all().map_err(failed("make durable", &self.part))?;
        fs::rename(&self.part, &self.path).map_err(failed("give its name to", &self.path))?;
        self.published = true;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        sync(folder).map_err(|cause| BackupFileError::InDoubt { path: self.path.clone(), cause })
    }
}

impl Drop for BackupFile {
    fn drop(&mut self) {
        if !self.published {
            // Why is told already; what is left is refused by its name and by its contents.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// Makes the file, empty, or takes over what a killed process left. As long as it is open nobody else
/// does, where the file system knows locks.
fn take(part: &Path) -> Result<File, BackupFileError> {
    let failed = |what| failed(what, part);
    loop {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = options.open(part).map_err(failed("make"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(BackupFileError::Busy { part: part.to_owned() });
            }
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        // Whoever had the lock may have given the file its name meanwhile: it is his then.
        if is_at(&file, part).map_err(failed("look at"))? {
            file.set_len(0).map_err(failed("empty"))?;
            return Ok(file);
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let here = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupFileError {
    let path = path.to_owned();
    move |cause| BackupFileError::Io { what, path, cause }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = folder.read_dir().unwrap().map(|e| e.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Two backups to one name wrote into one file, and the first to end gave the name to a mixture.
    #[test]
    fn while_one_is_written_another_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        let first = BackupFile::create(&path).unwrap();
        first.file().write_all(b"first").unwrap();
        let second = BackupFile::create(&path).unwrap_err();
        assert!(matches!(&second, BackupFileError::Busy { .. }), "{second}");
        assert!(second.to_string().contains("b.part"), "{second}");
        BackupFile::create(&folder.path().join("other")).unwrap();
        first.publish().unwrap();
        let second = BackupFile::create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        drop(second);
        assert_eq!(names(folder.path()), ["b"]);
        assert_eq!(fs::read(&path).unwrap(), b"first");
    }

    /// Whoever opened the part while it was being published must not empty what has the name now.
    #[test]
    fn what_was_published_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        let first = BackupFile::create(&path).unwrap();
        let late = File::open(first.part()).unwrap();
        assert!(is_at(&late, first.part()).unwrap());
        first.publish().unwrap();
        let part = folder.path().join("b.part");
        assert!(!is_at(&late, &part).unwrap());
        let second = BackupFile::create(&path).unwrap();
        assert!(!is_at(&late, &part).unwrap() && is_at(second.file(), &part).unwrap());
    }

    #[test]
    fn what_a_killed_process_left_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        fs::write(folder.path().join("b.part"), "longer than what comes").unwrap();
        let file = BackupFile::create(&path).unwrap();
        file.file().write_all(b"new").unwrap();
        file.publish().unwrap();
        assert_eq!(names(folder.path()), ["b"]);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    /// It was said that nothing is left behind and the name shows what it did before, though the new
    /// backup had taken its place.
    #[test]
    fn a_folder_that_cannot_be_synced_leaves_a_whole_backup_in_doubt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        fs::write(&path, "old").unwrap();
        let file = BackupFile::create(&path).unwrap();
        file.file().write_all(b"new").unwrap();
        let mut asked = None;
        let failed = file.publish_by(|folder| {
            asked = Some(folder.to_owned());
            Err(io::Error::other("injected"))
        });
        let failed = failed.unwrap_err();
        assert!(matches!(&failed, BackupFileError::InDoubt { path: named, .. } if *named == path));
        assert!(failed.to_string().contains("may take the name back: injected"), "{failed}");
        assert_eq!(asked.as_deref(), Some(folder.path()));
        assert_eq!(names(folder.path()), ["b"]);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_name_that_cannot_be_given_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        let file = BackupFile::create(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let failed = file.publish().unwrap_err();
        assert!(matches!(failed, BackupFileError::Io { .. }), "{failed}");
        assert_eq!(names(folder.path()), ["b"]);
    }
}
