//! What analysis makes of each kind of record, one by one.

#![allow(clippy::unwrap_used, reason = "tests")]

use strongroom_aries::{
    After, Analysis, Before, CheckpointEnd, Compensation, DirtyPageTable, Lsn, MapLocation, NO_LSN,
    Outcome, PageId, Record, Relocation, Transaction, TransactionTable, TxnId, Update,
};

const BEGIN: Lsn = 100;
const MAP: MapLocation = MapLocation { segment: 1, offset: 2, len: 3 };

fn page(keyspace: u32, pending: bool, key: &[u8]) -> PageId {
    PageId { keyspace, pending, path: u64::from(key[0]) << 56, depth: 8 }
}

fn analyse(log: &[(Lsn, Record<'_>)]) -> Outcome {
    let mut analysis = Analysis::new(BEGIN);
    for (lsn, record) in log {
        analysis.see(*lsn, record, page);
    }
    analysis.finish()
}

fn update(txn: Option<(u64, Lsn)>, key: &'static [u8]) -> Record<'static> {
    let txn = txn.map(|(id, prev)| (TxnId(id), prev));
    let before = if txn.is_some() { Before::Absent } else { Before::Omitted };
    Record::Update(Update { txn, keyspace: 1, key, after: After::Value(b"v"), before })
}

fn end_of(begin: Lsn) -> Record<'static> {
    let mut transactions = TransactionTable::default();
    let state = Transaction { committed: false, last: 90, undo_next: 80 };
    transactions.insert(TxnId(70), state);
    transactions.insert(TxnId(75), state);
    let mut dirty = DirtyPageTable::default();
    dirty.note(page(1, false, b"a"), 50);
    dirty.note(page(1, false, b"z"), 110);
    Record::CheckpointEnd(CheckpointEnd { begin, map: MAP, transactions, dirty })
}

#[test]
fn the_tables_of_the_checkpoint_are_taken_in_where_nothing_newer_was_seen() {
    let log =
        [(100, Record::CheckpointBegin), (105, update(Some((70, 90)), b"a")), (120, end_of(BEGIN))];
    let found = analyse(&log);
    assert_eq!(found.map, Some(MAP));
    let newer = Transaction { committed: false, last: 105, undo_next: 105 };
    assert_eq!(found.transactions.get(TxnId(70)), Some(&newer));
    let older = Transaction { committed: false, last: 90, undo_next: 80 };
    assert_eq!(found.transactions.get(TxnId(75)), Some(&older));
    assert_eq!(found.transactions.len(), 2);
    assert!(!found.transactions.is_empty());
    assert_eq!(found.transactions.oldest_first_lsn(), Some(70));
    assert_eq!(found.dirty.recovery_lsn(page(1, false, b"a")), Some(50));
    assert_eq!(found.dirty.recovery_lsn(page(1, false, b"z")), Some(110));
    assert_eq!(found.dirty.recovery_lsn(page(1, true, b"a")), Some(105));
    assert_eq!(found.dirty.len(), 3);
    assert!(!found.dirty.is_empty());
    assert_eq!(found.redo_from, 50);
}

/// The end of a checkpoint whose begin record lies elsewhere says nothing of this one: its tables
/// are of another time.
#[test]
fn the_end_of_another_checkpoint_is_passed_over() {
    let log = [(100, Record::CheckpointBegin), (120, end_of(BEGIN - 1)), (130, end_of(BEGIN + 1))];
    let found = analyse(&log);
    assert_eq!(found.map, None);
    assert!(found.transactions.is_empty() && found.dirty.is_empty());
    assert_eq!((found.transactions.len(), found.dirty.len()), (0, 0));
    assert_eq!(found.transactions.oldest_first_lsn(), None);
    assert_eq!((found.dirty.oldest(), found.redo_from), (None, BEGIN));
}

/// Records of keyspaces belong to no page, so redo never starts after the begin record.
#[test]
fn redo_starts_at_the_begin_record_at_the_latest() {
    let found = analyse(&[(100, Record::CheckpointBegin), (150, update(None, b"a"))]);
    assert_eq!(found.dirty.oldest(), Some(150));
    assert_eq!(found.redo_from, BEGIN);
}

#[test]
fn each_kind_of_record_leaves_its_mark() {
    let compensation = Record::Compensation(Compensation {
        txn: TxnId(110),
        undo_next: 110,
        keyspace: 1,
        key: b"b",
        restore: Before::Absent,
    });
    let moved =
        Record::Relocation(Relocation { keyspace: 1, key: b"m", version: 5, value: b"value" });
    let log = [
        (110, update(Some((110, NO_LSN)), b"a")),
        (115, update(Some((110, 110)), b"b")),
        (120, compensation),
        (125, moved),
        (130, update(Some((130, NO_LSN)), b"c")),
        (135, Record::Commit(TxnId(130))),
        (140, update(Some((140, NO_LSN)), b"d")),
        (145, Record::Commit(TxnId(140))),
        (146, Record::End(TxnId(140))),
        (150, update(None, b"a")),
        (155, Record::DropKeyspace { keyspace: 1 }),
    ];
    let found = analyse(&log);
    let loser = Transaction { committed: false, last: 120, undo_next: 110 };
    let winner = Transaction { committed: true, last: 135, undo_next: NO_LSN };
    let transactions: Vec<_> = found.transactions.iter().collect();
    assert_eq!(transactions, [(TxnId(110), &loser), (TxnId(130), &winner)]);
    let dirty: Vec<_> = found.dirty.iter().collect();
    let expected = [
        (page(1, false, b"a"), 150),
        (page(1, false, b"m"), 125),
        (page(1, true, b"a"), 110),
        (page(1, true, b"b"), 115),
        (page(1, true, b"c"), 130),
        (page(1, true, b"d"), 140),
    ];
    assert_eq!(dirty, expected);
}

#[test]
fn a_page_that_was_written_is_clean_until_it_is_changed_again() {
    let mut dirty = DirtyPageTable::default();
    let one = page(1, false, b"a");
    dirty.note(one, 10);
    dirty.note(one, 20);
    assert_eq!(dirty.recovery_lsn(one), Some(10));
    dirty.clean(one);
    assert_eq!(dirty.recovery_lsn(one), None);
    dirty.note(one, 30);
    assert_eq!(dirty.oldest(), Some(30));
}
