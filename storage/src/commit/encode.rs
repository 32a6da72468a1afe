//! A transaction as records of a frame, and what the frame makes of the entries that it touches.

use std::sync::Arc;

use strongroom_aries::{After, Before, Record, Update};
use strongroom_wal::{FrameBuilder, Lsn};

use super::batch::{Batch, upcoming};
use super::job::{Prepared, Write};
use super::{Committer, unreadable};
use crate::error::CommitError;
use crate::index::{Indexed, Keyspace, Keyspaces, Slot, Touch};

impl Committer {
    pub(super) fn push(
        &mut self,
        frame: &mut FrameBuilder,
        record: &Record<'_>,
    ) -> Result<Lsn, CommitError> {
        self.scratch.clear();
        record.encode(&mut self.scratch);
        frame.push(&self.scratch).map_err(|_| CommitError::TooLarge(self.scratch.len()))
    }

    /// Puts a transaction's records into the frame.
    pub(super) fn encode(&mut self, txn: Prepared, batch: &mut Batch) -> Result<(), CommitError> {
        if !txn.creates.is_empty() || !txn.drops.is_empty() {
            let numbers = vec![None; txn.creates.len()];
            let keyspaces = self.encode_ddl(&txn, &numbers, batch)?;
            batch.keyspaces = Some(keyspaces);
        }
        let mut writes = txn.writes.into_iter().peekable();
        while let Some(id) = writes.peek().map(|write| write.keyspace) {
            let keyspaces = batch.keyspaces.as_ref().unwrap_or(&self.head.keyspaces);
            let keyspace = keyspaces.get(&id).ok_or(CommitError::UnknownKeyspace)?;
            let keyspace = Arc::clone(keyspace);
            let changes = batch.changes.entry(keyspace.handle).or_default();
            changes.reserve(writes.size_hint().0);
            while let Some(write) = writes.next_if(|write| write.keyspace == id) {
                self.encode_write(write, &keyspace, batch)?;
            }
        }
        Ok(())
    }

    fn encode_write(
        &mut self,
        write: Write,
        keyspace: &Keyspace,
        batch: &mut Batch,
    ) -> Result<(), CommitError> {
        let handle = keyspace.handle;
        if write.value.is_none() {
            let existing = match upcoming(&self.flights, Some(batch), handle, &write.hash) {
                Some(touch) => touch.put,
                None => keyspace.get(self.pool(), &write.hash).map_err(unreadable)?,
            };
            if existing.is_none() {
                return Ok(());
            }
        }
        let update = Update {
            txn: None,
            keyspace: handle,
            key: &write.key,
            after: write.value.as_ref().map_or(After::Deleted, |(value, _)| After::Value(value)),
            before: Before::Omitted,
        };
        let lsn = self.push(&mut batch.frame, &Record::Update(update))?;
        let at = Lsn(lsn.0 + update.value_offset() as u64);
        let put = write.value.as_ref().map(|(value, digest)| Indexed {
            digest: *digest,
            slot: Slot::written(at, value.len(), write.key.len()),
        });
        let touch = Touch { key: write.key, put };
        batch.changes.entry(handle).or_default().insert(write.hash, touch);
        Ok(())
    }

    /// Logs drops and creates; answers the keyspaces as they are after them. `numbers` are those
    /// that were set aside for the keyspaces that are made.
    pub(super) fn encode_ddl(
        &mut self,
        txn: &Prepared,
        numbers: &[Option<u32>],
        batch: &mut Batch,
    ) -> Result<Keyspaces, CommitError> {
        let mut keyspaces = self.head.keyspaces.clone();
        for id in &txn.drops {
            if let Some(gone) = keyspaces.remove(id) {
                self.push(&mut batch.frame, &Record::DropKeyspace { keyspace: gone.handle })?;
            }
        }
        for ((id, class), number) in txn.creates.iter().zip(numbers) {
            let handle = number.unwrap_or_else(|| self.shared.next_handle());
            let at = self.push(
                &mut batch.frame,
                &Record::CreateKeyspace { keyspace: handle, id: id.0, class: class.to_byte() },
            )?;
            // A number given to a frame that is never written is not used again.
            self.shared.add_keyspace(handle, *id, *class);
            keyspaces.insert(*id, Arc::new(Keyspace::new(handle, *class, at)));
        }
        Ok(keyspaces)
    }
}
