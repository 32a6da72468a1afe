//! The file device: one write a batch, not synced.

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::follow::Followed;
use super::sink::Sink;

/// Appends to a file or to standard output.
pub(super) struct FileSink {
    /// `None`: standard output.
    file: Option<Followed>,
    /// The last write ended inside a record.
    torn: bool,
}

impl FileSink {
    /// Opens the file, its folder made where it is missing.
    ///
    /// # Errors
    /// It cannot be made or opened for appending.
    pub(super) fn open(path: Option<PathBuf>, mode: Option<u32>) -> io::Result<Self> {
        let file = path.map(|path| Followed::open(path, mode)).transpose()?;
        Ok(Self { file, torn: false })
    }
}

impl Sink for FileSink {
    fn write(&mut self, batch: &[u8], _ends: &[usize]) -> io::Result<()> {
        let Some(followed) = &mut self.file else {
            let mut out = io::stdout().lock();
            return out.write_all(batch).and_then(|()| out.flush());
        };
        let (file, fresh) = followed.current()?;
        let written = (|| {
            if self.torn && !fresh {
                file.write_all(b"\n")?;
            }
            file.write_all(batch)
        })();
        self.torn = written.is_err();
        written
    }

    fn reopen(&mut self) {
        if let Some(followed) = &mut self.file {
            followed.let_go();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn lines_are_appended_with_the_mode_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/audit.log");
        let mut sink = FileSink::open(Some(path.clone()), Some(0o640)).unwrap();
        sink.write(b"one\n", &[4]).unwrap();
        drop(sink);
        let mut sink = FileSink::open(Some(path.clone()), None).unwrap();
        sink.write(b"two\n", &[4]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640, "a mode of 0 changes none");
        assert!(FileSink::open(Some(folder.path().to_owned()), None).is_err());
    }

    /// A device of another server went on for days into a file that was removed.
    #[test]
    fn a_renamed_file_is_followed_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut sink = FileSink::open(Some(path.clone()), Some(0o600)).unwrap();
        sink.write(b"one\n", &[4]).unwrap();
        fs::rename(&path, folder.path().join("audit.log.1")).unwrap();
        sink.reopen();
        sink.write(b"two\n", &[4]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::remove_file(&path).unwrap();
        sink.file.as_mut().unwrap().forget_check();
        sink.write(b"three\n", &[6]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }
}
