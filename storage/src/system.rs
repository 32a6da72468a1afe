//! What the committer logs on the store's own behalf: checkpoints, moved values, freed segments.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_aries::{Record, Relocation};
use strongroom_merkle::KeyHash;
use strongroom_wal::Lsn;
use tokio::sync::oneshot;

use crate::batch::Batch;
use crate::block_on::block_on;
use crate::commit::Committer;
use crate::error::CommitError;
use crate::index::{LiveBytes, State};
use crate::job::{Move, Pinned, RECORD_FRAMING_MAX};

impl Committer {
    pub(crate) fn begin_checkpoint(&mut self) -> Result<Pinned, CommitError> {
        let state = self.shared.state();
        let live = self.live.clone();
        let (begin, _) = self.log_alone(&Record::CheckpointBegin)?;
        self.shared.counters.since_checkpoint.store(0, Ordering::Relaxed);
        Ok(Pinned { begin, state, live })
    }

    /// Logs one record in a frame of its own; answers the frame's start and end.
    pub(crate) fn log_alone(&mut self, record: &Record<'_>) -> Result<(Lsn, Lsn), CommitError> {
        self.scratch.clear();
        record.encode(&mut self.scratch);
        let size = self.scratch.len() + RECORD_FRAMING_MAX;
        let mut frame = self.begin_frame(size)?;
        self.push(&mut frame, record)?;
        let appended = self.log.append(frame).map_err(|e| self.log_error(&e, size))?;
        let mut next = State::clone(&self.shared.state());
        next.lsn = appended.end;
        self.shared.publish(Arc::new(next));
        self.count(appended.end.0 - appended.start.0, 0);
        Ok((appended.start, appended.end))
    }

    /// Moves values in one frame. An entry that was written since is left alone: its old value is
    /// dead already.
    pub(crate) fn relocate(&mut self, moves: &[Move]) -> Result<usize, CommitError> {
        let size: usize = moves.iter().map(move_size).sum();
        let mut batch = Batch::new(self.begin_frame(size)?);
        let state = self.shared.state();
        let mut count = 0;
        for Move { keyspace: id, entry, value } in moves {
            let hash = KeyHash::of(entry.key());
            let Some(keyspace) = state.keyspaces.get(id) else { continue };
            let now = keyspace.trie.get(&hash);
            if now.is_none_or(|now| now.version() != entry.version()) {
                continue;
            }
            let record = Relocation {
                keyspace: keyspace.handle,
                key: entry.key(),
                version: entry.version().0,
                value,
            };
            let lsn = self.push(&mut batch.frame, &Record::Relocation(record))?;
            let at = Lsn(lsn.0 + record.value_offset() as u64);
            batch.changes.entry(*id).or_default().insert(hash, Some(entry.moved_to(at)));
            count += 1;
        }
        let (done, written) = oneshot::channel();
        batch.waiting.push(done);
        self.batch = Some(batch);
        self.flush();
        block_on(written).unwrap_or(Err(CommitError::Closed)).map(|_| count)
    }

    pub(crate) fn recycle(
        &mut self,
        needed_from: Lsn,
        live: &LiveBytes,
    ) -> Result<Vec<u64>, CommitError> {
        let dead: Vec<u64> = self
            .log
            .segments()
            .iter()
            .filter(|s| s.end <= needed_from && live.is_dead(s.no) && self.live.is_dead(s.no))
            .map(|s| s.no)
            .collect();
        if !dead.is_empty() {
            self.log.recycle(&dead).map_err(|e| self.log_error(&e, 0))?;
            self.live.forget(&dead);
        }
        Ok(dead)
    }
}

/// Upper bound of the bytes that a moved value takes in a frame.
pub(crate) fn move_size(m: &Move) -> usize {
    m.entry.key().len() + m.value.len() + 32 + RECORD_FRAMING_MAX
}
