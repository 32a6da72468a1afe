//! The file device: one write a batch, and one sync where the device is durable.
//!
//! A file that was renamed or removed is noticed within [`CHECK_PERIOD`] and opened anew under its
//! name, as SIGHUP does at once; nothing is written on and on to a file that nobody can see.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::sink::Sink;

/// How often the name is held against the open file.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// Appends to a file or to standard output.
pub(super) struct FileSink {
    /// `None`: standard output.
    path: Option<PathBuf>,
    mode: Option<u32>,
    durable: bool,
    file: Option<File>,
    checked: Instant,
    /// The last write ended inside a record.
    torn: bool,
}

impl FileSink {
    /// Opens the file, its folder made where it is missing.
    ///
    /// # Errors
    /// It cannot be made or opened for appending.
    pub(super) fn open(
        path: Option<PathBuf>,
        mode: Option<u32>,
        durable: bool,
    ) -> io::Result<Self> {
        let file = path.as_deref().map(|p| append(p, mode)).transpose()?;
        Ok(Self { path, mode, durable, file, checked: Instant::now(), torn: false })
    }

    fn current(&mut self) -> io::Result<Option<&mut File>> {
        let Some(path) = &self.path else { return Ok(None) };
        if self.checked.elapsed() >= CHECK_PERIOD {
            self.checked = Instant::now();
            if self.file.as_ref().is_some_and(|file| !same(file, path)) {
                self.file = None;
            }
        }
        if self.file.is_none() {
            self.file = Some(append(path, self.mode)?);
            self.torn = false;
        }
        Ok(self.file.as_mut())
    }
}

impl Sink for FileSink {
    fn write(&mut self, batch: &[u8], _ends: &[usize]) -> io::Result<()> {
        let (torn, durable) = (self.torn, self.durable);
        let Some(file) = self.current()? else {
            let mut out = io::stdout().lock();
            return out.write_all(batch).and_then(|()| out.flush());
        };
        let written = (|| {
            if torn {
                file.write_all(b"\n")?;
            }
            file.write_all(batch)?;
            if durable { file.sync_data() } else { Ok(()) }
        })();
        self.torn = written.is_err();
        if written.is_err() {
            // A failed sync may have dropped what the file had: go on with a fresh descriptor.
            self.file = None;
        }
        written
    }

    fn reopen(&mut self) {
        self.file = None;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_are_appended_with_the_mode_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/audit.log");
        let mut sink = FileSink::open(Some(path.clone()), Some(0o640), true).unwrap();
        sink.write(b"one\n", &[4]).unwrap();
        drop(sink);
        let mut sink = FileSink::open(Some(path.clone()), None, false).unwrap();
        sink.write(b"two\n", &[4]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640, "a mode of 0 changes none");
        assert!(FileSink::open(Some(folder.path().to_owned()), None, false).is_err());
    }

    /// A device of another server went on for days into a file that was removed.
    #[test]
    fn a_renamed_file_is_followed_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut sink = FileSink::open(Some(path.clone()), Some(0o600), false).unwrap();
        sink.write(b"one\n", &[4]).unwrap();
        fs::rename(&path, folder.path().join("audit.log.1")).unwrap();
        sink.reopen();
        sink.write(b"two\n", &[4]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::remove_file(&path).unwrap();
        sink.checked = sink.checked.checked_sub(CHECK_PERIOD).unwrap();
        sink.write(b"three\n", &[6]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }
}
