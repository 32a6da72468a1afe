//! Fetches entries from the primary and writes them here, several questions ahead of the answers.

use std::collections::VecDeque;

use strongroom_merkle::KeyHash;
use strongroom_storage::KeyspaceId;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::batch::Batch;
use super::reconcile::SyncError;
use super::{Secondary, ahead, apply};
use crate::replication::state::Cursor;
use crate::replication::wire::{Connection, Fetched, FrameReader, Message, Op, QUESTIONS_OUT};

/// Differences up to this are written in one transaction, bytes; a transaction must fit a frame of
/// the log.
const TOGETHER_MAX: usize = 32 << 20;
/// While nobody reads yet, transactions are of this size, bytes.
const CHUNK: usize = 4 << 20;
/// Entries asked for at once.
const FETCH_MAX: usize = 1024;

/// What to fetch by one question.
pub(crate) struct Wanted<'a> {
    keyspace: KeyspaceId,
    /// `None`: all of it.
    hashes: Option<&'a [KeyHash]>,
}

impl<'a> Wanted<'a> {
    /// All of a keyspace.
    pub(crate) fn all(id: [u8; 16]) -> Self {
        Self { keyspace: KeyspaceId(id), hashes: None }
    }

    /// Some entries of a keyspace, in as many questions as it takes.
    pub(crate) fn some(id: [u8; 16], hashes: &'a [KeyHash]) -> impl Iterator<Item = Self> {
        let wanted = move |hashes| Self { keyspace: KeyspaceId(id), hashes: Some(hashes) };
        hashes.chunks(FETCH_MAX).map(wanted)
    }

    fn question(&self) -> Message {
        let keyspace = self.keyspace;
        match self.hashes {
            Some(hashes) => Message::Fetch { keyspace, hashes: hashes.to_vec() },
            None => Message::FetchAll { keyspace },
        }
    }
}

/// Takes entries in and writes them.
pub(crate) struct Intake<'a> {
    secondary: &'a Secondary,
    /// Somebody may be reading: show nothing half.
    reading: bool,
    /// What is to be written.
    pub(crate) batch: Batch,
    done: u64,
    total: u64,
}

impl<'a> Intake<'a> {
    /// So many entries are known to be fetched.
    pub(crate) fn new(secondary: &'a Secondary, total: u64) -> Self {
        let (reading, batch) = (secondary.ready(), Batch::default());
        Self { secondary, reading, batch, done: 0, total }
    }

    /// Fetches all of this.
    pub(crate) async fn fetch(
        &mut self,
        connection: &mut Connection,
        wanted: impl Iterator<Item = Wanted<'_>>,
    ) -> Result<(), SyncError> {
        let (asking, questions) = mpsc::channel(QUESTIONS_OUT);
        let Connection { reader, writer } = connection;
        ahead::ask(writer, questions, self.take(reader, wanted, asking)).await
    }

    async fn take(
        &mut self,
        reader: &mut FrameReader<impl AsyncRead + Unpin>,
        mut wanted: impl Iterator<Item = Wanted<'_>>,
        asking: mpsc::Sender<Message>,
    ) -> Result<(), SyncError> {
        let mut out = VecDeque::new();
        loop {
            while out.len() < QUESTIONS_OUT
                && let Some(next) = wanted.next()
            {
                // When it fails nobody writes any more, and reading says why.
                let _ = asking.send(next.question()).await;
                out.push_back(next);
            }
            let Some(Wanted { keyspace, hashes }) = out.front() else { return Ok(()) };
            let fetched = self.values(reader, *keyspace).await?;
            if hashes.is_some_and(|hashes| hashes.len() != fetched) {
                return Err(SyncError::Protocol("not the entries that were asked for"));
            }
            out.pop_front();
        }
    }

    /// Takes values in until the last; answers how many.
    async fn values(
        &mut self,
        reader: &mut FrameReader<impl AsyncRead + Unpin>,
        keyspace: KeyspaceId,
    ) -> Result<usize, SyncError> {
        let mut n = 0;
        loop {
            let (entries, last) = match reader.next().await? {
                Message::Values { entries, last } => (entries, last),
                Message::Refused { text, .. } => return Err(SyncError::Refused(text)),
                _ => return Err(SyncError::Protocol("no values")),
            };
            n += entries.len();
            self.done += entries.len() as u64;
            for Fetched { hash, entry } in entries {
                let (key, value) = entry.ok_or(SyncError::Protocol("an entry is missing"))?;
                if KeyHash::of(&key) != hash {
                    return Err(SyncError::Protocol("an entry under a wrong hash"));
                }
                self.batch.push(Op::Put { keyspace, key, value });
            }
            let progress = (self.done, self.total.max(self.done));
            self.secondary.note(|s| s.sync = Some(progress));
            self.write_if_full().await?;
            if last {
                return Ok(n);
            }
        }
    }

    /// Writes what is there when it is enough for a transaction.
    pub(crate) async fn write_if_full(&mut self) -> Result<(), SyncError> {
        let limit = if self.reading { TOGETHER_MAX } else { CHUNK };
        if self.batch.weight() >= limit {
            if self.reading {
                tracing::warn!(
                    "replication: more than {TOGETHER_MAX} bytes differ; written in several steps"
                );
            }
            self.write().await?;
        }
        Ok(())
    }

    /// Writes what is there.
    pub(crate) async fn write(&mut self) -> Result<(), SyncError> {
        let batch = std::mem::take(&mut self.batch);
        apply::write_in_parts(&self.secondary.context, batch, None).await?;
        Ok(())
    }

    /// Writes what is left, with the cursor if somebody may be reading: without a reader it waits for
    /// the root to be checked.
    pub(crate) async fn write_rest(&mut self, cursor: &Cursor) -> Result<(), SyncError> {
        let cursor = self.reading.then_some(cursor);
        let batch = std::mem::take(&mut self.batch);
        if batch.ops() > 0 || cursor.is_some() {
            apply::write_in_parts(&self.secondary.context, batch, cursor).await?;
        }
        Ok(())
    }
}
