//! What transactions did, as their clients saw it, and in which order the log has them.

use std::collections::{BTreeMap, HashMap};

/// Bits of a number below its prefix, by which keys are scanned.
pub const PREFIX_SHIFT: u32 = 32;
/// Bits of a time below the round that it is in.
pub const ROUND_SHIFT: u32 = 44;

/// A key of one of the keyspaces. Odd ones have lists, even ones registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub space: u8,
    pub number: u64,
}

impl Key {
    pub fn is_list(self) -> bool {
        !self.space.is_multiple_of(2)
    }

    pub fn prefix(self) -> u64 {
        self.number >> PREFIX_SHIFT
    }
}

/// One operation of a transaction. Values are unique over a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Appended to the list of a key.
    Append(Key, u64),
    /// Read the list of a key.
    List(Key, Vec<u64>),
    /// Set the register of a key.
    Write(Key, u64),
    /// Read the register of a key.
    Read(Key, Option<u64>),
    /// Deleted list or register.
    Delete(Key),
    /// Read which keys of a keyspace with a prefix there are.
    Scan(u8, u64, Vec<u64>),
    /// Made a savepoint.
    Savepoint,
    /// Rolled back to a savepoint, the first being 0; later ones are void.
    RollBack(usize),
    /// Dropped a keyspace, with all that is in it.
    Drop(u8),
    /// Made it anew.
    Create(u8),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged, at a position of the log, at a time.
    Committed { lsn: u64, end: u64 },
    /// Refused, or dropped by its client, at a time.
    Aborted { end: u64 },
    /// It was none, but one read outside of all, that ended at a time.
    Looked { end: u64 },
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

impl Txn {
    /// Whether it is in the log, once it is committed.
    pub fn writes(&self) -> bool {
        self.ops.iter().any(|op| {
            !matches!(
                op,
                Op::List(..) | Op::Read(..) | Op::Scan(..) | Op::Savepoint | Op::RollBack(_)
            )
        })
    }

    /// When it had surely ended: one whose answer was lost, with the process that it ran in.
    pub fn end(&self) -> u64 {
        match self.outcome {
            Outcome::Committed { end, .. } | Outcome::Aborted { end } | Outcome::Looked { end } => {
                end
            }
            Outcome::Unknown => (((self.begin >> ROUND_SHIFT) + 1) << ROUND_SHIFT) - 1,
        }
    }
}

/// All that is known of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct History {
    pub txns: Vec<Txn>,
    /// Transactions that wrote, by their place in `txns`, in the order of the log, each with the end
    /// of its frame: what a change stream says.
    pub order: Vec<(usize, u64)>,
    /// When recoveries were over.
    pub recovered: Vec<u64>,
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
        Outcome::Aborted { end } => format!("A {id} {end}\n"),
        Outcome::Looked { end } => format!("L {id} {end}\n"),
        Outcome::Unknown => String::new(),
    }
}

/// One line: the next transaction in the log.
pub fn write_logged(id: u64, frame_end: u64) -> String {
    format!("O {id} {frame_end}\n")
}

/// One line: a recovery is over.
pub fn write_recovered(at: u64) -> String {
    format!("R {at}\n")
}

fn write_op(op: &Op) -> String {
    let joined = |values: &[u64]| {
        let values: Vec<String> = values.iter().map(u64::to_string).collect();
        values.join(",")
    };
    let name = |key: &Key| format!("{}:{}", key.space, key.number);
    match op {
        Op::Append(key, value) => format!("a:{}:{value}", name(key)),
        Op::Write(key, value) => format!("w:{}:{value}", name(key)),
        Op::Read(key, value) => format!("r:{}:{}", name(key), joined(value.as_slice())),
        Op::List(key, values) => format!("l:{}:{}", name(key), joined(values)),
        Op::Delete(key) => format!("d:{}", name(key)),
        Op::Scan(space, prefix, keys) => format!("s:{space}:{prefix}:{}", joined(keys)),
        Op::Savepoint => "p".to_owned(),
        Op::RollBack(to) => format!("b:{to}"),
        Op::Drop(space) => format!("x:{space}"),
        Op::Create(space) => format!("c:{space}"),
    }
}

/// Reads the lines of a client that may have been killed: a last line cut short is left out, for
/// what it speaks of had not been sent, or not been answered, yet.
pub fn parse(text: &str) -> History {
    let mut txns: BTreeMap<u64, Txn> = BTreeMap::new();
    let (mut order, mut recovered) = (Vec::new(), Vec::new());
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let id = number(1);
        let outcome = match words[0] {
            "B" => {
                let ops = words[3..].iter().filter(|w| !w.is_empty()).map(|w| parse_op(w));
                let (begin, ops) = (number(2), ops.collect());
                txns.insert(id, Txn { begin, ops, outcome: Outcome::Unknown });
                continue;
            }
            "O" => {
                order.push((id, number(2)));
                continue;
            }
            "R" => {
                recovered.push(id);
                continue;
            }
            "C" => Outcome::Committed { lsn: number(2), end: number(3) },
            "L" => Outcome::Looked { end: number(2) },
            _ => Outcome::Aborted { end: number(2) },
        };
        txns.get_mut(&id).unwrap().outcome = outcome;
    }
    let places: HashMap<u64, usize> = txns.keys().enumerate().map(|(at, id)| (*id, at)).collect();
    let order = order.into_iter().map(|(id, end)| (places[&id], end)).collect();
    History { txns: txns.into_values().collect(), order, recovered }
}

fn parse_op(word: &str) -> Op {
    let parts: Vec<&str> = word.split(':').collect();
    let number = |at: usize| parts[at].parse::<u64>().unwrap();
    let space = || parts[1].parse::<u8>().unwrap();
    let key = || Key { space: space(), number: number(2) };
    let values = || -> Vec<u64> {
        parts[3].split(',').filter(|v| !v.is_empty()).map(|v| v.parse().unwrap()).collect()
    };
    match parts[0] {
        "a" => Op::Append(key(), number(3)),
        "w" => Op::Write(key(), number(3)),
        "r" => Op::Read(key(), values().first().copied()),
        "l" => Op::List(key(), values()),
        "d" => Op::Delete(key()),
        "s" => Op::Scan(space(), number(2), values()),
        "p" => Op::Savepoint,
        "b" => Op::RollBack(parts[1].parse().unwrap()),
        "x" => Op::Drop(space()),
        _ => Op::Create(space()),
    }
}

#[test]
fn what_was_written_is_parsed_and_a_cut_line_is_left_out() {
    let key = |space, number| Key { space, number };
    let ops = vec![
        Op::Append(key(1, 1), 2),
        Op::List(key(1, 1), vec![2, 3]),
        Op::List(key(3, 4), vec![]),
        Op::Savepoint,
        Op::Delete(key(1, 1)),
        Op::RollBack(0),
        Op::Scan(1, 7, vec![1, 4]),
        Op::Scan(2, 7, vec![]),
    ];
    let more = vec![
        Op::Write(key(2, 1), 5),
        Op::Read(key(2, 1), None),
        Op::Read(key(2, 1), Some(5)),
        Op::Drop(3),
        Op::Create(3),
    ];
    let committed = Outcome::Committed { lsn: 9, end: 11 };
    let (aborted, looked) = (Outcome::Aborted { end: 12 }, Outcome::Looked { end: 13 });
    let text = write_begun(1, 7, &ops)
        + &write_begun(2, 8, &more)
        + &write_outcome(1, committed)
        + &write_begun(3, 9, &[])
        + &write_outcome(3, aborted)
        + &write_recovered(6)
        + &write_logged(1, 9)
        + &write_begun(4, 9, &[])
        + &write_outcome(4, looked);
    let txns = vec![
        Txn { begin: 7, ops, outcome: committed },
        Txn { begin: 8, ops: more, outcome: Outcome::Unknown },
        Txn { begin: 9, ops: vec![], outcome: aborted },
        Txn { begin: 9, ops: vec![], outcome: looked },
    ];
    let expected = History { txns, order: vec![(0, 9)], recovered: vec![6] };
    assert_eq!(parse(&text), expected);
    assert_eq!(parse(&(text + "C 2 12")), expected);
}
