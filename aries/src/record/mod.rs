//! Log records: what they say, and below that their bytes. The byte tables stand in `docs/recovery.md`.
//!
//! A frame of the log is atomic. An [`Update`] without a transaction is committed by its frame: the
//! common case of a transaction that fits one frame, which needs no before-image, no chain and no
//! commit record. An update that names a transaction is written before that transaction's commit,
//! carries its before-image and is chained to the transaction's previous record.
//!
//! Keyspaces are created and dropped in one record that is committed by its frame.

mod decode;
mod encode;
mod tags;

use crate::{DirtyPageTable, Lsn, TransactionTable, TxnId};

/// A page of the index: the entries of a tree whose key hashes start with a path of bits. Each
/// keyspace has two trees: of what is committed, and of what transactions wrote that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId {
    /// Handle of the keyspace in this log.
    pub keyspace: u32,
    /// Of the tree of uncommitted writes.
    pub pending: bool,
    /// The path's bits from the most significant end; unused low bits are zero.
    pub path: u64,
    /// Bits in the path, 0 to 64.
    pub depth: u8,
}

/// What an entry was before an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Not recorded: the update is committed by its frame and never undone.
    Omitted,
    /// There was no entry.
    Absent,
    /// The transaction itself had deleted the entry, or had made sure that there will be none.
    Deleted,
    /// An entry whose value lies in the log or in a value segment; the value itself is not copied.
    Present {
        /// Position of the value's first byte.
        at: u64,
        /// Length of the value, bytes.
        len: u32,
        /// Version of the entry.
        version: u64,
        /// Leaf digest of the entry.
        digest: [u8; 32],
    },
}

/// What an update makes of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After<'a> {
    /// This value, kept where the record lies.
    Value(&'a [u8]),
    /// Nothing.
    Deleted,
}

/// A change of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// The transaction with the LSN of its previous record, or `None` if the frame commits it.
    pub txn: Option<(TxnId, Lsn)>,
    /// Handle of the keyspace.
    pub keyspace: u32,
    /// The key.
    pub key: &'a [u8],
    /// The new state.
    pub after: After<'a>,
    /// The old state.
    pub before: Before,
}

/// Compensation log record: the undoing of one update. Redo-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compensation<'a> {
    /// The loser.
    pub txn: TxnId,
    /// Next record of the loser to undo; [`crate::NO_LSN`] when this was its first.
    pub undo_next: Lsn,
    /// Handle of the keyspace.
    pub keyspace: u32,
    /// The key.
    pub key: &'a [u8],
    /// The state that is restored; never [`Before::Omitted`].
    pub restore: Before,
}

/// The roots that the store had at a position: recovery must arrive at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootMark {
    /// End of the last frame that the roots include.
    pub at: Lsn,
    /// Over the replicated keyspaces.
    pub replicated: [u8; 32],
    /// Over all keyspaces.
    pub all: [u8; 32],
}

/// Where the page map of a checkpoint lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapLocation {
    /// Number of the page segment.
    pub segment: u64,
    /// Byte offset in it.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

/// End of a checkpoint, with the tables as they stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointEnd {
    /// LSN of the matching begin record.
    pub begin: Lsn,
    /// Where the pages are listed.
    pub map: MapLocation,
    /// Transactions active.
    pub transactions: TransactionTable,
    /// Pages that may be newer in memory than on disk.
    pub dirty: DirtyPageTable,
}

/// A value moved, verbatim, to where this record lies. A system action: it belongs to no
/// transaction, changes no digest, and is committed by its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation<'a> {
    /// Handle of the keyspace.
    pub keyspace: u32,
    /// The key.
    pub key: &'a [u8],
    /// The entry is moved only while it has this version.
    pub version: u64,
    /// Its value.
    pub value: &'a [u8],
}

/// A log record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// See [`Update`].
    Update(Update<'a>),
    /// See [`Compensation`].
    Compensation(Compensation<'a>),
    /// The transaction's updates count from here.
    Commit(TxnId),
    /// Nothing more will be written for the transaction.
    End(TxnId),
    /// A keyspace comes to be.
    CreateKeyspace {
        /// Its handle in this log.
        keyspace: u32,
        /// Its id everywhere.
        id: [u8; 16],
        /// Its class, as the store numbers them.
        class: u8,
    },
    /// A keyspace and all its entries are gone.
    DropKeyspace {
        /// Its handle in this log.
        keyspace: u32,
    },
    /// See [`RootMark`].
    RootMark(RootMark),
    /// A checkpoint begins; the pages it writes hold at least all before this record.
    CheckpointBegin,
    /// See [`CheckpointEnd`].
    CheckpointEnd(CheckpointEnd),
    /// See [`Relocation`].
    Relocation(Relocation<'a>),
}
