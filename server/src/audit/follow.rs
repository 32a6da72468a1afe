//! A file that is appended to under its name.
//!
//! A file that was renamed or removed is noticed within [`CHECK_PERIOD`] and opened anew under its
//! name, as SIGHUP does at once; nothing is written on and on to a file that nobody can see.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the name is held against the open file.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// A name, and the file that stood under it when it was looked at last.
pub(super) struct Followed {
    path: PathBuf,
    mode: Option<u32>,
    file: Option<File>,
    checked: Instant,
}

impl Followed {
    /// Opens the file, its folder made where it is missing.
    ///
    /// # Errors
    /// It cannot be made or opened for appending.
    pub(super) fn open(path: PathBuf, mode: Option<u32>) -> io::Result<Self> {
        let file = append(&path, mode)?;
        Ok(Self { path, mode, file: Some(file), checked: Instant::now() })
    }

    /// The file that was opened last, unless it was let go.
    pub(super) fn last(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Whether the file under the name is another one by now, or was let go.
    pub(super) fn is_gone(&mut self) -> bool {
        if self.checked.elapsed() >= CHECK_PERIOD {
            self.checked = Instant::now();
            if self.file.as_ref().is_some_and(|file| !same(file, &self.path)) {
                return true;
            }
        }
        self.file.is_none()
    }

    /// The file under the name, and whether it was opened just now.
    ///
    /// # Errors
    /// As [`Followed::open`].
    pub(super) fn current(&mut self) -> io::Result<(&mut File, bool)> {
        if self.is_gone() {
            self.file = None;
        }
        Ok(match &mut self.file {
            Some(file) => (file, false),
            none => (none.insert(append(&self.path, self.mode)?), true),
        })
    }

    /// Lets the file go, so that the name is opened anew.
    pub(super) fn let_go(&mut self) {
        self.file = None;
    }

    /// As if the name had been looked at long ago.
    #[cfg(test)]
    pub(super) fn forget_check(&mut self) {
        self.checked = self.checked.checked_sub(CHECK_PERIOD).unwrap();
    }
}

/// Opens for appending; made with its folder where it is missing.
fn append(path: &Path, mode: Option<u32>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(mode.unwrap_or(0o600));
    let file = match options.open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            options.open(path)?
        }
        opened => opened?,
    };
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if let Some(mode) = mode
        && about.is_file()
        && about.mode() & 0o777 != mode
    {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

fn same(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}
