//! What transactions did, as their clients saw it.

use std::collections::BTreeMap;

/// One operation of a transaction. Values are unique over a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Appended to the list of a key.
    Append(u64, u64),
    /// Read the list of a key.
    List(u64, Vec<u64>),
    /// Set the register of a key.
    Write(u64, u64),
    /// Read the register of a key.
    Read(u64, Option<u64>),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged, at a position of the log, at a time.
    Committed { lsn: u64, end: u64 },
    /// Refused.
    Aborted,
    /// The client never heard of it.
    Unknown,
}

/// A transaction as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// When it began; later than the end of every transaction that was acknowledged before.
    pub begin: u64,
    pub ops: Vec<Op>,
    pub outcome: Outcome,
}

/// One line: everything but the outcome.
pub fn write_begun(id: u64, begin: u64, ops: &[Op]) -> String {
    let ops: Vec<String> = ops.iter().map(write_op).collect();
    format!("B {id} {begin} {}\n", ops.join(" "))
}

/// One line: the outcome.
pub fn write_outcome(id: u64, outcome: Outcome) -> String {
    match outcome {
        Outcome::Committed { lsn, end } => format!("C {id} {lsn} {end}\n"),
        Outcome::Aborted => format!("A {id}\n"),
        Outcome::Unknown => String::new(),
    }
}

fn write_op(op: &Op) -> String {
    match op {
        Op::Append(key, value) => format!("a:{key}:{value}"),
        Op::Write(key, value) => format!("w:{key}:{value}"),
        Op::Read(key, value) => format!("r:{key}:{}", value.unwrap_or(0)),
        Op::List(key, values) => {
            let values: Vec<String> = values.iter().map(u64::to_string).collect();
            format!("l:{key}:{}", values.join(","))
        }
    }
}

/// Reads the lines of a client that may have been killed: a last line cut short is left out, for
/// what it speaks of had not been sent, or not been answered, yet.
pub fn parse(text: &str) -> Vec<Txn> {
    let mut txns: BTreeMap<u64, Txn> = BTreeMap::new();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let id = number(1);
        match words[0] {
            "B" => {
                let ops = words[3..].iter().filter(|w| !w.is_empty()).map(|w| parse_op(w));
                let (begin, ops) = (number(2), ops.collect());
                txns.insert(id, Txn { begin, ops, outcome: Outcome::Unknown });
            }
            "C" => {
                let outcome = Outcome::Committed { lsn: number(2), end: number(3) };
                txns.get_mut(&id).unwrap().outcome = outcome;
            }
            _ => txns.get_mut(&id).unwrap().outcome = Outcome::Aborted,
        }
    }
    txns.into_values().collect()
}

fn parse_op(word: &str) -> Op {
    let parts: Vec<&str> = word.split(':').collect();
    let key = parts[1].parse().unwrap();
    let value = || parts[2].parse().unwrap();
    match parts[0] {
        "a" => Op::Append(key, value()),
        "w" => Op::Write(key, value()),
        "r" => Op::Read(key, Some(value()).filter(|value| *value != 0)),
        _ => {
            let values = parts[2].split(',').filter(|v| !v.is_empty());
            Op::List(key, values.map(|v| v.parse().unwrap()).collect())
        }
    }
}

#[test]
fn what_was_written_is_parsed_and_a_cut_line_is_left_out() {
    let ops = vec![Op::Append(1, 2), Op::List(1, vec![2, 3]), Op::List(4, vec![])];
    let more = vec![Op::Write(1, 5), Op::Read(1, None), Op::Read(1, Some(5))];
    let committed = Outcome::Committed { lsn: 9, end: 11 };
    let text = write_begun(1, 7, &ops)
        + &write_begun(2, 8, &more)
        + &write_outcome(1, committed)
        + &write_begun(3, 9, &[])
        + &write_outcome(3, Outcome::Aborted);
    let expected = [
        Txn { begin: 7, ops, outcome: committed },
        Txn { begin: 8, ops: more, outcome: Outcome::Unknown },
        Txn { begin: 9, ops: vec![], outcome: Outcome::Aborted },
    ];
    assert_eq!(parse(&text), expected);
    assert_eq!(parse(&(text + "C 2 12")), expected);
}
