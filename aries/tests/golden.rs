//! Bytes of each kind of record, version 1, as `docs/recovery.md` has them. A log that was written by
//! it has to be read for good.

#![allow(clippy::unwrap_used, reason = "tests")]

use strongroom_aries::{
    After, Before, CheckpointEnd, Compensation, DirtyPageTable, MapLocation, PageId, Record,
    Relocation, RootMark, Transaction, TransactionTable, TxnId, Update,
};

const GOLDEN: &str = include_str!("golden/records-v1.txt");

const PRESENT: Before = Before::Present { at: 0x0102, len: 3, version: 0x0405, digest: [6; 32] };

fn update(txn: Option<(TxnId, u64)>, after: After<'static>, before: Before) -> Record<'static> {
    Record::Update(Update { txn, keyspace: 300, key: b"key", after, before })
}

fn compensation(restore: Before) -> Record<'static> {
    let (txn, undo_next) = (TxnId(1000), 2000);
    Record::Compensation(Compensation { txn, undo_next, keyspace: 300, key: b"key", restore })
}

fn checkpoint_end() -> Record<'static> {
    let mut transactions = TransactionTable::default();
    let state = Transaction { committed: false, last: 3000, undo_next: 2000 };
    transactions.insert(TxnId(1000), state);
    let mut dirty = DirtyPageTable::default();
    dirty.note(PageId { keyspace: 300, pending: false, path: 1 << 63, depth: 1 }, 5000);
    dirty.note(PageId { keyspace: 300, pending: true, path: 0, depth: 0 }, 4000);
    let map = MapLocation { segment: 1, offset: 2, len: 3 };
    Record::CheckpointEnd(CheckpointEnd { begin: 6000, map, transactions, dirty })
}

fn samples() -> Vec<(&'static str, Record<'static>)> {
    let value = After::Value(b"value");
    let txn = Some((TxnId(1000), 2000));
    vec![
        ("update", update(None, value, Before::Omitted)),
        ("update-deletes", update(None, After::Deleted, Before::Omitted)),
        ("update-of-transaction", update(txn, value, Before::Absent)),
        ("update-with-before-image", update(txn, value, PRESENT)),
        ("update-of-transaction-deletes", update(txn, After::Deleted, PRESENT)),
        ("compensation-to-nothing", compensation(Before::Absent)),
        ("compensation", compensation(PRESENT)),
        ("update-of-own-deletion", update(txn, value, Before::Deleted)),
        ("compensation-to-own-deletion", compensation(Before::Deleted)),
        ("commit", Record::Commit(TxnId(1000))),
        ("end", Record::End(TxnId(1000))),
        ("create-keyspace", Record::CreateKeyspace { keyspace: 300, id: [7; 16], class: 2 }),
        ("drop-keyspace", Record::DropKeyspace { keyspace: 300 }),
        ("root-mark", Record::RootMark(RootMark { at: 0x0102, replicated: [8; 32], all: [9; 32] })),
        ("checkpoint-begin", Record::CheckpointBegin),
        ("checkpoint-end", checkpoint_end()),
        (
            "relocation",
            Record::Relocation(Relocation {
                keyspace: 300,
                key: b"key",
                version: 1000,
                value: b"value",
            }),
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

#[test]
fn the_bytes_of_each_kind_are_those_of_version_1() {
    let mut written = String::new();
    for (name, record) in samples() {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(Record::decode(&bytes).as_ref(), Ok(&record), "{name}");
        written.extend([name, " ", &hex(&bytes), "\n"]);
    }
    assert_eq!(written, GOLDEN, "written now:\n{written}");
}
