//! The checker beside histories that are known to be good or bad.

use super::checker::{Anomaly, check};
use super::history::Op::{Append, List, Read, Write};
use super::history::{Op, Outcome, Txn};

/// Committed transactions, all at the same time, so that neither the log nor time says more.
fn history(txns: &[&[Op]]) -> Vec<Txn> {
    let outcome = Outcome::Committed { lsn: 1, end: 10 };
    txns.iter().map(|ops| Txn { begin: 1, ops: ops.to_vec(), outcome }).collect()
}

fn list(key: u64, values: &[u64]) -> Op {
    List(key, values.to_vec())
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
        &[Append(1, 1), Append(2, 2)],
        &[list(1, &[1]), Append(1, 3), list(1, &[1, 3])],
        &[list(1, &[1, 3]), list(2, &[2])],
        &[Read(7, None), Write(7, 70)],
        &[Read(7, Some(70)), Write(7, 71), Write(8, 80), Read(7, Some(71))],
        &[Read(8, Some(80)), Read(7, Some(71))],
    ]);
    assert_eq!(check(&serial), []);
}

#[test]
fn what_a_transaction_sees_of_itself_has_to_be_coherent() {
    assert_eq!(only(&history(&[&[Append(1, 1)], &[list(1, &[]), list(1, &[1])]])), "Internal");
    let blind = history(&[&[Append(1, 1), list(1, &[])], &[list(1, &[1])]]);
    assert!(check(&blind).contains(&Anomaly::Internal(0)));
    let register = history(&[&[Write(1, 5), Read(1, None)]]);
    assert!(check(&register).contains(&Anomaly::Internal(0)));
}

#[test]
fn aborted_intermediate_and_invented_values_are_noticed() {
    let mut aborted = history(&[&[Append(1, 1)], &[list(1, &[1])]]);
    aborted[0].outcome = Outcome::Aborted;
    assert_eq!(only(&aborted), "G1a");
    let between = history(&[&[Append(1, 1), Append(1, 2)], &[list(1, &[1])], &[list(1, &[1, 2])]]);
    assert!(check(&between).contains(&Anomaly::G1b { reader: 1 }));
    assert_eq!(only(&history(&[&[list(1, &[9])]])), "Garbage");
    let twice = history(&[&[Append(1, 1)], &[list(1, &[1, 1])]]);
    assert!(check(&twice).contains(&Anomaly::Garbage { reader: 1 }));
}

#[test]
fn lists_that_disagree_and_appends_that_are_gone_are_noticed() {
    let torn = history(&[&[Append(1, 1)], &[Append(1, 2)], &[list(1, &[2])], &[list(1, &[1, 2])]]);
    assert!(check(&torn).contains(&Anomaly::Order { reader: 2 }));
    assert_eq!(only(&history(&[&[Append(1, 1)], &[list(1, &[])]])), "Lost");
}

#[test]
fn half_of_a_transaction_whose_fate_is_unknown_is_noticed() {
    let mut half = history(&[&[Append(1, 1), Append(2, 2)], &[list(1, &[1]), list(2, &[])]]);
    half[0].outcome = Outcome::Unknown;
    assert!(check(&half).contains(&Anomaly::Lost { writer: 0 }));
    let mut gone = history(&[&[Append(1, 1), Append(2, 2)], &[list(1, &[]), list(2, &[])]]);
    gone[0].outcome = Outcome::Unknown;
    assert_eq!(check(&gone), []);
}

#[test]
fn cycles_are_found_and_named() {
    let g0 = history(&[
        &[Append(1, 1), Append(2, 2)],
        &[Append(1, 3), Append(2, 4)],
        &[list(1, &[1, 3])],
        &[list(2, &[4, 2])],
    ]);
    assert_eq!(only(&g0), "G0");
    let g1c = history(&[&[Append(1, 1), list(2, &[2])], &[Append(2, 2), list(1, &[1])]]);
    assert_eq!(only(&g1c), "G1c");
    let read_skew = history(&[
        &[Append(1, 1), Append(2, 2)],
        &[list(1, &[1]), list(2, &[])],
        &[list(1, &[1]), list(2, &[2])],
    ]);
    assert_eq!(only(&read_skew), "GSingle");
    let write_skew = history(&[
        &[list(1, &[]), list(2, &[]), Append(1, 1)],
        &[list(1, &[]), list(2, &[]), Append(2, 2)],
        &[list(1, &[1]), list(2, &[2])],
    ]);
    assert_eq!(only(&write_skew), "G2");
    let lost_update = history(&[
        &[Read(1, None), Write(1, 5)],
        &[Read(1, None), Write(1, 6)],
        &[Read(1, Some(6))],
    ]);
    assert_eq!(only(&lost_update), "G2");
}

#[test]
fn a_stale_read_is_noticed() {
    let mut stale = history(&[&[Append(1, 1)], &[list(1, &[])], &[list(1, &[1])]]);
    stale[1].begin = 11;
    stale[1].outcome = Outcome::Committed { lsn: 1, end: 20 };
    assert_eq!(only(&stale), "Time");
}

#[test]
fn a_dependency_against_the_order_of_the_log_is_noticed() {
    let mut backward =
        history(&[&[Append(1, 1)], &[list(1, &[1]), Append(2, 2)], &[list(2, &[2])]]);
    backward[0].outcome = Outcome::Committed { lsn: 5, end: 10 };
    backward[1].outcome = Outcome::Committed { lsn: 4, end: 10 };
    backward[2].outcome = Outcome::Committed { lsn: 6, end: 10 };
    assert_eq!(check(&backward), [Anomaly::LogOrder(0, 1)]);
}
