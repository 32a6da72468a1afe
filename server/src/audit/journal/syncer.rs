//! Syncs the file now and then, beside the device's thread, so that no batch waits for it.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use strongroom_wal::Lsn;

/// Bytes of lines after which the file is synced.
const BYTES: u64 = 16 << 20;
/// Time after which it is, if there were any.
const AGE: Duration = Duration::from_secs(5);

/// A thread that syncs one file at a time.
pub(in crate::audit) struct Syncer {
    orders: Sender<(File, Lsn)>,
    done: Receiver<io::Result<Lsn>>,
    under_way: bool,
    last: Instant,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// There are no more threads.
    pub(in crate::audit) fn start() -> io::Result<Self> {
        let (orders, ordered) = channel::<(File, Lsn)>();
        let (answers, done) = channel();
        std::thread::Builder::new().name("audit-sync".to_owned()).spawn(move || {
            for (file, lsn) in ordered {
                let synced = file.sync_data().map(|()| lsn);
                if answers.send(synced).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { orders, done, under_way: false, last: Instant::now() })
    }

    /// Begins a sync when it is time for one: of `waiting` bytes of lines, all those in front of
    /// `end` are in the file.
    ///
    /// # Errors
    /// The file has no second descriptor.
    pub(in crate::audit) fn order(
        &mut self,
        file: &File,
        waiting: u64,
        end: Lsn,
    ) -> io::Result<()> {
        let due = waiting >= BYTES || (waiting > 0 && self.last.elapsed() >= AGE);
        if self.under_way || !due {
            return Ok(());
        }
        let order = (file.try_clone()?, end);
        self.orders.send(order).map_err(|_| gone())?;
        self.under_way = true;
        Ok(())
    }

    /// How far the file is synced, when a sync has ended.
    ///
    /// # Errors
    /// It failed; what the file holds on the disk is not known.
    pub(in crate::audit) fn ended(&mut self) -> io::Result<Option<Lsn>> {
        match self.done.try_recv() {
            Ok(synced) => self.end(synced).map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// As [`Syncer::ended`], but waits for a sync that is under way.
    ///
    /// # Errors
    /// As [`Syncer::ended`].
    pub(in crate::audit) fn wait(&mut self) -> io::Result<Option<Lsn>> {
        if !self.under_way {
            return Ok(None);
        }
        let synced = self.done.recv().map_err(|_| gone())?;
        self.end(synced).map(Some)
    }

    fn end(&mut self, synced: io::Result<Lsn>) -> io::Result<Lsn> {
        self.under_way = false;
        self.last = Instant::now();
        synced
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that syncs the audit file is gone")
}
