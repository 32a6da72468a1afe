//! What the committer logs on the store's own behalf: checkpoints, moved values, freed segments.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_aries::{CheckpointEnd, DirtyPageTable, MapLocation, Record, Relocation};
use strongroom_wal::Lsn;

use super::batch::Batch;
use super::job::{Answer, Behind, Move, Pinned, RECORD_FRAMING_MAX};
use super::{Committer, unreadable};
use crate::error::CommitError;
use crate::index::{Indexed, LiveBytes, Slot, Touch};
use crate::retention::Needs;

impl Committer {
    /// Logs the begin record; the state that the checkpoint has to write is the one before it.
    pub(super) fn begin_checkpoint(&mut self) -> Result<Pinned, CommitError> {
        self.settle();
        let state = self.shared.state();
        let live = self.live.clone();
        let (oldest_active, streamed) = (self.active.oldest(), self.active.streamed());
        let (begin, _) = self.log_alone(&Record::CheckpointBegin)?;
        self.shared.counters.since_checkpoint.store(0, Ordering::Relaxed);
        let behind = Behind { begin, lsn: state.lsn, live, oldest_active, streamed };
        Ok(Pinned { state, behind })
    }

    /// Logs the end record with the transactions as they stand now. The table of dirty pages is
    /// empty: every image of the map holds all before the begin record.
    pub(super) fn end_checkpoint(
        &mut self,
        begin: Lsn,
        map: MapLocation,
    ) -> Result<Lsn, CommitError> {
        self.settle();
        let transactions = self.active.table();
        let dirty = DirtyPageTable::default();
        let end = CheckpointEnd { begin: begin.0, map, transactions, dirty };
        self.log_alone(&Record::CheckpointEnd(end)).map(|(_, end)| end)
    }

    /// Logs one record in a frame of its own; answers the frame's start and end.
    fn log_alone(&mut self, record: &Record<'_>) -> Result<(Lsn, Lsn), CommitError> {
        self.scratch.clear();
        record.encode(&mut self.scratch);
        let size = self.scratch.len() + RECORD_FRAMING_MAX;
        let mut batch = Batch::new(self.begin_frame(size)?);
        let start = batch.frame.start();
        self.push(&mut batch.frame, record)?;
        let failed = Arc::new(std::sync::Mutex::new(None));
        let seen = Arc::clone(&failed);
        batch.waiters.push(Box::new(move |landed| {
            *crate::sync::lock(&seen) = Some(landed);
        }));
        self.batch = Some(batch);
        self.settle();
        let landed = crate::sync::lock(&failed).take();
        landed.unwrap_or(Err(CommitError::Closed)).map(|end| (start, end))
    }

    /// Moves values in one frame. An entry that was written since is left alone: its old value is
    /// dead already.
    pub(super) fn relocate(&mut self, moves: &[Move], done: Answer<usize>) {
        self.catch_up();
        match self.encode_moves(moves) {
            Ok((mut batch, count)) => {
                batch.waiters.push(Box::new(move |landed| {
                    let _ = done.send(landed.map(|_| count));
                }));
                self.batch = Some(batch);
                self.flush();
            }
            Err(e) => self.refuse(e, done),
        }
    }

    fn encode_moves(&mut self, moves: &[Move]) -> Result<(Batch, usize), CommitError> {
        let frame = self.begin_frame(moves.iter().map(Move::size).sum())?;
        let mut batch = Batch { upkeep: true, ..Batch::new(frame) };
        let mut count = 0;
        for moves in moves.chunk_by(|a, b| a.keyspace == b.keyspace) {
            let Some(keyspace) = self.head.keyspaces.get(&moves[0].keyspace).cloned() else {
                continue;
            };
            let hashes = moves.iter().map(|m| m.hash);
            let now = keyspace.get_many(self.pool(), hashes).map_err(unreadable)?;
            for (Move { key, hash, entry, value, .. }, now) in moves.iter().zip(now) {
                if now.as_ref() != Some(entry) {
                    continue;
                }
                let version = entry.slot.version;
                let record = Relocation { keyspace: keyspace.handle, key, version, value };
                let lsn = self.push(&mut batch.frame, &Record::Relocation(record))?;
                let at = Lsn(lsn.0 + record.value_offset() as u64);
                let there = Indexed { slot: Slot { at, ..entry.slot }, ..*entry };
                let touch = Touch { key: key.clone(), put: Some(there) };
                let changes = batch.changes.entry(keyspace.handle).or_default();
                changes.insert(*hash, touch);
                count += 1;
            }
        }
        Ok((batch, count))
    }

    /// Gives back segments that nobody holds and that have nothing live in them, neither in the state
    /// that was last checkpointed nor now.
    pub(super) fn recycle(
        &mut self,
        needs: Needs,
        live: &LiveBytes,
    ) -> Result<Vec<u64>, CommitError> {
        self.settle();
        self.active.forget_streamed(needs.first());
        // Who has become active since the checkpoint began is behind what is given back.
        debug_assert!(self.active.oldest().is_none_or(|oldest| oldest >= needs.undo));
        let needed_from = self.log.held_from().unwrap_or(needs.first());
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
