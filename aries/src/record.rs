//! Log records and their bytes. The byte tables stand in `docs/recovery.md`.
//!
//! A frame of the log is atomic. An [`Update`] without a transaction is committed by its frame: the
//! common case of a transaction that fits one frame, which needs no before-image, no chain and no
//! commit record. An update that names a transaction is written before that transaction's commit,
//! carries its before-image and is chained to the transaction's previous record.
//!
//! Keyspaces are created and dropped in one record that is committed by its frame.

use crate::codec::{Reader, put_varint};
use crate::error::RecordError;
use crate::{DirtyPageTable, Lsn, Transaction, TransactionTable, TxnId};

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

const KIND_UPDATE: u8 = 1;
const KIND_COMPENSATION: u8 = 2;
const KIND_COMMIT: u8 = 3;
const KIND_END: u8 = 4;
const KIND_CREATE: u8 = 5;
const KIND_DROP: u8 = 6;
const KIND_ROOT_MARK: u8 = 7;
const KIND_CHECKPOINT_BEGIN: u8 = 8;
const KIND_CHECKPOINT_END: u8 = 9;
const KIND_RELOCATION: u8 = 10;

/// The kind is the low nibble of the first byte; these are bits of the high nibble.
const KIND_MASK: u8 = 0x0f;
const FLAG_TXN: u8 = 0x10;
const FLAG_DELETED: u8 = 0x20;
const FLAG_BEFORE_ABSENT: u8 = 0x40;
const FLAG_BEFORE_PRESENT: u8 = 0x80;

impl Update<'_> {
    /// Bytes that precede the value in the encoded record: its position is the record's plus this.
    pub fn value_offset(&self) -> usize {
        let Self { txn, keyspace, key, before, .. } = self;
        let txn = txn.map_or(0, |(t, prev)| varint_len(t.0) + varint_len(prev));
        let before = if matches!(before, Before::Present { .. }) { BEFORE_LEN } else { 0 };
        1 + varint_len(u64::from(*keyspace))
            + varint_len(key.len() as u64)
            + key.len()
            + txn
            + before
    }
}

impl Relocation<'_> {
    /// Bytes that precede the value in the encoded record.
    pub fn value_offset(&self) -> usize {
        let key = self.key.len();
        let numbers = varint_len(u64::from(self.keyspace)) + varint_len(key as u64);
        1 + numbers + key + varint_len(self.version)
    }
}

/// Bit of a page's depth byte: the page is of the tree of uncommitted writes.
const DEPTH_PENDING: u8 = 0x80;

const BEFORE_LEN: usize = 8 + 4 + 8 + 32;

fn varint_len(n: u64) -> usize {
    (64 - (n | 1).leading_zeros() as usize).div_ceil(7)
}

impl<'a> Record<'a> {
    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Record::Update(u) => encode_update(u, out),
            Record::Compensation(c) => {
                out.push(KIND_COMPENSATION | before_flags(&c.restore));
                put_varint(out, u64::from(c.keyspace));
                put_bytes(out, c.key);
                put_varint(out, c.txn.0);
                put_varint(out, c.undo_next);
                put_before(out, &c.restore);
            }
            Record::Commit(txn) => put_txn(out, KIND_COMMIT, *txn),
            Record::End(txn) => put_txn(out, KIND_END, *txn),
            Record::CreateKeyspace { keyspace, id, class } => {
                out.push(KIND_CREATE);
                put_varint(out, u64::from(*keyspace));
                out.extend_from_slice(id);
                out.push(*class);
            }
            Record::DropKeyspace { keyspace } => {
                out.push(KIND_DROP);
                put_varint(out, u64::from(*keyspace));
            }
            Record::RootMark(mark) => {
                out.push(KIND_ROOT_MARK);
                out.extend_from_slice(&mark.at.to_le_bytes());
                out.extend_from_slice(&mark.replicated);
                out.extend_from_slice(&mark.all);
            }
            Record::CheckpointBegin => out.push(KIND_CHECKPOINT_BEGIN),
            Record::CheckpointEnd(end) => encode_checkpoint_end(end, out),
            Record::Relocation(r) => {
                out.push(KIND_RELOCATION);
                put_varint(out, u64::from(r.keyspace));
                put_bytes(out, r.key);
                put_varint(out, r.version);
                out.extend_from_slice(r.value);
            }
        }
    }

    /// Reads one record from exactly these bytes. Never panics, whatever they are.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut r = Reader::new(bytes);
        let first = r.u8()?;
        let flags = first & !KIND_MASK;
        match first & KIND_MASK {
            KIND_UPDATE => decode_update(flags, r),
            KIND_COMPENSATION => decode_compensation(flags, r),
            kind if flags != 0 => Err(RecordError::UnknownKind(kind | flags)),
            KIND_COMMIT => {
                let txn = TxnId(r.varint()?);
                r.finish(Record::Commit(txn))
            }
            KIND_END => {
                let txn = TxnId(r.varint()?);
                r.finish(Record::End(txn))
            }
            KIND_CREATE => {
                let record = Record::CreateKeyspace {
                    keyspace: r.varint_u32()?,
                    id: r.array()?,
                    class: r.u8()?,
                };
                r.finish(record)
            }
            KIND_DROP => {
                let keyspace = r.varint_u32()?;
                r.finish(Record::DropKeyspace { keyspace })
            }
            KIND_ROOT_MARK => {
                let mark = RootMark { at: r.u64()?, replicated: r.array()?, all: r.array()? };
                r.finish(Record::RootMark(mark))
            }
            KIND_CHECKPOINT_BEGIN => r.finish(Record::CheckpointBegin),
            KIND_CHECKPOINT_END => decode_checkpoint_end(r),
            KIND_RELOCATION => {
                let (keyspace, key, version) = (r.varint_u32()?, r.bytes()?, r.varint()?);
                Ok(Record::Relocation(Relocation { keyspace, key, version, value: r.rest() }))
            }
            kind => Err(RecordError::UnknownKind(kind)),
        }
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_txn(out: &mut Vec<u8>, kind: u8, txn: TxnId) {
    out.push(kind);
    put_varint(out, txn.0);
}

fn before_flags(before: &Before) -> u8 {
    match before {
        Before::Omitted => 0,
        Before::Absent => FLAG_BEFORE_ABSENT,
        Before::Deleted => FLAG_BEFORE_ABSENT | FLAG_BEFORE_PRESENT,
        Before::Present { .. } => FLAG_BEFORE_PRESENT,
    }
}

fn put_before(out: &mut Vec<u8>, before: &Before) {
    if let Before::Present { at, len, version, digest } = before {
        out.extend_from_slice(&at.to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(digest);
    }
}

fn read_before(flags: u8, r: &mut Reader<'_>) -> Result<Before, RecordError> {
    const DELETED: u8 = FLAG_BEFORE_ABSENT | FLAG_BEFORE_PRESENT;
    match flags & DELETED {
        0 => Ok(Before::Omitted),
        DELETED => Ok(Before::Deleted),
        FLAG_BEFORE_ABSENT => Ok(Before::Absent),
        FLAG_BEFORE_PRESENT => Ok(Before::Present {
            at: r.u64()?,
            len: r.u32()?,
            version: r.u64()?,
            digest: r.array()?,
        }),
        _ => Err(RecordError::Malformed),
    }
}

fn encode_update(u: &Update<'_>, out: &mut Vec<u8>) {
    let mut first = KIND_UPDATE | before_flags(&u.before);
    if u.txn.is_some() {
        first |= FLAG_TXN;
    }
    if u.after == After::Deleted {
        first |= FLAG_DELETED;
    }
    out.push(first);
    put_varint(out, u64::from(u.keyspace));
    put_bytes(out, u.key);
    if let Some((txn, prev)) = u.txn {
        put_varint(out, txn.0);
        put_varint(out, prev);
    }
    put_before(out, &u.before);
    if let After::Value(value) = u.after {
        out.extend_from_slice(value);
    }
}

fn decode_update(flags: u8, mut r: Reader<'_>) -> Result<Record<'_>, RecordError> {
    let keyspace = r.varint_u32()?;
    let key = r.bytes()?;
    let txn = if flags & FLAG_TXN == 0 { None } else { Some((TxnId(r.varint()?), r.varint()?)) };
    let before = read_before(flags, &mut r)?;
    // Undo needs what a transaction's update replaced; a frame's own update has nothing to undo.
    if txn.is_some() == (before == Before::Omitted) {
        return Err(RecordError::Malformed);
    }
    let rest = r.rest();
    let after = if flags & FLAG_DELETED == 0 {
        After::Value(rest)
    } else if rest.is_empty() {
        After::Deleted
    } else {
        return Err(RecordError::Malformed);
    };
    Ok(Record::Update(Update { txn, keyspace, key, after, before }))
}

fn decode_compensation(flags: u8, mut r: Reader<'_>) -> Result<Record<'_>, RecordError> {
    if flags & (FLAG_TXN | FLAG_DELETED) != 0 {
        return Err(RecordError::Malformed);
    }
    let keyspace = r.varint_u32()?;
    let key = r.bytes()?;
    let txn = TxnId(r.varint()?);
    let undo_next = r.varint()?;
    let restore = read_before(flags, &mut r)?;
    if restore == Before::Omitted {
        return Err(RecordError::Malformed);
    }
    r.finish(Record::Compensation(Compensation { txn, undo_next, keyspace, key, restore }))
}

fn encode_checkpoint_end(end: &CheckpointEnd, out: &mut Vec<u8>) {
    out.push(KIND_CHECKPOINT_END);
    for n in [end.begin, end.map.segment, end.map.offset, end.map.len] {
        out.extend_from_slice(&n.to_le_bytes());
    }
    put_varint(out, end.transactions.len() as u64);
    for (txn, state) in end.transactions.iter() {
        put_varint(out, txn.0);
        out.push(u8::from(state.committed));
        put_varint(out, state.last);
        put_varint(out, state.undo_next);
    }
    put_varint(out, end.dirty.len() as u64);
    for (page, recovery) in end.dirty.iter() {
        put_varint(out, u64::from(page.keyspace));
        out.push(page.depth | if page.pending { DEPTH_PENDING } else { 0 });
        out.extend_from_slice(&page.path.to_le_bytes());
        put_varint(out, recovery);
    }
}

fn decode_checkpoint_end(mut r: Reader<'_>) -> Result<Record<'_>, RecordError> {
    let begin = r.u64()?;
    let map = MapLocation { segment: r.u64()?, offset: r.u64()?, len: r.u64()? };
    let mut transactions = TransactionTable::default();
    for _ in 0..bounded_count(&mut r)? {
        let txn = TxnId(r.varint()?);
        let committed = match r.u8()? {
            0 => false,
            1 => true,
            _ => return Err(RecordError::Malformed),
        };
        let state = Transaction { committed, last: r.varint()?, undo_next: r.varint()? };
        if transactions.iter().next_back().is_some_and(|(last, _)| last >= txn) {
            return Err(RecordError::Malformed);
        }
        transactions.insert(txn, state);
    }
    let mut dirty = DirtyPageTable::default();
    for _ in 0..bounded_count(&mut r)? {
        let keyspace = r.varint_u32()?;
        let depth = r.u8()?;
        let pending = depth & DEPTH_PENDING != 0;
        let depth = depth & !DEPTH_PENDING;
        let page = PageId { keyspace, pending, depth, path: r.u64()? };
        let beyond = page.path.checked_shl(u32::from(depth)).unwrap_or_default();
        let after = dirty.iter().next_back().is_none_or(|(last, _)| last < page);
        if depth > 64 || beyond != 0 || !after {
            return Err(RecordError::Malformed);
        }
        dirty.note(page, r.varint()?);
    }
    r.finish(Record::CheckpointEnd(CheckpointEnd { begin, map, transactions, dirty }))
}

/// A count of things of at least one byte each can't exceed what is left to read.
fn bounded_count(r: &mut Reader<'_>) -> Result<usize, RecordError> {
    let n = usize::try_from(r.varint()?).map_err(|_| RecordError::Malformed)?;
    if n > r.remaining() { Err(RecordError::Short) } else { Ok(n) }
}
