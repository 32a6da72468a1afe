//! The durable file device: what is written is on the disk before an answer leaves.
//!
//! Lines go through a [`Journal`], in direct writes to prepared blocks, and meanwhile into the file,
//! which operators read. Opened after a crash, the journal first completes the file. Whatever fails
//! closes both; the next write opens them again, and completes the file.

#[cfg(test)]
mod tests;

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
        self.syncer.appended(file, batch.len() as u64)?;
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
