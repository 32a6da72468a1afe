//! Looks for proof that a history is not strictly serializable.
//!
//! After Elle (K. Kingsbury and P. Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
//! Observations", VLDB 14(3), 2020): lists show in which order their elements were appended, so
//! that the dependencies of A. Adya's thesis ("Weak Consistency", MIT 1999) can be told from what
//! clients saw. Registers show it where a transaction wrote what it had read before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::graph::{Graph, Why};
use super::history::{Op, Outcome, Txn};

/// What is wrong with a history; numbers are places of transactions in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// A transaction did not see its own writes, or read two states.
    Internal(usize),
    /// What an aborted transaction wrote was read.
    G1a { reader: usize },
    /// What a transaction itself overwrote was read by another.
    G1b { reader: usize },
    /// A value that nobody wrote, or one that is in a list twice.
    Garbage { reader: usize },
    /// Two reads of one list disagree about its order.
    Order { reader: usize },
    /// An acknowledged append is not in the list.
    Lost { writer: usize },
    /// Cycle of overwritten values.
    G0(Vec<usize>),
    /// Cycle of values overwritten and read.
    G1c(Vec<usize>),
    /// Cycle with one read that was overwritten: read skew and its kin.
    GSingle(Vec<usize>),
    /// Cycle with more of them: write skew, lost update and their kin.
    G2(Vec<usize>),
    /// A cycle once real time is taken into account: a stale read.
    Time(Vec<usize>),
    /// A transaction depends on one that stands later in the log.
    LogOrder(usize, usize),
}

type Key = (u8, u64);

/// What a transaction did to the world: the first state it saw and the last it left, by key.
#[derive(Default)]
struct Effects {
    read: BTreeMap<Key, Option<u64>>,
    left: BTreeMap<Key, u64>,
    overwritten: Vec<u64>,
}

/// Everything that is wrong with a history. It should end with transactions that read every list.
pub fn check(history: &[Txn]) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let written: HashMap<u64, usize> = history
        .iter()
        .enumerate()
        .flat_map(|(i, txn)| {
            txn.ops.iter().filter_map(move |op| match op {
                Op::Append(_, value) | Op::Write(_, value) => Some((*value, i)),
                _ => None,
            })
        })
        .collect();
    let seen = seen_values(history);
    // What was not acknowledged counts once somebody saw it.
    let counts: Vec<bool> = (0..history.len())
        .map(|i| match history[i].outcome {
            Outcome::Committed { .. } => true,
            Outcome::Aborted => false,
            Outcome::Unknown => history[i].ops.iter().any(|op| match op {
                Op::Append(_, value) | Op::Write(_, value) => seen.contains(value),
                _ => false,
            }),
        })
        .collect();
    let effects: Vec<Effects> = history.iter().map(effects_of).collect();
    found.extend((0..history.len()).filter(|i| !is_coherent(&history[*i])).map(Anomaly::Internal));
    let overwritten: BTreeSet<u64> =
        effects.iter().flat_map(|e| e.overwritten.iter().copied()).collect();
    for (reader, txn) in history.iter().enumerate().filter(|(i, _)| counts[*i]) {
        check_reads(reader, txn, history, &written, &mut found);
        let stale = effects[reader].read.values().flatten().any(|v| overwritten.contains(v));
        found.extend(stale.then_some(Anomaly::G1b { reader }));
    }
    let lists = longest_lists(history, &counts, &mut found);
    found.extend(lost(history, &counts, &lists));
    let mut graph = Graph::new(2 * history.len());
    dependencies(&effects, &counts, &lists, &overwritten, &written, &mut graph);
    found.extend(graph.edges().filter_map(|(a, b, _)| log_order(history, a, b)));
    found.extend(cycles(&mut graph, history));
    found
}

/// Values that any transaction, itself aside, saw.
fn seen_values(history: &[Txn]) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    for txn in history {
        let mut own = BTreeSet::new();
        for op in &txn.ops {
            match op {
                Op::Append(_, v) | Op::Write(_, v) => _ = own.insert(*v),
                Op::List(_, values) => seen.extend(values.iter().filter(|v| !own.contains(v))),
                Op::Read(_, value) => seen.extend(value.iter().filter(|v| !own.contains(v))),
            }
        }
    }
    seen
}

fn effects_of(txn: &Txn) -> Effects {
    let mut effects = Effects::default();
    for op in &txn.ops {
        let (key, read) = match op {
            Op::List(key, values) => ((b'l', *key), values.last().copied()),
            Op::Read(key, value) => ((b'r', *key), *value),
            Op::Append(key, value) => {
                effects.overwritten.extend(effects.left.insert((b'l', *key), *value));
                continue;
            }
            Op::Write(key, value) => {
                effects.overwritten.extend(effects.left.insert((b'r', *key), *value));
                continue;
            }
        };
        if !effects.left.contains_key(&key) {
            effects.read.entry(key).or_insert(read);
        }
    }
    effects
}

/// Whether a transaction saw one state with its own writes on top.
fn is_coherent(txn: &Txn) -> bool {
    let mut lists: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut appended: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut registers: BTreeMap<u64, Option<u64>> = BTreeMap::new();
    txn.ops.iter().all(|op| match op {
        Op::Append(key, value) => {
            appended.entry(*key).or_default().push(*value);
            if let Some(list) = lists.get_mut(key) {
                list.push(*value);
            }
            true
        }
        Op::List(key, values) => {
            let own = appended.get(key).map_or(&[][..], Vec::as_slice);
            values.ends_with(own) && lists.entry(*key).or_insert_with(|| values.clone()) == values
        }
        Op::Write(key, value) => {
            registers.insert(*key, Some(*value));
            true
        }
        Op::Read(key, value) => registers.entry(*key).or_insert(*value) == value,
    })
}

fn check_reads(
    reader: usize,
    txn: &Txn,
    history: &[Txn],
    written: &HashMap<u64, usize>,
    found: &mut Vec<Anomaly>,
) {
    for op in &txn.ops {
        let values = match op {
            Op::List(_, values) => values.as_slice(),
            Op::Read(_, value) => value.as_slice(),
            _ => continue,
        };
        let distinct: BTreeSet<&u64> = values.iter().collect();
        if distinct.len() < values.len() || values.iter().any(|v| !written.contains_key(v)) {
            found.push(Anomaly::Garbage { reader });
        }
        let writers = values.iter().filter_map(|v| written.get(v));
        if writers.into_iter().any(|w| history[*w].outcome == Outcome::Aborted) {
            found.push(Anomaly::G1a { reader });
        }
    }
}

/// Every list at its longest; all other reads of it have to be beginnings of that.
fn longest_lists(
    history: &[Txn],
    counts: &[bool],
    found: &mut Vec<Anomaly>,
) -> BTreeMap<u64, Vec<u64>> {
    let reads = || {
        let txns = history.iter().enumerate().filter(|(i, _)| counts[*i]);
        txns.flat_map(|(i, txn)| {
            txn.ops.iter().filter_map(move |op| match op {
                Op::List(key, values) => Some((i, *key, values)),
                _ => None,
            })
        })
    };
    let mut longest: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (_, key, values) in reads() {
        let known = longest.entry(key).or_default();
        if values.len() > known.len() {
            known.clone_from(values);
        }
    }
    let torn = reads().filter(|(_, key, values)| !longest[key].starts_with(values));
    found.extend(torn.map(|(reader, ..)| Anomaly::Order { reader }));
    longest
}

/// Appends that are nowhere, though acknowledged, or though another write of theirs was seen.
fn lost<'a>(
    history: &'a [Txn],
    counts: &'a [bool],
    lists: &'a BTreeMap<u64, Vec<u64>>,
) -> impl Iterator<Item = Anomaly> {
    let there: BTreeSet<(u64, u64)> =
        lists.iter().flat_map(|(key, values)| values.iter().map(|v| (*key, *v))).collect();
    history.iter().enumerate().filter(|(i, _)| counts[*i]).filter_map(move |(writer, txn)| {
        let missing = |op: &Op| match op {
            Op::Append(key, value) => !there.contains(&(*key, *value)),
            _ => false,
        };
        txn.ops.iter().any(missing).then_some(Anomaly::Lost { writer })
    })
}

fn dependencies(
    effects: &[Effects],
    counts: &[bool],
    lists: &BTreeMap<u64, Vec<u64>>,
    overwritten: &BTreeSet<u64>,
    written: &HashMap<u64, usize>,
    graph: &mut Graph,
) {
    // What came right after a state of a key, as far as it is known.
    let mut next: HashMap<(Key, Option<u64>), BTreeSet<u64>> = HashMap::new();
    for (key, values) in lists {
        let mut last = None;
        for value in values.iter().filter(|v| !overwritten.contains(v)) {
            next.entry(((b'l', *key), last)).or_default().insert(*value);
            last = Some(*value);
        }
    }
    let counted = || effects.iter().enumerate().filter(|(i, _)| counts[*i]);
    for (_, effects) in counted() {
        for (key, left) in effects.left.iter().filter(|((kind, _), _)| *kind == b'r') {
            if let Some(read) = effects.read.get(key) {
                next.entry((*key, *read)).or_default().insert(*left);
            }
        }
    }
    for ((_, state), followers) in &next {
        if let Some(writer) = state.and_then(|state| written.get(&state)) {
            for follower in followers.iter().filter_map(|v| written.get(v)) {
                graph.add(*writer, *follower, Why::Ww);
            }
        }
    }
    for (reader, effects) in counted() {
        for (key, state) in &effects.read {
            if let Some(writer) = state.and_then(|state| written.get(&state)) {
                graph.add(*writer, reader, Why::Wr);
            }
            for follower in next.get(&(*key, *state)).into_iter().flatten() {
                if let Some(writer) = written.get(follower) {
                    graph.add(reader, *writer, Why::Rw);
                }
            }
        }
    }
}

fn log_order(history: &[Txn], first: usize, second: usize) -> Option<Anomaly> {
    let lsn = |i: usize| match history[i].outcome {
        Outcome::Committed { lsn, .. } => Some(lsn),
        _ => None,
    };
    let (a, b) = (lsn(first)?, lsn(second)?);
    (a > b).then_some(Anomaly::LogOrder(first, second))
}

fn cycles(graph: &mut Graph, history: &[Txn]) -> Vec<Anomaly> {
    let mut found: Vec<Anomaly> = graph.knots(Why::Ww).into_iter().map(Anomaly::G0).collect();
    if found.is_empty() {
        found.extend(graph.knots(Why::Wr).into_iter().map(Anomaly::G1c));
    }
    if found.is_empty() {
        for knot in graph.knots(Why::Rw) {
            let members: BTreeSet<usize> = knot.iter().copied().collect();
            let inside = graph.edges().filter(|(a, b, why)| {
                *why == Why::Rw && members.contains(a) && members.contains(b)
            });
            let single = inside.into_iter().any(|(a, b, _)| graph.leads(b, a, Why::Wr));
            found.push(if single { Anomaly::GSingle(knot) } else { Anomaly::G2(knot) });
        }
    }
    if found.is_empty() {
        add_time(graph, history);
        found.extend(graph.knots(Why::Time).into_iter().map(|mut knot| {
            knot.retain(|node| *node < history.len());
            Anomaly::Time(knot)
        }));
    }
    found
}

/// Real time, through a chain of moments (the second half of the nodes) at which transactions
/// were acknowledged: an edge for each pair would be too many.
fn add_time(graph: &mut Graph, history: &[Txn]) {
    let mut ends: Vec<(u64, usize)> = history
        .iter()
        .enumerate()
        .filter_map(|(i, txn)| match txn.outcome {
            Outcome::Committed { end, .. } => Some((end, i)),
            _ => None,
        })
        .collect();
    ends.sort_unstable();
    for (moment, (_, txn)) in ends.iter().enumerate() {
        graph.add(*txn, history.len() + moment, Why::Time);
        if moment > 0 {
            graph.add(history.len() + moment - 1, history.len() + moment, Why::Time);
        }
    }
    for (i, txn) in history.iter().enumerate() {
        let before = ends.partition_point(|(end, _)| *end < txn.begin);
        if before > 0 {
            graph.add(history.len() + before - 1, i, Why::Time);
        }
    }
}
