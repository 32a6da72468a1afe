//! Changes as a stream reads them from the log, and as they go on the wire.

use strongroom_storage::{Change, ChangeOp, ChangeReader, ChangesError, Class, Lsn};

use super::error::SessionError;
use crate::replication::wire::{Op, Reconcile};

/// Read from the log at once, bytes.
const READ_MAX: usize = 1 << 20;

/// What one look into the log gave.
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    pub(super) position: Lsn,
    /// Everything up to the published end was read.
    pub(super) level: bool,
}

/// Reads changes up to a published position, [`READ_MAX`] bytes at once.
pub(super) fn read_batch(
    reader: &mut ChangeReader,
    mut position: Lsn,
    up_to: Lsn,
) -> Result<Batch, ChangesError> {
    let mut changes = Vec::new();
    let mut bytes = 0;
    while position < up_to {
        if bytes >= READ_MAX {
            return Ok(Batch { changes, position, level: false });
        }
        let Some(change) = reader.next()? else { break };
        position = change.end;
        let weight: usize = change.ops.iter().map(op_weight).sum();
        bytes += weight;
        if weight > 0 {
            changes.push(change);
        }
    }
    Ok(Batch { changes, position, level: true })
}

fn op_weight(op: &ChangeOp) -> usize {
    match op {
        ChangeOp::CreateKeyspace { class, .. } if *class != Class::Replicated => 0,
        ChangeOp::CreateKeyspace { .. } | ChangeOp::DropKeyspace { .. } => 17,
        ChangeOp::Put { key, value, .. } => 25 + key.len() + value.len(),
        ChangeOp::Delete { key, .. } => 21 + key.len(),
    }
}

pub(super) fn wire_op(op: ChangeOp) -> Option<Op> {
    Some(match op {
        ChangeOp::CreateKeyspace { class, .. } if class != Class::Replicated => return None,
        ChangeOp::CreateKeyspace { id, .. } => Op::CreateKeyspace(id),
        ChangeOp::DropKeyspace { id } => Op::DropKeyspace(id),
        ChangeOp::Put { keyspace, key, value } => Op::Put { keyspace, key, value },
        ChangeOp::Delete { keyspace, key } => Op::Delete { keyspace, key },
    })
}

/// What a secondary is told when the log cannot be read from where it stands.
pub(super) fn reason(e: &ChangesError) -> Result<Reconcile, SessionError> {
    match e {
        ChangesError::Behind { .. } => Ok(Reconcile::Behind),
        ChangesError::Ahead { .. } => Ok(Reconcile::Ahead),
        // The position is none of this log's any more, or the log is damaged there: the data itself
        // is read from where it lies.
        ChangesError::Read { .. } => Ok(Reconcile::GuardMismatch),
        other => Err(SessionError::Failed(other.to_string())),
    }
}
