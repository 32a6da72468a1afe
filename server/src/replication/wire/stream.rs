//! What a stream is made of: where it begins or why it cannot, changes, and heartbeats.

use strongroom_storage::{Digest, KeyspaceId, Lsn};

use super::WireError;
use super::codec::{Input, Output};

/// Where a secondary wants to go on: its position in the primary's log and its root there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) log_id: [u8; 16],
    pub(crate) lsn: Lsn,
    pub(crate) root: Digest,
}

/// Why streaming from a [`Start`] is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reconcile {
    /// The position belongs to another log.
    UnknownLog,
    /// The log from there on is gone.
    Behind,
    /// The primary's log does not reach that far: it lost its tail or was restored.
    Ahead,
    /// The primary's root at that position is another one.
    GuardMismatch,
}

impl Reconcile {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::UnknownLog => 1,
            Self::Behind => 2,
            Self::Ahead => 3,
            Self::GuardMismatch => 4,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Result<Self, WireError> {
        Ok(match byte {
            1 => Self::UnknownLog,
            2 => Self::Behind,
            3 => Self::Ahead,
            4 => Self::GuardMismatch,
            _ => return Err(WireError::BadValue("reason")),
        })
    }
}

/// One committed frame of the primary's log, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) start: Lsn,
    pub(crate) end: Lsn,
    /// The root that the primary promised at an earlier position.
    pub(crate) mark: Option<(Lsn, Digest)>,
    /// Another part of the same change follows.
    pub(crate) more: bool,
    pub(crate) ops: Vec<Op>,
}

impl Change {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_num64(self.start.0);
        out.put_num64(self.end.0);
        out.put_flag(self.mark.is_some());
        if let Some((lsn, root)) = &self.mark {
            put_position(out, *lsn, root);
        }
        out.put_flag(self.more);
        out.put_count(self.ops.len());
        for op in &self.ops {
            op.encode(out);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let (start, end) = (Lsn(input.u64()?), Lsn(input.u64()?));
        if end < start {
            return Err(WireError::BadValue("range of a change"));
        }
        let mark = if input.flag()? { Some(position(input)?) } else { None };
        let more = input.flag()?;
        let n = input.count(17)?;
        let ops = (0..n).map(|_| Op::decode(input)).collect::<Result<_, _>>()?;
        Ok(Self { start, end, mark, more, ops })
    }
}

/// One operation of a change, ciphertext as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    CreateKeyspace(KeyspaceId),
    DropKeyspace(KeyspaceId),
    Put { keyspace: KeyspaceId, key: Vec<u8>, value: Vec<u8> },
    Delete { keyspace: KeyspaceId, key: Vec<u8> },
}

impl Op {
    /// Bytes it takes in a message, roughly: for bounding messages and batches.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::CreateKeyspace(_) | Self::DropKeyspace(_) => 17,
            Self::Put { key, value, .. } => 25 + key.len() + value.len(),
            Self::Delete { key, .. } => 21 + key.len(),
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (tag, keyspace) = match self {
            Self::CreateKeyspace(id) => (1, id),
            Self::DropKeyspace(id) => (2, id),
            Self::Put { keyspace, .. } => (3, keyspace),
            Self::Delete { keyspace, .. } => (4, keyspace),
        };
        out.push(tag);
        out.extend_from_slice(&keyspace.0);
        match self {
            Self::Put { key, value, .. } => {
                out.put_bytes(key);
                out.put_bytes(value);
            }
            Self::Delete { key, .. } => out.put_bytes(key),
            Self::CreateKeyspace(_) | Self::DropKeyspace(_) => {}
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let tag = input.u8()?;
        let keyspace = KeyspaceId(input.array()?);
        Ok(match tag {
            1 => Self::CreateKeyspace(keyspace),
            2 => Self::DropKeyspace(keyspace),
            3 => {
                Self::Put { keyspace, key: input.bytes()?.to_vec(), value: input.bytes()?.to_vec() }
            }
            4 => Self::Delete { keyspace, key: input.bytes()?.to_vec() },
            _ => return Err(WireError::BadValue("operation")),
        })
    }
}

/// Sent every second both ways. From the primary: its position and root; from a secondary: what it
/// has applied, and its own root there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    pub(crate) lsn: Lsn,
    pub(crate) root: Digest,
    /// Sender's clock, milliseconds since the epoch.
    pub(crate) clock_ms: u64,
    /// The clock of the last heartbeat that came the other way, 0 for none: measures the trip.
    pub(crate) echo_ms: u64,
    /// How long that one had been here when this was sent, milliseconds.
    pub(crate) held_ms: u64,
}

pub(super) fn put_position(out: &mut Vec<u8>, lsn: Lsn, root: &Digest) {
    out.put_num64(lsn.0);
    out.extend_from_slice(&root.0);
}

pub(super) fn position(input: &mut Input<'_>) -> Result<(Lsn, Digest), WireError> {
    Ok((Lsn(input.u64()?), Digest(input.array()?)))
}
