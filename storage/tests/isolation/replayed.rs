//! The replay beside histories that are known to be good or bad.

use super::history::{History, Key, Op, Outcome, ROUND_SHIFT, Txn};
use super::replay::{Unexplained, replay};

fn key(space: u8, number: u64) -> Key {
    Key { space, number }
}

fn append(number: u64, value: u64) -> Op {
    Op::Append(key(1, number), value)
}

fn list(number: u64, values: &[u64]) -> Op {
    Op::List(key(1, number), values.to_vec())
}

/// Of lists.
fn scan(numbers: &[u64]) -> Op {
    Op::Scan(1, 0, numbers.to_vec())
}

/// Transactions, one after the other, each with a frame of its own if it writes.
fn history(txns: &[&[Op]]) -> History {
    let mut history = History::default();
    for (i, ops) in txns.iter().enumerate() {
        let time = 10 * i as u64;
        let mut txn = Txn { begin: time, ops: ops.to_vec(), outcome: Outcome::Unknown };
        let mut lsn = history.order.last().map_or(0, |(_, end)| *end);
        if txn.writes() {
            lsn += 10;
            history.order.push((i, lsn));
        }
        txn.outcome = Outcome::Committed { lsn, end: time + 5 };
        history.txns.push(txn);
    }
    history
}

fn found(history: &History) -> Vec<Unexplained> {
    replay(history).0
}

const READ: fn(usize, usize) -> Unexplained = |txn, op| Unexplained::Read { txn, op };

#[test]
fn good_histories_pass() {
    let write = |number, value| Op::Write(key(4, number), value);
    let good = history(&[
        &[append(1, 1), append(2, 2), list(1, &[1])],
        &[scan(&[1, 2]), Op::Delete(key(1, 1)), scan(&[2]), list(1, &[])],
        &[list(1, &[]), scan(&[2]), list(2, &[2])],
        &[Op::Savepoint, append(2, 3), Op::Savepoint, Op::RollBack(0), list(2, &[2]), write(1, 4)],
        &[append(2, 5)],
        &[list(2, &[2, 5]), Op::Read(key(4, 1), Some(4)), Op::Drop(4)],
        &[Op::Read(key(4, 1), None), Op::Scan(4, 0, vec![])],
        &[Op::Create(4), write(2, 6)],
        &[Op::Savepoint, Op::Drop(4), Op::RollBack(0), write(3, 7)],
        &[Op::Scan(4, 0, vec![2, 3])],
    ]);
    let (found, seen) = replay(&good);
    assert_eq!(found, []);
    assert_eq!((seen.deleted, seen.rolled_back, seen.dropped, seen.created), (1, 2, 1, 1));
}

#[test]
fn what_came_back_or_stayed_is_noticed() {
    let deleted = history(&[&[append(1, 1)], &[Op::Delete(key(1, 1))], &[list(1, &[1])]]);
    assert_eq!(found(&deleted), [READ(2, 0)]);
    let name = history(&[&[append(1, 1)], &[Op::Delete(key(1, 1))], &[scan(&[1])]]);
    assert_eq!(found(&name), [READ(2, 0)]);
    let lost =
        history(&[&[append(1, 1)], &[Op::Delete(key(1, 1))], &[append(1, 2)], &[list(1, &[])]]);
    assert_eq!(found(&lost), [READ(3, 0)]);
    let ops = [append(1, 1), Op::Savepoint, append(1, 2), Op::RollBack(0)];
    let rolled_back = history(&[&ops, &[list(1, &[1, 2])]]);
    assert_eq!(found(&rolled_back), [READ(1, 0)]);
    let dropped = history(&[&[append(1, 1)], &[Op::Drop(1)], &[Op::Create(1)], &[list(1, &[1])]]);
    assert_eq!(found(&dropped), [READ(3, 0)]);
}

/// Two that each look for what the other is about to write: the second in the log cannot have seen it
/// so, whatever it looked for.
#[test]
fn a_writer_sees_what_is_before_it_in_the_log() {
    for look in [list(2, &[]), scan(&[])] {
        let skew = history(&[&[list(1, &[]), append(2, 2)], &[look, append(1, 1)]]);
        assert_eq!(found(&skew), [READ(1, 0)]);
    }
    let gone = [list(1, &[1]), append(2, 2)];
    let unseen = history(&[&[append(1, 1)], &[Op::Delete(key(1, 1))], &gone]);
    assert_eq!(found(&unseen), [READ(2, 0)]);
}

#[test]
fn a_keyspace_that_is_not_there_is_not_written_to() {
    for (n, wrong) in [append(1, 1), Op::Drop(1)].into_iter().enumerate() {
        assert_eq!(
            found(&history(&[&[Op::Drop(1)], &[wrong]])),
            [Unexplained::Keyspace { txn: 1 }],
            "{n}"
        );
    }
    assert_eq!(found(&history(&[&[Op::Create(1)]])), [Unexplained::Keyspace { txn: 0 }]);
}

#[test]
fn what_was_answered_is_what_the_log_has() {
    let mut missing = history(&[&[append(1, 1)], &[list(1, &[])]]);
    missing.order.clear();
    assert_eq!(found(&missing), [Unexplained::Missing { txn: 0 }]);
    let mut elsewhere = history(&[&[append(1, 1)]]);
    elsewhere.order[0].1 += 1;
    assert_eq!(found(&elsewhere), [Unexplained::Missing { txn: 0 }]);
    let mut undead = history(&[&[append(1, 1)]]);
    undead.txns[0].outcome = Outcome::Aborted { end: 5 };
    assert_eq!(found(&undead), [Unexplained::Undead { txn: 0 }]);
}

#[test]
fn a_stale_or_a_foreseeing_read_is_noticed() {
    let mut stale = history(&[&[append(1, 1)], &[list(1, &[])]]);
    stale.txns[1].outcome = Outcome::Committed { lsn: 0, end: 15 };
    assert_eq!(found(&stale), [Unexplained::Time { txn: 1 }]);
    let mut foreseen = history(&[&[list(1, &[1])], &[append(1, 1)]]);
    foreseen.txns[0].outcome = Outcome::Committed { lsn: 10, end: 5 };
    // One of the two is where it cannot be.
    assert_eq!(found(&foreseen), [Unexplained::Time { txn: 0 }, Unexplained::Time { txn: 1 }]);
    let mut backward = history(&[&[append(1, 1)], &[append(2, 2)]]);
    backward.order = vec![(1, 10), (0, 20)];
    backward.txns[0].outcome = Outcome::Committed { lsn: 20, end: 5 };
    backward.txns[1].outcome = Outcome::Committed { lsn: 10, end: 15 };
    assert_eq!(found(&backward), [Unexplained::Time { txn: 0 }, Unexplained::Time { txn: 1 }]);
}

/// What has no place in the log saw a state of its time, and all of it the same one.
#[test]
fn refused_transactions_and_single_reads_saw_one_state() {
    let at = |outcome: fn(u64) -> Outcome, ops: &[Op], begin, end| {
        let mut history = history(&[&[append(1, 1)], &[append(1, 2), append(2, 3)]]);
        history.txns.push(Txn { begin, ops: ops.to_vec(), outcome: outcome(end) });
        found(&history)
    };
    let refused = |ops: &[Op]| at(|end| Outcome::Aborted { end }, ops, 6, 12);
    assert_eq!(refused(&[list(1, &[1]), list(2, &[]), append(2, 9)]), []);
    assert_eq!(refused(&[list(1, &[1, 2]), list(2, &[3])]), []);
    let nowhere = [Unexplained::Nowhere { txn: 2 }];
    assert_eq!(refused(&[list(1, &[1]), list(2, &[3])]), nowhere);
    assert_eq!(refused(&[list(1, &[])]), nowhere);
    let looked = |found: &[u64], begin, end| {
        at(|end| Outcome::Looked { end }, &[list(1, found)], begin, end)
    };
    assert_eq!(looked(&[1], 6, 9), []);
    assert_eq!(looked(&[1, 2], 6, 12), []);
    assert_eq!(looked(&[1, 2], 6, 9), nowhere, "it had not begun");
    assert_eq!(looked(&[1], 16, 19), nowhere, "it had been acknowledged");
}

/// A transaction whose answer was lost is there from the next start on if the log has it, a read
/// beside the recovery included; or else never.
#[test]
fn what_a_kill_cut_off_is_there_as_the_log_has_it() {
    let cut_off = |in_the_log: bool, found: &[u64]| {
        let mut history = history(&[&[append(1, 1)], &[append(1, 2), append(2, 3)]]);
        history.txns[1].outcome = Outcome::Unknown;
        history.order.truncate(1 + usize::from(in_the_log));
        let begin = 1 << ROUND_SHIFT;
        let outcome = Outcome::Looked { end: begin + 3 };
        history.txns.push(Txn { begin: begin + 1, ops: vec![list(1, found)], outcome });
        history.recovered.push(begin + 5);
        let (found, seen) = replay(&history);
        assert_eq!((seen.recovering, seen.kept), (1, u64::from(in_the_log)));
        found
    };
    assert_eq!(cut_off(true, &[1, 2]), []);
    assert_eq!(cut_off(false, &[1]), []);
    assert_eq!(cut_off(true, &[1]), [Unexplained::Nowhere { txn: 2 }]);
    assert_eq!(cut_off(false, &[1, 2]), [Unexplained::Nowhere { txn: 2 }]);
}
