//! Syncs the file now and then, beside the device's thread, so that no batch waits for it.
//!
//! A disk that has much to write at once keeps a journal's write waiting behind it, for tens of
//! milliseconds. So what is in the file is on its way to the disk soon, a piece at a time, and a sync
//! finds little left to do.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};
use strongroom_wal::Lsn;

/// Bytes of lines after which the file is synced.
const BYTES: u64 = 16 << 20;
/// Time after which it is, if there were any.
const AGE: Duration = Duration::from_secs(5);

/// Bytes of lines that are sent on their way to the disk together.
const PIECE: u64 = 256 << 10;

/// A thread that syncs one file at a time.
pub(in crate::audit) struct Syncer {
    orders: Sender<(File, Order)>,
    done: Receiver<io::Result<Lsn>>,
    under_way: bool,
    last: Instant,
    /// Bytes of lines that were not sent on their way.
    behind: u64,
}

enum Order {
    /// Send so many bytes from this offset on their way.
    Start(u64, NonZeroU64),
    /// Sync all; lines in front of this position are in it.
    Sync(Lsn),
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// There are no more threads.
    pub(in crate::audit) fn start() -> io::Result<Self> {
        let (orders, ordered) = channel::<(File, Order)>();
        let (answers, done) = channel();
        std::thread::Builder::new().name("audit-sync".to_owned()).spawn(move || {
            for (file, order) in ordered {
                match order {
                    // Pages that change are not dropped but written, which nobody waits for. Where
                    // that does nothing, the sync has more to do.
                    Order::Start(from, bytes) => {
                        let _ = fadvise(&file, from, Some(bytes), Advice::DontNeed);
                    }
                    Order::Sync(lsn) => {
                        let synced = file.sync_data().map(|()| lsn);
                        if answers.send(synced).is_err() {
                            return;
                        }
                    }
                }
            }
        })?;
        Ok(Self { orders, done, under_way: false, last: Instant::now(), behind: 0 })
    }

    /// So many bytes were appended to the file.
    ///
    /// # Errors
    /// The file has no second descriptor.
    pub(in crate::audit) fn appended(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.behind += bytes;
        if self.behind < PIECE {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.behind);
        let from = file.metadata()?.len().saturating_sub(bytes);
        match NonZeroU64::new(bytes) {
            Some(bytes) => self.send(file, Order::Start(from, bytes)),
            None => Ok(()),
        }
    }

    fn send(&self, file: &File, order: Order) -> io::Result<()> {
        self.orders.send((file.try_clone()?, order)).map_err(|_| gone())
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
        self.send(file, Order::Sync(end))?;
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Sent 16 MiB at a time, the file kept the journal's writes waiting for 30 ms and more.
    #[test]
    fn what_was_appended_is_sent_on_its_way_piece_by_piece() {
        let (orders, ordered) = channel();
        let (_, done) = channel();
        let mut syncer = Syncer { orders, done, under_way: false, last: Instant::now(), behind: 0 };
        let mut file = tempfile::tempfile().unwrap();
        let line = vec![b'x'; 100 << 10];
        let mut sent = Vec::new();
        for _ in 0..6 {
            file.write_all(&line).unwrap();
            syncer.appended(&file, line.len() as u64).unwrap();
            sent.extend(ordered.try_iter().map(|(_, order)| match order {
                Order::Start(from, bytes) => (from, from + bytes.get()),
                Order::Sync(_) => panic!("no sync was due"),
            }));
        }
        let piece = 3 * line.len() as u64;
        assert_eq!(sent, [(0, piece), (piece, 2 * piece)]);
    }
}
