//! The search beside histories that are known to be good or bad.

use super::checker::{Anomaly, check};
use super::history::{Key, Op, Outcome, Txn};

/// Committed transactions, all at the same time, so that neither the log nor time says more.
fn history(txns: &[&[Op]]) -> Vec<Txn> {
    let outcome = Outcome::Committed { lsn: 1, end: 10 };
    txns.iter().map(|ops| Txn { begin: 1, ops: ops.to_vec(), outcome }).collect()
}

fn key(space: u8, number: u64) -> Key {
    Key { space, number }
}

fn append(number: u64, value: u64) -> Op {
    Op::Append(key(1, number), value)
}

fn list(number: u64, values: &[u64]) -> Op {
    Op::List(key(1, number), values.to_vec())
}

fn write(number: u64, value: u64) -> Op {
    Op::Write(key(2, number), value)
}

fn read(number: u64, value: Option<u64>) -> Op {
    Op::Read(key(2, number), value)
}

/// Of a list.
fn delete(number: u64) -> Op {
    Op::Delete(key(1, number))
}

/// Of lists.
fn scan(numbers: &[u64]) -> Op {
    Op::Scan(1, 0, numbers.to_vec())
}

/// The one anomaly of a history, without its numbers.
fn only(history: &[Txn]) -> String {
    let found = check(history);
    assert_eq!(found.len(), 1, "{found:?}");
    let name = format!("{:?}", found[0]);
    name.split([' ', '(']).next().unwrap_or_default().to_owned()
}

#[test]
fn good_histories_pass() {
    let serial = history(&[
        &[append(1, 1), append(2, 2)],
        &[list(1, &[1]), append(1, 3), list(1, &[1, 3])],
        &[list(1, &[1, 3]), list(2, &[2])],
        &[read(7, None), write(7, 70)],
        &[read(7, Some(70)), write(7, 71), write(8, 80), read(7, Some(71))],
        &[read(8, Some(80)), read(7, Some(71))],
    ]);
    assert_eq!(check(&serial), []);
}

#[test]
fn what_a_transaction_sees_of_itself_has_to_be_coherent() {
    let two_states = history(&[&[append(1, 1)], &[list(1, &[]), list(1, &[1])]]);
    assert!(check(&two_states).contains(&Anomaly::Internal(1)));
    let blind = history(&[&[append(1, 1), list(1, &[])], &[list(1, &[1])]]);
    assert!(check(&blind).contains(&Anomaly::Internal(0)));
    let register = history(&[&[write(1, 5), read(1, None)]]);
    assert!(check(&register).contains(&Anomaly::Internal(0)));
}

#[test]
fn aborted_intermediate_and_invented_values_are_noticed() {
    let mut aborted = history(&[&[append(1, 1)], &[list(1, &[1])]]);
    aborted[0].outcome = Outcome::Aborted { end: 10 };
    assert_eq!(only(&aborted), "G1a");
    let between = history(&[&[append(1, 1), append(1, 2)], &[list(1, &[1])], &[list(1, &[1, 2])]]);
    assert!(check(&between).contains(&Anomaly::G1b { reader: 1 }));
    assert_eq!(only(&history(&[&[list(1, &[9])]])), "Garbage");
    let twice = history(&[&[append(1, 1)], &[list(1, &[1, 1])]]);
    assert!(check(&twice).contains(&Anomaly::Garbage { reader: 1 }));
}

#[test]
fn lists_that_disagree_and_appends_that_are_gone_are_noticed() {
    let torn = history(&[&[append(1, 1)], &[append(1, 2)], &[list(1, &[2])], &[list(1, &[1, 2])]]);
    assert!(check(&torn).contains(&Anomaly::Order { reader: 2 }));
    assert_eq!(only(&history(&[&[append(1, 1)], &[list(1, &[])]])), "Lost");
}

#[test]
fn half_of_a_transaction_whose_fate_is_unknown_is_noticed() {
    let mut half = history(&[&[append(1, 1), append(2, 2)], &[list(1, &[1]), list(2, &[])]]);
    half[0].outcome = Outcome::Unknown;
    assert!(check(&half).contains(&Anomaly::Lost { writer: 0 }));
    let mut gone = history(&[&[append(1, 1), append(2, 2)], &[list(1, &[]), list(2, &[])]]);
    gone[0].outcome = Outcome::Unknown;
    assert_eq!(check(&gone), []);
}

#[test]
fn cycles_are_found_and_named() {
    let g0 = history(&[
        &[append(1, 1), append(2, 2)],
        &[append(1, 3), append(2, 4)],
        &[list(1, &[1, 3])],
        &[list(2, &[4, 2])],
    ]);
    assert_eq!(only(&g0), "G0");
    let g1c = history(&[&[append(1, 1), list(2, &[2])], &[append(2, 2), list(1, &[1])]]);
    assert_eq!(only(&g1c), "G1c");
    let read_skew = history(&[
        &[append(1, 1), append(2, 2)],
        &[list(1, &[1]), list(2, &[])],
        &[list(1, &[1]), list(2, &[2])],
    ]);
    assert_eq!(only(&read_skew), "GSingle");
    let write_skew = history(&[
        &[list(1, &[]), list(2, &[]), append(1, 1)],
        &[list(1, &[]), list(2, &[]), append(2, 2)],
        &[list(1, &[1]), list(2, &[2])],
    ]);
    assert_eq!(only(&write_skew), "G2");
    let lost_update = history(&[
        &[read(1, None), write(1, 5)],
        &[read(1, None), write(1, 6)],
        &[read(1, Some(6))],
    ]);
    assert_eq!(only(&lost_update), "G2");
}

#[test]
fn a_stale_read_is_noticed() {
    let mut stale = history(&[&[append(1, 1)], &[list(1, &[])], &[list(1, &[1])]]);
    stale[1].begin = 11;
    stale[1].outcome = Outcome::Committed { lsn: 1, end: 20 };
    assert_eq!(only(&stale), "Time");
}

#[test]
fn a_dependency_against_the_order_of_the_log_is_noticed() {
    let mut backward =
        history(&[&[append(1, 1)], &[list(1, &[1]), append(2, 2)], &[list(2, &[2])]]);
    backward[0].outcome = Outcome::Committed { lsn: 5, end: 10 };
    backward[1].outcome = Outcome::Committed { lsn: 4, end: 10 };
    backward[2].outcome = Outcome::Committed { lsn: 6, end: 10 };
    assert_eq!(check(&backward), [Anomaly::LogOrder(0, 1)]);
}

/// What is rolled back may be seen by the transaction itself, while it is there.
#[test]
fn a_value_that_was_rolled_back_is_noticed() {
    let ops = [append(1, 1), Op::Savepoint, append(1, 2), list(1, &[1, 2]), Op::RollBack(0)];
    let ops = [&ops[..], &[list(1, &[1]), append(1, 3)]].concat();
    assert_eq!(check(&history(&[&ops, &[list(1, &[1, 3])]])), []);
    let seen = history(&[&ops, &[list(1, &[1, 2])], &[list(1, &[1, 3])]]);
    assert!(check(&seen).contains(&Anomaly::G1a { reader: 1 }));
    let kept = history(&[&ops, &[list(1, &[1, 2, 3])]]);
    assert!(check(&kept).contains(&Anomaly::G1a { reader: 1 }));
    // It is still there for the transaction itself, or what was before is gone, too.
    for left in [&[1, 2][..], &[]] {
        let own = [&ops[..5], &[list(1, left)]].concat();
        assert!(check(&history(&[&own, &[list(1, &[1])]])).contains(&Anomaly::Internal(0)));
    }
    let lost = history(&[&ops, &[list(1, &[3])]]);
    assert_eq!(only(&lost), "Order");
}

#[test]
fn deletions_pass_and_what_they_took_is_not_lost() {
    let good = history(&[
        &[append(1, 1)],
        &[list(1, &[1]), delete(1), list(1, &[])],
        &[list(1, &[])],
        &[append(1, 2), append(1, 3)],
        &[list(1, &[2, 3]), delete(1), append(1, 4)],
        &[list(1, &[4])],
        &[write(1, 5), Op::Delete(key(2, 1)), read(1, None)],
        &[append(7, 9), scan(&[7])],
        &[scan(&[]), Op::Drop(1)],
    ]);
    assert_eq!(check(&good), []);
    // Nobody knows who left nothing: these are no proof of anything.
    let unknown = history(&[
        &[list(1, &[]), append(2, 1), list(2, &[1])],
        &[list(2, &[]), append(1, 2), list(1, &[2])],
        &[list(1, &[2]), list(2, &[1])],
        &[delete(1), delete(2)],
    ]);
    assert_eq!(check(&unknown), []);
}

#[test]
fn what_a_deletion_took_does_not_come_back() {
    // The deletion follows the value that it found, and the list that is begun anew is another one.
    let again =
        history(&[&[append(1, 1)], &[list(1, &[1]), delete(1)], &[list(1, &[1]), append(1, 2)]]);
    assert_eq!(only(&again), "G2");
    let both = history(&[
        &[append(1, 1)],
        &[append(1, 2)],
        &[list(1, &[1])],
        &[list(1, &[2, 1])],
        &[delete(1)],
    ]);
    assert!(check(&both).contains(&Anomaly::Order { reader: 2 }));
    let own = history(&[&[append(1, 1), delete(1), append(1, 2)], &[list(1, &[1, 2])]]);
    assert!(check(&own).contains(&Anomaly::G1b { reader: 1 }));
    let register = history(&[
        &[write(1, 5)],
        &[read(1, Some(5)), Op::Delete(key(2, 1)), append(1, 1)],
        &[read(1, Some(5)), list(1, &[1])],
    ]);
    assert_eq!(only(&register), "GSingle");
}

#[test]
fn a_refused_transaction_saw_one_state_too() {
    let mut skew = history(&[
        &[append(1, 1), append(2, 2)],
        &[list(1, &[1]), list(2, &[]), append(3, 3)],
        &[list(1, &[1]), list(2, &[2])],
    ]);
    skew[1].outcome = Outcome::Aborted { end: 10 };
    assert_eq!(only(&skew), "GSingle");
}

/// Adya's G2 on a predicate: each scans, and adds what the other's scan did not find.
#[test]
fn phantoms_are_noticed() {
    let skew = history(&[
        &[scan(&[]), append(1, 1)],
        &[scan(&[]), append(2, 2)],
        &[scan(&[1, 2]), list(1, &[1]), list(2, &[2])],
    ]);
    assert_eq!(only(&skew), "G2");
    // A scan that found one of two that were added at once.
    let half =
        history(&[&[append(1, 1), append(2, 2)], &[scan(&[1])], &[list(1, &[1]), list(2, &[2])]]);
    assert_eq!(only(&half), "GSingle");
    let again = history(&[&[append(1, 1)], &[scan(&[]), scan(&[1])], &[list(1, &[1])]]);
    assert!(check(&again).contains(&Anomaly::Internal(1)));
    let unlike = history(&[&[append(1, 1)], &[scan(&[]), list(1, &[1])]]);
    assert!(check(&unlike).contains(&Anomaly::Internal(1)));
    let own = history(&[&[append(1, 1), scan(&[])], &[list(1, &[1])]]);
    assert_eq!(only(&own), "Internal");
    let gone = history(&[&[append(1, 1)], &[delete(1), scan(&[1])]]);
    assert_eq!(only(&gone), "Internal");
}
