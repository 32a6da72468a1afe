//! What messages are made of, and its bytes.

use strongroom_storage::{Digest, KeyspaceId, Lsn};
use zeroize::Zeroizing;

use super::WireError;
use super::codec::{Input, Output};

/// What a connection is for; said once, in [`Hello`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Bootstrap,
    Stream,
    Reconcile,
    Forward,
}

/// First message of a secondary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) purpose: Purpose,
    pub(crate) secondary_id: String,
    /// A new one each time the secondary starts.
    pub(crate) node_id: [u8; 16],
    pub(crate) api_addr: String,
    pub(crate) cluster_addr: String,
    /// Milliseconds since the epoch.
    pub(crate) clock_ms: u64,
}

/// What a joining secondary takes over. Secret, therefore without `Debug` of its fields.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bootstrap {
    pub(crate) root_key: Zeroizing<[u8; 32]>,
    pub(crate) seal_entry: Zeroizing<Vec<u8>>,
    pub(crate) keyring: Vec<u8>,
    pub(crate) cluster_id: String,
    pub(crate) dev: Option<WireDev>,
}

/// Development mode only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WireDev {
    pub(crate) root_token: Zeroizing<String>,
    pub(crate) unseal_keys: Vec<Zeroizing<String>>,
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("cluster_id", &self.cluster_id).finish_non_exhaustive()
    }
}

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

/// One operation of a change, ciphertext as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    CreateKeyspace(KeyspaceId),
    DropKeyspace(KeyspaceId),
    Put { keyspace: KeyspaceId, key: Vec<u8>, value: Vec<u8> },
    Delete { keyspace: KeyspaceId, key: Vec<u8> },
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

/// One fetched entry; `None` when the snapshot has none of that hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) hash: [u8; 32],
    pub(crate) entry: Option<(Vec<u8>, Vec<u8>)>,
}

/// A forwarded call or its answer: JSON beside a raw body.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Forwarded {
    /// Pairs answers with calls on one connection.
    pub(crate) id: u64,
    pub(crate) json: Zeroizing<Vec<u8>>,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarded").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why the primary turned a connection down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalCode {
    /// The certificate is not one of a known secondary, or its id is another's.
    NotKnown,
    /// The secondary was revoked while connected.
    Revoked,
    /// Too much at once, or shutting down; try again later.
    Busy,
    /// The peer broke the protocol.
    Protocol,
    /// The primary failed to do its part.
    Failed,
}

pub(super) fn put_position(out: &mut Vec<u8>, lsn: Lsn, root: &Digest) {
    out.put_num64(lsn.0);
    out.extend_from_slice(&root.0);
}

pub(super) fn position(input: &mut Input<'_>) -> Result<(Lsn, Digest), WireError> {
    Ok((Lsn(input.u64()?), Digest(input.array()?)))
}

impl Hello {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self.purpose {
            Purpose::Bootstrap => 1,
            Purpose::Stream => 2,
            Purpose::Reconcile => 3,
            Purpose::Forward => 4,
        });
        out.put_text(&self.secondary_id);
        out.extend_from_slice(&self.node_id);
        out.put_text(&self.api_addr);
        out.put_text(&self.cluster_addr);
        out.put_num64(self.clock_ms);
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let purpose = match input.u8()? {
            1 => Purpose::Bootstrap,
            2 => Purpose::Stream,
            3 => Purpose::Reconcile,
            4 => Purpose::Forward,
            _ => return Err(WireError::BadValue("purpose")),
        };
        Ok(Self {
            purpose,
            secondary_id: input.text()?,
            node_id: input.array()?,
            api_addr: input.text()?,
            cluster_addr: input.text()?,
            clock_ms: input.u64()?,
        })
    }
}

impl Bootstrap {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&*self.root_key);
        out.put_bytes(&self.seal_entry);
        out.put_bytes(&self.keyring);
        out.put_text(&self.cluster_id);
        out.put_flag(self.dev.is_some());
        if let Some(dev) = &self.dev {
            out.put_text(&dev.root_token);
            out.put_count(dev.unseal_keys.len());
            for key in &dev.unseal_keys {
                out.put_text(key);
            }
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let root_key = Zeroizing::new(input.array()?);
        let seal_entry = Zeroizing::new(input.bytes()?.to_vec());
        let keyring = input.bytes()?.to_vec();
        let cluster_id = input.text()?;
        let dev = if input.flag()? {
            let root_token = Zeroizing::new(input.text()?);
            let n = input.count(4)?;
            let unseal_keys =
                (0..n).map(|_| input.text().map(Zeroizing::new)).collect::<Result<_, _>>()?;
            Some(WireDev { root_token, unseal_keys })
        } else {
            None
        };
        Ok(Self { root_key, seal_entry, keyring, cluster_id, dev })
    }
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

impl Fetched {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.hash);
        out.put_flag(self.entry.is_some());
        if let Some((key, value)) = &self.entry {
            out.put_bytes(key);
            out.put_bytes(value);
        }
    }

    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        let hash = input.array()?;
        let entry = if input.flag()? {
            Some((input.bytes()?.to_vec(), input.bytes()?.to_vec()))
        } else {
            None
        };
        Ok(Self { hash, entry })
    }
}

impl Forwarded {
    pub(super) fn decode(input: &mut Input<'_>) -> Result<Self, WireError> {
        Ok(Self {
            id: input.u64()?,
            json: Zeroizing::new(input.bytes()?.to_vec()),
            body: Zeroizing::new(input.bytes()?.to_vec()),
        })
    }
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

impl RefusalCode {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::NotKnown => 1,
            Self::Revoked => 2,
            Self::Busy => 3,
            Self::Protocol => 4,
            Self::Failed => 5,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Result<Self, WireError> {
        Ok(match byte {
            1 => Self::NotKnown,
            2 => Self::Revoked,
            3 => Self::Busy,
            4 => Self::Protocol,
            5 => Self::Failed,
            _ => return Err(WireError::BadValue("refusal")),
        })
    }
}
