//! The sweep of undo, step by step.

#![allow(clippy::unwrap_used, reason = "tests")]

use strongroom_aries::{
    After, Before, Lsn, NO_LSN, Record, Transaction, TransactionTable, TxnId, Undo, UndoError,
    Update,
};

fn update(txn: u64, prev: Lsn, before: Before) -> Record<'static> {
    let txn = Some((TxnId(txn), prev));
    Record::Update(Update { txn, keyspace: 1, key: b"k", after: After::Deleted, before })
}

fn table(states: &[(u64, bool, Lsn)]) -> TransactionTable {
    let mut table = TransactionTable::default();
    for (txn, committed, undo_next) in states {
        let state = Transaction { committed: *committed, last: 90, undo_next: *undo_next };
        table.insert(TxnId(*txn), state);
    }
    table
}

/// Winners without an end record, and losers whose last compensation was logged before the crash,
/// would stay in every table to come, and hold the log for good.
#[test]
fn who_has_nothing_to_undo_is_ended() {
    let undo = Undo::new(&table(&[(10, true, NO_LSN), (20, false, NO_LSN), (30, false, 35)]));
    assert_eq!(undo.only_to_end(), [TxnId(10), TxnId(20)]);
    assert_eq!(undo.next(), Some(35));
    let none = Undo::new(&TransactionTable::default());
    assert_eq!((none.only_to_end(), none.next()), (&[][..], None));
}

#[test]
fn losers_are_undone_together_from_the_last_record_to_the_first() {
    let mut undo = Undo::new(&table(&[(10, false, 40), (20, false, 30)]));
    let log = [(40, 10, 10), (30, 20, 20), (20, 20, NO_LSN), (10, 10, NO_LSN)];
    for (lsn, txn, prev) in log {
        assert_eq!(undo.next(), Some(lsn));
        let record = update(txn, prev, Before::Absent);
        let step = undo.step(&record).unwrap();
        assert_eq!((step.compensation.txn, step.compensation.undo_next), (TxnId(txn), prev));
        assert_eq!(step.compensation.restore, Before::Absent);
        assert_eq!(step.ends, prev == NO_LSN);
    }
    assert_eq!(undo.next(), None);
}

/// A chain that does not lead back would never end.
#[test]
fn a_chain_that_does_not_lead_back_is_broken() {
    for (prev, before) in
        [(40, Before::Absent), (41, Before::Absent), (10, Before::Omitted), (40, Before::Omitted)]
    {
        let mut undo = Undo::new(&table(&[(10, false, 40)]));
        let broken = Err(UndoError::BrokenChain(40));
        assert_eq!(undo.step(&update(10, prev, before)), broken, "{prev} {before:?}");
    }
}
