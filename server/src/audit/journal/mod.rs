//! The journal of a durable file device: a write-ahead log beside the file.
//!
//! Promises: lines that [`Journal::landed`] told of are on the disk; after a crash
//! [`Journal::complete`] puts into the file what it lacks. The file itself is synced now and then,
//! by a thread of its own, and what is in front of that point leaves the journal.

mod record;
mod replay;
mod syncer;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_wal::disk::{Disk, SysDisk};
use strongroom_wal::{FrameBuilder, Log, LogError, LogOptions, Lsn, OpenHint, framed_len};

use record::Place;
pub(super) use syncer::Syncer;

/// Lines in one frame, bytes; a batch beyond takes several, which are in flight together.
const FRAME_MAX: usize = 4 << 20;
/// How long a journal that somebody else has open is waited for: a device that was disabled a moment
/// ago may still be writing.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const LOCK: &str = "LOCK";

/// A journal at work; one owner at a time.
pub(super) struct Journal {
    log: Log,
    /// Lines in front of it are in the file and on the disk.
    synced: Lsn,
    /// `synced` does not stand in the log yet.
    to_tell: bool,
    /// It does by now, so that the log in front of it can go.
    to_recycle: bool,
    _lock: File,
}

impl Journal {
    /// Opens the journal in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// It is in use, damaged, or cannot be read or written.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(SysDisk::open(folder)?);
        let lock = lock(folder)?;
        // Nothing is read back before the journal is opened again.
        let options = LogOptions { recent_bytes: 0, ..LogOptions::default() };
        let log = match Log::open(Arc::clone(&disk), options.clone(), OpenHint::default()) {
            Ok((log, _)) => log,
            Err(LogError::NotFound) => {
                let mut id = [0; 16];
                getrandom::fill(&mut id).map_err(io::Error::other)?;
                Log::create(disk, options, id).map_err(io::Error::other)?
            }
            Err(e) => return Err(io::Error::other(e)),
        };
        let synced = replay::synced(&log.reader())?;
        Ok(Self { log, synced, to_tell: false, to_recycle: true, _lock: lock })
    }

    /// Puts into `file`, which stands under `path`, what the journal has and the file lacks.
    ///
    /// # Errors
    /// The journal cannot be read or the file cannot be written; doing it again does no harm.
    pub(super) fn complete(&self, file: &mut File, path: &Path) -> io::Result<()> {
        replay::complete(&self.log.reader(), self.synced, file, path)
    }

    /// Starts the durable write of lines that are about to be appended to `file`.
    ///
    /// # Errors
    /// Whether they will be there is not known; open the journal again.
    pub(super) fn submit(&mut self, file: &File, lines: &[u8]) -> io::Result<()> {
        let mut place = Place::end_of(&file.metadata()?);
        for part in lines.chunks(FRAME_MAX) {
            let told = if self.to_tell { framed_len(record::SYNCED_LEN) } else { 0 };
            let hint = told + framed_len(record::LINES_HEAD + part.len());
            let mut frame = self.log.begin_frame(hint).map_err(io::Error::other)?;
            self.tell(&mut frame)?;
            let head = record::lines_head(&place);
            frame.push_parts(&[&head, part]).map_err(io::Error::other)?;
            self.log.submit(frame).map_err(io::Error::other)?;
            place.offset += part.len() as u64;
        }
        Ok(())
    }

    /// Waits until all that was submitted is on the disk. Gives back what nobody needs.
    ///
    /// # Errors
    /// As [`Journal::submit`].
    pub(super) fn landed(&mut self) -> io::Result<()> {
        while self.log.reap().map_err(io::Error::other)?.is_some() {}
        if !std::mem::take(&mut self.to_recycle) {
            return Ok(());
        }
        let all = self.log.segments();
        let sealed = all.split_last().map_or(&[][..], |(_, sealed)| sealed);
        let done: Vec<u64> = sealed.iter().filter(|s| s.end <= self.synced).map(|s| s.no).collect();
        self.log.recycle(&done).map_err(io::Error::other)
    }

    /// The end of what was journalled.
    pub(super) fn end(&self) -> Lsn {
        self.log.durable_lsn()
    }

    /// Bytes of journal that wait for the file to be synced.
    pub(super) fn waiting(&self) -> u64 {
        self.end().0.saturating_sub(self.synced.0)
    }

    /// Lines in front of `lsn` are in the file and on the disk. It is said in the journal with the
    /// next lines.
    pub(super) fn synced(&mut self, lsn: Lsn) {
        if lsn > self.synced {
            self.synced = lsn;
            self.to_tell = true;
        }
    }

    /// Ends in good order; everything in the journal must be in the file and on the disk.
    ///
    /// # Errors
    /// The last word could not be written, which costs time at the next opening and nothing else.
    pub(super) fn close(mut self) -> io::Result<()> {
        self.synced(self.end());
        if self.to_tell {
            let hint = framed_len(record::SYNCED_LEN);
            let mut frame = self.log.begin_frame(hint).map_err(io::Error::other)?;
            self.tell(&mut frame)?;
            self.log.append(frame).map_err(io::Error::other)?;
        }
        self.log.close().map_err(io::Error::other)
    }

    fn tell(&mut self, frame: &mut FrameBuilder) -> io::Result<()> {
        if std::mem::take(&mut self.to_tell) {
            frame.push(&record::synced(self.synced)).map_err(io::Error::other)?;
            self.to_recycle = true;
        }
        Ok(())
    }
}

fn lock(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(folder.join(LOCK))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                let text = format!("another device has the journal {} open", folder.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
            }
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
}
