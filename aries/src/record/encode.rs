//! Records to bytes.

use super::tags::{DEPTH_PENDING, flag, kind};
use super::{After, Before, CheckpointEnd, Record, Relocation, Update};
use crate::TxnId;
use crate::codec::put_varint;

const BEFORE_LEN: usize = 8 + 4 + 8 + 32;

impl Update<'_> {
    /// Bytes that precede the value in the encoded record: its position is the record's plus this. The
    /// key comes right before it.
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
    /// Bytes that precede the value in the encoded record; the key comes right before it.
    pub fn value_offset(&self) -> usize {
        let key = self.key.len();
        let numbers = varint_len(u64::from(self.keyspace)) + varint_len(key as u64);
        1 + numbers + key + varint_len(self.version)
    }
}

impl Record<'_> {
    /// Appends the record's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Record::Update(u) => encode_update(u, out),
            Record::Compensation(c) => {
                out.push(kind::COMPENSATION | before_flags(&c.restore));
                put_varint(out, u64::from(c.keyspace));
                put_bytes(out, c.key);
                put_varint(out, c.txn.0);
                put_varint(out, c.undo_next);
                put_before(out, &c.restore);
            }
            Record::Commit(txn) => put_txn(out, kind::COMMIT, *txn),
            Record::End(txn) => put_txn(out, kind::END, *txn),
            Record::CreateKeyspace { keyspace, id, class } => {
                out.push(kind::CREATE);
                put_varint(out, u64::from(*keyspace));
                out.extend_from_slice(id);
                out.push(*class);
            }
            Record::DropKeyspace { keyspace } => {
                out.push(kind::DROP);
                put_varint(out, u64::from(*keyspace));
            }
            Record::RootMark(mark) => {
                out.push(kind::ROOT_MARK);
                out.extend_from_slice(&mark.at.to_le_bytes());
                out.extend_from_slice(&mark.replicated);
                out.extend_from_slice(&mark.all);
            }
            Record::CheckpointBegin => out.push(kind::CHECKPOINT_BEGIN),
            Record::CheckpointEnd(end) => encode_checkpoint_end(end, out),
            Record::Relocation(r) => {
                out.push(kind::RELOCATION);
                put_varint(out, u64::from(r.keyspace));
                put_varint(out, r.version);
                put_bytes(out, r.key);
                out.extend_from_slice(r.value);
            }
        }
    }
}

fn encode_update(u: &Update<'_>, out: &mut Vec<u8>) {
    let mut first = kind::UPDATE | before_flags(&u.before);
    if u.txn.is_some() {
        first |= flag::TXN;
    }
    if u.after == After::Deleted {
        first |= flag::DELETED;
    }
    out.push(first);
    put_varint(out, u64::from(u.keyspace));
    if let Some((txn, prev)) = u.txn {
        put_varint(out, txn.0);
        put_varint(out, prev);
    }
    put_before(out, &u.before);
    put_bytes(out, u.key);
    if let After::Value(value) = u.after {
        out.extend_from_slice(value);
    }
}

fn encode_checkpoint_end(end: &CheckpointEnd, out: &mut Vec<u8>) {
    out.push(kind::CHECKPOINT_END);
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
        Before::Absent => flag::BEFORE_ABSENT,
        Before::Deleted => flag::BEFORE_ABSENT | flag::BEFORE_PRESENT,
        Before::Present { .. } => flag::BEFORE_PRESENT,
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

fn varint_len(n: u64) -> usize {
    (64 - (n | 1).leading_zeros() as usize).div_ceil(7)
}
