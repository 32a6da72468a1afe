//! What a backup holds, for people and scripts.

use strongroom_merkle::Digest;

use super::format::{Header, Sum, Trailer};
use crate::id::{Class, KeyspaceId};

/// What a backup holds. Its roots were computed from the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// Log of the store that it was taken from.
    pub log_id: [u8; 16],
    /// Position in that log which it stands for.
    pub position: u64,
    /// What its keyspaces hold, by id.
    pub keyspaces: Vec<KeyspaceReport>,
    /// Root over all keyspaces.
    pub root: Digest,
    /// BLAKE3-256 of all bytes but itself; the last 32 bytes of the backup.
    pub checksum: [u8; 32],
    /// Length of the backup.
    pub bytes: u64,
}

/// What a keyspace of a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyspaceReport {
    /// Its name.
    pub id: KeyspaceId,
    /// Its class.
    pub class: Class,
    /// How many entries.
    pub entries: u64,
    /// Bytes of their keys.
    pub key_bytes: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
    /// Its root.
    pub root: Digest,
}

impl BackupReport {
    pub(super) fn new(header: &Header, trailer: Trailer, checksum: [u8; 32], bytes: u64) -> Self {
        let keyspaces = header.keyspaces.iter().zip(trailer.sums);
        let keyspaces = keyspaces.map(|((id, class), sum)| {
            let Sum { entries, key_bytes, value_bytes, root } = sum;
            KeyspaceReport { id: *id, class: *class, entries, key_bytes, value_bytes, root }
        });
        Self {
            log_id: header.log_id,
            position: header.position,
            keyspaces: keyspaces.collect(),
            root: trailer.root,
            checksum,
            bytes,
        }
    }

    /// Entries in all keyspaces.
    pub fn entries(&self) -> u64 {
        self.keyspaces.iter().map(|k| k.entries).sum()
    }
}
