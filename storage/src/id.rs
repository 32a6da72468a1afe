//! Names: keyspaces, their classes, versions of entries; and how long keys and values may be.

use std::collections::HashMap;

use strongroom_merkle::Digest;
use strongroom_wal::Lsn;

/// Longest key, bytes.
pub const KEY_MAX: usize = 32 << 10;
/// Longest value, bytes.
pub const VALUE_MAX: usize = 12 << 20;

/// Keyspaces by their number in the log, dropped ones included: the log still speaks of them.
pub(crate) type Catalog = HashMap<u32, (KeyspaceId, Class)>;

/// Name of a keyspace; the same on every cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyspaceId(pub [u8; 16]);

/// Where a keyspace's entries go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// To every secondary.
    Replicated,
    /// Nowhere but this cluster (and, later, its disaster-recovery copy).
    Local,
    /// Nowhere at all: what belongs to this very store.
    Ignored,
}

impl Class {
    /// As it stands in the log and in page maps.
    pub fn to_byte(self) -> u8 {
        match self {
            Class::Replicated => 1,
            Class::Local => 2,
            Class::Ignored => 3,
        }
    }

    /// The class that [`Class::to_byte`] wrote.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Class::Replicated),
            2 => Some(Class::Local),
            3 => Some(Class::Ignored),
            _ => None,
        }
    }
}

/// Changes whenever an entry is written. Two reads of an entry with equal versions saw the same
/// value; a deleted and recreated entry has another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A value with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes that were put.
    pub value: Vec<u8>,
    /// See [`Version`].
    pub version: Version,
}

/// A transaction is durable and visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Position of the log just after it.
    pub lsn: Lsn,
}

/// A frame of transactions became visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Position of the log just after it.
    pub lsn: Lsn,
    /// Root over the replicated keyspaces at that position.
    pub replicated_root: Digest,
}
