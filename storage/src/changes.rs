//! The change stream: committed transactions of replicated keyspaces, in commit order, read from
//! the log. A slow reader costs nothing but its place in the log, and that is bounded.

use std::collections::HashSet;
use std::sync::Arc;

use strongroom_aries::{After, Record, TxnId};
use strongroom_merkle::Digest;
use strongroom_wal::{Frame, Frames, LogReader, Lsn, ReadError};

use crate::error::ChangesError;
use crate::id::{Class, KeyspaceId};
use crate::logged::updates_of;
use crate::shared::Shared;

/// One change of a replicated keyspace. Values are as they were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeOp {
    /// A keyspace came to be.
    CreateKeyspace {
        /// Which.
        id: KeyspaceId,
        /// Always [`Class::Replicated`].
        class: Class,
    },
    /// A keyspace and all its entries are gone.
    DropKeyspace {
        /// Which.
        id: KeyspaceId,
    },
    /// An entry was written.
    Put {
        /// Where.
        keyspace: KeyspaceId,
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// An entry was deleted.
    Delete {
        /// Where.
        keyspace: KeyspaceId,
        /// Its key.
        key: Vec<u8>,
    },
}

/// One frame of the log: transactions that became visible together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where the frame starts.
    pub start: Lsn,
    /// Where it ends: the position to go on from once it is applied.
    pub end: Lsn,
    /// The replicated root that the store had at an earlier position.
    pub mark: Option<(Lsn, Digest)>,
    /// In order. Empty when the frame changed nothing that is replicated.
    pub ops: Vec<ChangeOp>,
}

/// Reads changes from a position on. Reading blocks on the disk: not for async threads.
pub struct ChangeReader {
    shared: Arc<Shared>,
    log: LogReader,
    frames: Frames,
    position: Lsn,
}

impl ChangeReader {
    /// `from` is a position that this store handed out; `oldest` the first that the bound keeps.
    pub(crate) fn new(shared: Arc<Shared>, from: Lsn, oldest: Lsn) -> Result<Self, ChangesError> {
        let log = shared.log.clone();
        let position = shared.state().lsn;
        if from > position {
            return Err(ChangesError::Ahead { position });
        }
        if from < oldest || !log.keeps_from(from) {
            return Err(ChangesError::Behind { oldest: oldest.max(log.oldest()) });
        }
        let frames = log.frames(from);
        Ok(Self { shared, log, frames, position: from })
    }

    /// The next frame that is published, or `None` when the reader is level with the store; call
    /// again once there is more (see `Store::watch`).
    ///
    /// # Errors
    /// [`ChangesError::Behind`] when the log was given back under the reader. After
    /// [`ChangesError::Read`] the next call tries again: nothing is passed over.
    #[expect(clippy::should_implement_trait, reason = "it can go on after `None`, and it can fail")]
    pub fn next(&mut self) -> Result<Option<Change>, ChangesError> {
        let next = self.read_next();
        if next.is_err() {
            self.frames = self.log.frames(self.position);
        }
        next
    }

    fn read_next(&mut self) -> Result<Option<Change>, ChangesError> {
        // A frame is durable a moment before it is visible; followers see it when readers do.
        if self.position >= self.shared.state().lsn {
            return Ok(None);
        }
        let frame = match self.frames.next() {
            None => return Ok(None),
            Some(Ok(frame)) => frame,
            Some(Err(ReadError::Gone { oldest })) => return Err(ChangesError::Behind { oldest }),
            Some(Err(e)) => return Err(self.unreadable(self.position, &e)),
        };
        let change = self.change(&frame)?;
        self.position = change.end;
        Ok(Some(change))
    }

    /// Where the reader stands.
    pub fn position(&self) -> Lsn {
        self.position
    }

    fn change(&self, frame: &Frame) -> Result<Change, ChangesError> {
        let mut change =
            Change { start: frame.start(), end: frame.end(), mark: None, ops: Vec::new() };
        for (lsn, bytes) in frame.records() {
            let record = Record::decode(bytes).map_err(|e| self.unreadable(lsn, &e))?;
            match &record {
                Record::RootMark(mark) => {
                    change.mark = Some((Lsn(mark.at), Digest(mark.replicated)));
                }
                Record::Commit(txn) => self.logged_ops(*txn, frame.start(), &mut change.ops)?,
                Record::Update(u) if u.txn.is_some() => {}
                record => change.ops.extend(self.op(record)),
            }
        }
        Ok(change)
    }

    /// What a transaction did that was logged before it committed, in the frame at `committed`. The
    /// log is kept from its first record on as long as from its commit.
    fn logged_ops(
        &self,
        txn: TxnId,
        committed: Lsn,
        ops: &mut Vec<ChangeOp>,
    ) -> Result<(), ChangesError> {
        let unreadable = |e: ReadError| match e {
            ReadError::Gone { oldest } => ChangesError::Behind { oldest },
            e => self.unreadable(Lsn(txn.0), &e),
        };
        let from = Lsn(txn.0);
        let updates = updates_of(&self.log, from, Some(committed), &|id| id == txn);
        let kept: HashSet<Lsn> = updates.map_err(unreadable)?.effective(txn).into_iter().collect();
        let segment = Lsn(from.0 / self.log.segment_size() * self.log.segment_size());
        for frame in self.log.frames(segment) {
            let frame = frame.map_err(unreadable)?;
            if frame.start() > committed {
                break;
            }
            let wanted = frame.records().filter(|(lsn, _)| kept.contains(lsn));
            for (lsn, bytes) in wanted {
                let record = Record::decode(bytes).map_err(|e| self.unreadable(lsn, &e))?;
                ops.extend(self.op(&record));
            }
        }
        Ok(())
    }

    /// The replicated change in a record.
    fn op(&self, record: &Record<'_>) -> Option<ChangeOp> {
        match record {
            Record::Update(u) => {
                let keyspace = self.replicated(u.keyspace)?;
                let key = u.key.to_vec();
                Some(match u.after {
                    After::Value(value) => ChangeOp::Put { keyspace, key, value: value.to_vec() },
                    After::Deleted => ChangeOp::Delete { keyspace, key },
                })
            }
            Record::CreateKeyspace { keyspace, .. } => {
                let id = self.replicated(*keyspace)?;
                Some(ChangeOp::CreateKeyspace { id, class: Class::Replicated })
            }
            Record::DropKeyspace { keyspace } => {
                Some(ChangeOp::DropKeyspace { id: self.replicated(*keyspace)? })
            }
            _ => None,
        }
    }

    fn replicated(&self, handle: u32) -> Option<KeyspaceId> {
        let (id, class) = self.shared.keyspace(handle)?;
        (class == Class::Replicated).then_some(id)
    }

    fn unreadable(&self, at: Lsn, e: &dyn std::fmt::Display) -> ChangesError {
        match self.log.oldest() {
            oldest if at < oldest => ChangesError::Behind { oldest },
            _ => ChangesError::Read { at, cause: e.to_string() },
        }
    }
}
