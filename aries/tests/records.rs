//! Records survive their bytes, and no bytes make the decoder panic.

#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use strongroom_aries::{
    After, Before, CheckpointEnd, Compensation, DirtyPageTable, MapLocation, PageId, Record,
    RecordError, Relocation, RootMark, Transaction, TransactionTable, TxnId, Update,
};

fn before() -> impl Strategy<Value = Before> {
    prop_oneof![
        Just(Before::Absent),
        Just(Before::Deleted),
        any::<(u64, u32, u64, [u8; 32])>().prop_map(|(at, len, version, digest)| Before::Present {
            at,
            len,
            version,
            digest
        }),
    ]
}

/// A record with what it borrows.
#[derive(Debug, Clone)]
struct Parts {
    kind: u8,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    txn: Option<(u64, u64)>,
    before: Before,
    numbers: (u32, u64, [u8; 16], [u8; 32]),
    tables: Vec<(u64, bool, u64, u64)>,
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        0u8..10,
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80)),
        proptest::option::of(any::<(u64, u64)>()),
        before(),
        any::<(u32, u64, [u8; 16], [u8; 32])>(),
        proptest::collection::vec(any::<(u64, bool, u64, u64)>(), 0..5),
    )
        .prop_map(|(kind, key, value, txn, before, numbers, tables)| Parts {
            kind,
            key,
            value,
            txn,
            before,
            numbers,
            tables,
        })
}

fn record(p: &Parts) -> Record<'_> {
    let (keyspace, at, id, digest) = p.numbers;
    match p.kind {
        0 => Record::Update(Update {
            txn: p.txn.map(|(t, prev)| (TxnId(t), prev)),
            keyspace,
            key: &p.key,
            after: p.value.as_deref().map_or(After::Deleted, After::Value),
            before: if p.txn.is_some() { p.before } else { Before::Omitted },
        }),
        1 => Record::Compensation(Compensation {
            txn: TxnId(at),
            undo_next: u64::from(keyspace),
            keyspace,
            key: &p.key,
            restore: p.before,
        }),
        2 => Record::Commit(TxnId(at)),
        3 => Record::End(TxnId(at)),
        4 => Record::CreateKeyspace { keyspace, id, class: id[0] },
        5 => Record::DropKeyspace { keyspace },
        6 => Record::RootMark(RootMark { at, replicated: digest, all: digest }),
        7 => Record::CheckpointBegin,
        8 => Record::Relocation(Relocation {
            keyspace,
            key: &p.key,
            version: at,
            value: p.value.as_deref().unwrap_or_default(),
        }),
        _ => {
            let mut transactions = TransactionTable::default();
            let mut dirty = DirtyPageTable::default();
            for (txn, committed, last, undo_next) in &p.tables {
                let state =
                    Transaction { committed: *committed, last: *last, undo_next: *undo_next };
                transactions.insert(TxnId(*txn), state);
                let depth = u8::try_from(last % 65).unwrap();
                let path = txn & !u64::MAX.checked_shr(u32::from(depth)).unwrap_or_default();
                dirty.note(PageId { keyspace, pending: *committed, path, depth }, *last);
            }
            let map = MapLocation { segment: at, offset: at / 2, len: at / 3 };
            Record::CheckpointEnd(CheckpointEnd { begin: at, map, transactions, dirty })
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(p in parts()) {
        let record = record(&p);
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        prop_assert_eq!(&Record::decode(&bytes).unwrap(), &record);
        if let Record::Update(u) = &record
            && let After::Value(value) = u.after
        {
            prop_assert_eq!(&bytes[u.value_offset()..], value);
        }
        if let Record::Relocation(r) = &record {
            prop_assert_eq!(&bytes[r.value_offset()..], r.value);
        }
        // Every shorter prefix is refused, unless it is an update whose value got shorter.
        for cut in 0..bytes.len() {
            match Record::decode(&bytes[..cut]) {
                Err(_) => {}
                Ok(shorter) => {
                    let value_cut = matches!(
                        (&shorter, &record),
                        (Record::Update(a), Record::Update(b)) if a.key == b.key && a.after != b.after
                    ) || matches!(
                        (&shorter, &record),
                        (Record::Relocation(a), Record::Relocation(b)) if a.version == b.version
                    );
                    prop_assert!(value_cut, "{shorter:?}");
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(record) = Record::decode(&bytes) {
            // What is accepted has one encoding only.
            let mut again = Vec::new();
            record.encode(&mut again);
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn the_bytes_are_the_documented_ones() {
    let update = Record::Update(Update {
        txn: None,
        keyspace: 300,
        key: b"key",
        after: After::Value(b"value"),
        before: Before::Omitted,
    });
    let mut bytes = Vec::new();
    update.encode(&mut bytes);
    assert_eq!(bytes, b"\x01\xac\x02\x03keyvalue");
    let mut bytes = Vec::new();
    Record::Compensation(Compensation {
        txn: TxnId(5),
        undo_next: 0,
        keyspace: 1,
        key: b"k",
        restore: Before::Absent,
    })
    .encode(&mut bytes);
    assert_eq!(bytes, b"\x42\x01\x01k\x05\x00");
    let mut bytes = Vec::new();
    Record::CreateKeyspace { keyspace: 2, id: *b"0123456789abcdef", class: 3 }.encode(&mut bytes);
    assert_eq!(bytes, b"\x05\x020123456789abcdef\x03");
}

/// Found by the fuzzer: tables out of order, with an entry twice or with a path that is longer than
/// its depth were read, and gave other bytes when they were written again.
#[test]
fn tables_are_read_in_their_order_only() {
    let end = |transactions: &[&[u8]], pages: &[&[u8]]| {
        let mut bytes = vec![9; 1];
        bytes.extend([0; 32]);
        for table in [transactions, pages] {
            bytes.push(u8::try_from(table.len()).unwrap());
            bytes.extend(table.concat());
        }
        bytes
    };
    let page = |keyspace: u8, depth: u8, path: u8| [keyspace, depth, 0, 0, 0, 0, 0, 0, 0, path, 7];
    let (one, two) = ([1, 0, 5, 5], [2, 1, 6, 0]);
    let (root, left, right) = (page(1, 0x80, 0), page(2, 1, 0), page(2, 1, 0x80));
    // As deep as a path of 64 bits goes: a mutant that refused it lived by the luck of random tables.
    let deepest = page(2, 64, 0x80);
    let good = end(&[&one, &two], &[&root, &left, &right, &deepest]);
    assert!(Record::decode(&good).is_ok());
    let malformed = [
        end(&[&two, &one], &[]),
        end(&[&one, &one], &[]),
        end(&[], &[&right, &left]),
        end(&[], &[&root, &root]),
        end(&[], &[&page(1, 1, 0x40)]),
        end(&[], &[&page(1, 0, 0x80)]),
        end(&[], &[&page(1, 65, 0)]),
        end(&[&[1, 2, 5, 5]], &[]),
    ];
    for bytes in malformed {
        assert_eq!(Record::decode(&bytes), Err(RecordError::Malformed), "{bytes:?}");
    }
}

#[test]
fn a_number_is_read_in_its_shortest_form_only_and_has_64_bits() {
    let commit = |bytes: &[u8]| Record::decode(&[&[3], bytes].concat()).map(|r| format!("{r:?}"));
    let reads = |bytes: &[u8], n: u64| {
        assert_eq!(commit(bytes), Ok(format!("{:?}", Record::Commit(TxnId(n)))), "{bytes:?}");
    };
    reads(&[0], 0);
    reads(&[0x80, 1], 128);
    let top = |last| [&[0xff; 9][..], &[last]].concat();
    reads(&top(1), u64::MAX);
    for bytes in [vec![0x80, 0], vec![0x81, 0], top(2), top(3), top(0x7f), top(0), top(0x81)] {
        assert_eq!(commit(&bytes), Err(RecordError::Malformed), "{bytes:?}");
    }
    assert_eq!(commit(&[]), Err(RecordError::Short));
    assert_eq!(commit(&[0x80]), Err(RecordError::Short));
    assert_eq!(commit(&[0, 0]), Err(RecordError::Malformed));
}

#[test]
fn flags_that_a_kind_does_not_have_are_refused() {
    let update =
        |flags: u8, txn: &[u8], value: &[u8]| [&[1 | flags, 1], txn, &[1, b'k'], value].concat();
    assert!(Record::decode(&update(0, b"", b"value")).is_ok());
    assert!(Record::decode(&update(0x20, b"", b"")).is_ok());
    assert!(Record::decode(&update(0x50, &[9, 8], b"")).is_ok());
    assert!(Record::decode(&update(0xd0, &[9, 8], b"")).is_ok());
    // A before-image without a transaction, a transaction without one.
    for bytes in [update(0x40, b"", b""), update(0xc0, b"", b""), update(0x10, &[9, 8], b"")] {
        assert_eq!(Record::decode(&bytes), Err(RecordError::Malformed), "{bytes:?}");
    }
    assert_eq!(Record::decode(&update(0x20, b"", b"value")), Err(RecordError::Malformed));
    let compensation = |flags: u8| [2 | flags, 1, 1, b'k', 9, 8];
    assert!(Record::decode(&compensation(0x40)).is_ok());
    assert!(Record::decode(&compensation(0xc0)).is_ok());
    for flags in [0, 0x50, 0x60, 0x70] {
        let bytes = compensation(flags);
        assert_eq!(Record::decode(&bytes), Err(RecordError::Malformed), "{flags:#x}");
    }
    for kind in [3u8, 4, 5, 6, 7, 8, 9, 10] {
        for flag in [0x10u8, 0x20, 0x40, 0x80] {
            let refused = Err(RecordError::UnknownKind(kind | flag));
            assert_eq!(Record::decode(&[kind | flag, 1]), refused);
        }
    }
    for kind in [0u8, 11, 15] {
        assert_eq!(Record::decode(&[kind]), Err(RecordError::UnknownKind(kind)));
    }
}
