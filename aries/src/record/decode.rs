//! Bytes to records. Accepts exactly what the encoder makes, and never panics.

use super::tags::{DEPTH_PENDING, flag, kind};
use super::{
    After, Before, CheckpointEnd, Compensation, MapLocation, PageId, Record, Relocation, RootMark,
    Update,
};
use crate::codec::Reader;
use crate::error::RecordError;
use crate::{DirtyPageTable, Transaction, TransactionTable, TxnId};

impl<'a> Record<'a> {
    /// Reads one record from exactly these bytes. Never panics, whatever they are.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut r = Reader::new(bytes);
        let first = r.u8()?;
        let flags = first & !kind::MASK;
        match first & kind::MASK {
            kind::UPDATE => decode_update(flags, r),
            kind::COMPENSATION => decode_compensation(flags, r),
            kind if flags != 0 => Err(RecordError::UnknownKind(kind | flags)),
            kind::COMMIT => {
                let txn = TxnId(r.varint()?);
                r.finish(Record::Commit(txn))
            }
            kind::END => {
                let txn = TxnId(r.varint()?);
                r.finish(Record::End(txn))
            }
            kind::CREATE => {
                let record = Record::CreateKeyspace {
                    keyspace: r.varint_u32()?,
                    id: r.array()?,
                    class: r.u8()?,
                };
                r.finish(record)
            }
            kind::DROP => {
                let keyspace = r.varint_u32()?;
                r.finish(Record::DropKeyspace { keyspace })
            }
            kind::ROOT_MARK => {
                let mark = RootMark { at: r.u64()?, replicated: r.array()?, all: r.array()? };
                r.finish(Record::RootMark(mark))
            }
            kind::CHECKPOINT_BEGIN => r.finish(Record::CheckpointBegin),
            kind::CHECKPOINT_END => decode_checkpoint_end(r),
            kind::RELOCATION => {
                let (keyspace, version, key) = (r.varint_u32()?, r.varint()?, r.bytes()?);
                Ok(Record::Relocation(Relocation { keyspace, key, version, value: r.rest() }))
            }
            kind => Err(RecordError::UnknownKind(kind)),
        }
    }
}

fn decode_update(flags: u8, mut r: Reader<'_>) -> Result<Record<'_>, RecordError> {
    let keyspace = r.varint_u32()?;
    let txn = if flags & flag::TXN == 0 { None } else { Some((TxnId(r.varint()?), r.varint()?)) };
    let before = read_before(flags, &mut r)?;
    let key = r.bytes()?;
    // Undo needs what a transaction's update replaced; a frame's own update has nothing to undo.
    if txn.is_some() == (before == Before::Omitted) {
        return Err(RecordError::Malformed);
    }
    let rest = r.rest();
    let after = if flags & flag::DELETED == 0 {
        After::Value(rest)
    } else if rest.is_empty() {
        After::Deleted
    } else {
        return Err(RecordError::Malformed);
    };
    Ok(Record::Update(Update { txn, keyspace, key, after, before }))
}

fn decode_compensation(flags: u8, mut r: Reader<'_>) -> Result<Record<'_>, RecordError> {
    if flags & (flag::TXN | flag::DELETED) != 0 {
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

fn read_before(flags: u8, r: &mut Reader<'_>) -> Result<Before, RecordError> {
    const DELETED: u8 = flag::BEFORE_ABSENT | flag::BEFORE_PRESENT;
    match flags & DELETED {
        0 => Ok(Before::Omitted),
        DELETED => Ok(Before::Deleted),
        flag::BEFORE_ABSENT => Ok(Before::Absent),
        flag::BEFORE_PRESENT => Ok(Before::Present {
            at: r.u64()?,
            len: r.u32()?,
            version: r.u64()?,
            digest: r.array()?,
        }),
        _ => Err(RecordError::Malformed),
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
