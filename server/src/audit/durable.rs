//! The durable file device: what is written is on the disk before an answer leaves.
//!
//! Lines go through a [`Journal`], in direct writes to prepared blocks, and meanwhile into the file,
//! which operators read. Opened after a crash, the journal first completes the file. Whatever fails
//! closes both; the next write opens them again, and completes the file.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::follow::Followed;
use super::journal::{Journal, Syncer};
use super::sink::Sink;

/// Bytes of journal that may wait for the file to be synced; then writes wait for it too.
const WAITING_MAX: u64 = 256 << 20;

/// Appends to a file through a journal.
pub(super) struct DurableSink {
    path: PathBuf,
    mode: Option<u32>,
    at_work: Option<AtWork>,
}

struct AtWork {
    path: PathBuf,
    file: Followed,
    syncer: Syncer,
    journal: Option<Journal>,
}

impl DurableSink {
    /// Opens file and journal, folders made where they are missing, and completes the file.
    ///
    /// # Errors
    /// One of them cannot be opened, or the name is not that of a plain file.
    pub(super) fn open(path: PathBuf, mode: Option<u32>) -> io::Result<Self> {
        let at_work = Some(AtWork::open(&path, mode)?);
        Ok(Self { path, mode, at_work })
    }
}

impl Sink for DurableSink {
    fn write(&mut self, batch: &[u8], _ends: &[usize]) -> io::Result<()> {
        let at_work = match &mut self.at_work {
            Some(at_work) => at_work,
            none => none.insert(AtWork::open(&self.path, self.mode)?),
        };
        let written = at_work.write(batch);
        if written.is_err() {
            // Dropped as it is: what is in doubt is settled when the journal is opened again.
            self.at_work = None;
        }
        written
    }

    fn reopen(&mut self) {
        if let Some(at_work) = &mut self.at_work
            && at_work.turn().is_err()
        {
            self.at_work = None;
        }
    }
}

impl Drop for DurableSink {
    fn drop(&mut self) {
        if let Some(at_work) = self.at_work.take()
            && let Err(e) = at_work.close()
        {
            tracing::warn!(path = %self.path.display(), "the audit file was not closed well: {e}");
        }
    }
}

impl AtWork {
    fn open(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let mut file = Followed::open(path.to_owned(), mode)?;
        let (opened, _) = file.current()?;
        if !opened.metadata()?.is_file() {
            let text = "a durable audit device needs a plain file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let journal = Journal::open(&folder_of(path))?;
        journal.complete(opened, path)?;
        sync_name(path)?;
        Ok(Self { path: path.to_owned(), file, syncer: Syncer::start()?, journal: Some(journal) })
    }

    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        if self.file.is_gone() {
            self.turn()?;
        }
        let journal = self.journal.as_mut().ok_or_else(closed)?;
        let (file, fresh) = self.file.current()?;
        if fresh {
            sync_name(&self.path)?;
        }
        if let Some(synced) = self.syncer.ended()? {
            journal.synced(synced);
        }
        journal.submit(file, batch)?;
        // The page cache takes the lines while the disk takes them too.
        let written = file.write_all(batch);
        journal.landed()?;
        written?;
        self.syncer.order(file, journal.waiting(), journal.end())?;
        if journal.waiting() > WAITING_MAX
            && let Some(synced) = self.syncer.wait()?
        {
            journal.synced(synced);
        }
        Ok(())
    }

    /// Goes on in the file that has the name now. The old one is synced first: it will not be found
    /// by its name.
    fn turn(&mut self) -> io::Result<()> {
        let journal = self.journal.as_mut().ok_or_else(closed)?;
        self.syncer.wait()?;
        if let Some(file) = self.file.last() {
            file.sync_data()?;
        }
        journal.synced(journal.end());
        self.file.let_go();
        Ok(())
    }

    fn close(mut self) -> io::Result<()> {
        self.turn()?;
        self.journal.take().ok_or_else(closed)?.close()
    }
}

/// The journal of a file lies beside it.
fn folder_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".journal");
    PathBuf::from(name)
}

/// A file that was just made has its name on the disk.
fn sync_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn closed() -> io::Error {
    io::Error::other("the journal is closed")
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use super::*;

    struct Case {
        folder: tempfile::TempDir,
    }

    impl Case {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("audit.log")
        }

        fn open(&self) -> DurableSink {
            DurableSink::open(self.path(), Some(0o600)).unwrap()
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path()).unwrap()
        }

        fn cut(&self, bytes: u64) {
            OpenOptions::new().write(true).open(self.path()).unwrap().set_len(bytes).unwrap();
        }
    }

    fn write(sink: &mut DurableSink, text: &str) {
        sink.write(text.as_bytes(), &[text.len()]).unwrap();
    }

    /// Ends as a killed process does: nothing is said in the journal any more.
    fn kill(mut sink: DurableSink) {
        drop(sink.at_work.take());
    }

    #[test]
    fn what_a_crash_kept_from_the_file_comes_from_the_journal() {
        let case = Case::new();
        let mut sink = case.open();
        let lines: Vec<String> = (0..40).map(|n| format!("line {n}\n")).collect();
        for line in &lines {
            write(&mut sink, line);
        }
        let whole = lines.concat();
        assert_eq!(case.text(), whole);
        // Whatever part of the file the power took with it.
        for left in [0, 3, 7, 8, 100, whole.len() as u64] {
            kill(sink);
            case.cut(left);
            sink = case.open();
            assert_eq!(case.text(), whole, "{left} bytes were left");
        }
        write(&mut sink, "more\n");
        drop(sink);
        // In good order: what is missing now was taken away on purpose.
        case.cut(0);
        let sink = case.open();
        assert_eq!(case.text(), "");
        drop(sink);
    }

    #[test]
    fn a_renamed_file_keeps_what_it_has_and_loses_nothing() {
        let case = Case::new();
        let mut sink = case.open();
        write(&mut sink, "one\n");
        let old = case.folder.path().join("audit.log.1");
        fs::rename(case.path(), &old).unwrap();
        sink.reopen();
        write(&mut sink, "two\n");
        assert_eq!(
            (fs::read_to_string(&old).unwrap().as_str(), case.text().as_str()),
            ("one\n", "two\n")
        );
        kill(sink);
        // Renamed while nobody was there, cut short, and written by somebody else.
        fs::rename(case.path(), case.folder.path().join("audit.log.2")).unwrap();
        fs::write(case.path(), "theirs").unwrap();
        let sink = case.open();
        assert_eq!(case.text(), "theirs\ntwo\n");
        drop(sink);
    }

    #[test]
    fn a_batch_beyond_a_frame_and_a_journal_beyond_a_segment() {
        let case = Case::new();
        let mut sink = case.open();
        let line = format!("{}\n", "x".repeat(1023));
        let batch = line.repeat(9 << 10);
        for _ in 0..4 {
            write(&mut sink, &batch);
        }
        kill(sink);
        let whole = case.text();
        assert_eq!(whole.len(), 4 * batch.len());
        case.cut(whole.len() as u64 - 1500);
        let mut sink = case.open();
        assert!(case.text() == whole, "the end is back");
        sink.reopen();
        write(&mut sink, "x\n");
        write(&mut sink, "y\n");
        let segments = fs::read_dir(folder_of(&case.path())).unwrap().count();
        assert!(segments <= 5, "a lock, the segment in use, spares: {segments}");
    }

    /// What was left of a batch that the journal does not have was glued to the next line.
    #[test]
    fn a_torn_end_gets_its_own_line() {
        let case = Case::new();
        let mut sink = case.open();
        write(&mut sink, "one\n");
        kill(sink);
        fs::write(case.path(), "one\n{\"torn").unwrap();
        let mut sink = case.open();
        write(&mut sink, "two\n");
        assert_eq!(case.text(), "one\n{\"torn\ntwo\n");
    }

    /// The second part of a large batch began a line of its own in another file.
    #[test]
    fn a_line_that_was_cut_for_the_journal_is_whole_in_another_file() {
        let case = Case::new();
        let mut sink = case.open();
        let line = format!("{}\n", "x".repeat(9 << 20));
        write(&mut sink, &line);
        kill(sink);
        fs::rename(case.path(), case.folder.path().join("audit.log.1")).unwrap();
        let sink = case.open();
        assert!(case.text() == line);
        drop(sink);
    }

    #[test]
    fn one_owner_and_a_plain_file() {
        let case = Case::new();
        let sink = case.open();
        let second = DurableSink::open(case.path(), None).err().unwrap();
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        drop(sink);
        drop(case.open());
        let pipe = DurableSink::open(PathBuf::from("/dev/null"), None).err().unwrap();
        assert_eq!(pipe.kind(), io::ErrorKind::InvalidInput);
    }
}
