//! Looks for proof that a history is not strictly serializable.
//!
//! After Elle (K. Kingsbury and P. Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
//! Observations", VLDB 14(3), 2020): lists show in which order their elements were appended, so
//! that the dependencies of A. Adya's thesis ("Weak Consistency", MIT 1999) can be told from what
//! clients saw. Registers show it where a transaction wrote what it had read before.
//!
//! What one does not see of *nothing* is who left it: a key may never have been written, or have
//! been deleted by any of several, or have gone with its keyspace. A key that nobody may have deleted is
//! *lasting*: there nothing is the first of all states, and who finds it comes before who wrote first.
//! Of any other key a read of nothing proves nothing here. What remains are the dependencies that hold
//! whoever left it: a deletion by somebody who had read the value follows that value, and comes after
//! all others who read it; and a list that is begun anew is a list of its own, named by its first
//! element. So every edge is one that each order which explains the history must have, and what is
//! found is proof. It is not all there is: [`replay`](super::replay) asks whether the one order that the
//! store promises explains everything, nothings and names included.
//!
//! Transactions that were refused, or dropped, take part as readers: they saw one state, too.

use std::collections::{BTreeSet, HashMap};

use super::effects::{Effects, Own};
use super::graph::{Graph, Why};
use super::history::{Key, Op, Outcome, Txn};
use super::lists::{Lists, lost};

/// What is wrong with a history; numbers are places of transactions in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// A transaction did not see its own writes, or read two states.
    Internal(usize),
    /// What an aborted transaction wrote was read, or what one rolled back.
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

/// A history with what was told from it.
pub struct Told<'a> {
    pub txns: &'a [Txn],
    pub effects: Vec<Effects>,
    /// Whose writes count.
    pub counts: Vec<bool>,
    pub writers: HashMap<u64, usize>,
    /// Keys that nobody may have deleted.
    pub lasting: BTreeSet<Key>,
}

/// Everything that is wrong with a history. It should end with transactions that read every list.
pub fn check(txns: &[Txn]) -> Vec<Anomaly> {
    let told = Told::of(txns);
    let mut found = Vec::new();
    let incoherent = (0..txns.len()).filter(|i| !told.effects[*i].coherent);
    found.extend(incoherent.map(Anomaly::Internal));
    found.extend((0..txns.len()).flat_map(|reader| bad_reads(&told, reader)));
    let lists = Lists::of(&told, &mut found);
    found.extend(lost(&told, &lists));
    let mut graph = Graph::new(2 * txns.len());
    dependencies(&told, &lists, &mut graph);
    found.extend(graph.edges().filter_map(|(a, b, _)| log_order(txns, a, b)));
    found.extend(cycles(&mut graph, txns));
    found
}

impl<'a> Told<'a> {
    fn of(txns: &'a [Txn]) -> Self {
        let effects: Vec<Effects> = txns.iter().map(Effects::of).collect();
        let writers: HashMap<u64, usize> = txns
            .iter()
            .enumerate()
            .flat_map(|(i, txn)| written(txn).map(move |v| (v, i)))
            .collect();
        // What was not acknowledged counts once somebody else saw it.
        let mut seen = BTreeSet::new();
        for (reader, effects) in effects.iter().enumerate() {
            let others = |v: &&u64| writers.get(v).is_some_and(|writer| *writer != reader);
            seen.extend(effects.read.values().flatten().filter(others).copied());
        }
        let counts: Vec<bool> = txns
            .iter()
            .map(|txn| match txn.outcome {
                Outcome::Committed { .. } => true,
                Outcome::Aborted { .. } | Outcome::Looked { .. } => false,
                Outcome::Unknown => written(txn).any(|value| seen.contains(&value)),
            })
            .collect();
        let lasting = lasting(txns, &effects);
        Self { txns, effects, counts, writers, lasting }
    }

    /// Those whose writes count.
    pub fn counted(&self) -> impl Iterator<Item = (usize, &Effects)> {
        self.effects.iter().enumerate().filter(|(i, _)| self.counts[*i])
    }
}

fn written(txn: &Txn) -> impl Iterator<Item = u64> {
    txn.ops.iter().filter_map(|op| match op {
        Op::Append(_, value) | Op::Write(_, value) => Some(*value),
        _ => None,
    })
}

/// Keys that no transaction deletes that may have taken effect, nor their keyspaces.
fn lasting(txns: &[Txn], effects: &[Effects]) -> BTreeSet<Key> {
    let mut keys: BTreeSet<Key> = BTreeSet::new();
    for effects in effects {
        keys.extend(effects.read.keys().chain(effects.left.keys()));
        keys.extend(effects.scans.iter().flat_map(|scan| &scan.present));
    }
    let may_count = |(txn, _): &(&Txn, _)| !matches!(txn.outcome, Outcome::Aborted { .. });
    for (_, effects) in txns.iter().zip(effects).filter(may_count) {
        keys.retain(|key| !effects.dropped.contains(&key.space));
        for (key, own) in &effects.left {
            if matches!(own, Own::Set(values) if key.is_list() || values.is_empty()) {
                keys.remove(key);
            }
        }
    }
    keys
}

/// Reads of what was never there for others to read.
fn bad_reads(told: &Told<'_>, reader: usize) -> Vec<Anomaly> {
    let mut found = Vec::new();
    for values in told.effects[reader].read.values() {
        let distinct: BTreeSet<&u64> = values.iter().collect();
        let writers: Option<Vec<usize>> =
            values.iter().map(|v| told.writers.get(v).copied()).collect();
        let Some(writers) = writers.filter(|_| distinct.len() == values.len()) else {
            found.push(Anomaly::Garbage { reader });
            continue;
        };
        let pairs = || values.iter().zip(&writers);
        let aborted = |(value, writer): (&u64, &usize)| {
            matches!(told.txns[*writer].outcome, Outcome::Aborted { .. })
                || told.effects[*writer].rolled_back.contains(value)
        };
        if pairs().any(aborted) {
            found.push(Anomaly::G1a { reader });
        }
        let overwritten = |(v, w): (&u64, &usize)| told.effects[*w].overwritten.contains(v);
        let between = |(v, w): (&u64, &usize)| told.effects[*w].between.contains(v);
        if pairs().any(overwritten) || pairs().next_back().is_some_and(between) {
            found.push(Anomaly::G1b { reader });
        }
    }
    found
}

/// A state of a key, by the value that was written last; `None` is nothing, of a lasting key.
type State = (Key, Option<u64>);

fn dependencies(told: &Told<'_>, lists: &Lists, graph: &mut Graph) {
    // Who came right after a state, as far as it is known.
    let mut next: HashMap<State, BTreeSet<usize>> = HashMap::new();
    for (state, value) in lists.successions(told) {
        next.entry(state).or_default().extend(told.writers.get(&value));
    }
    for (i, effects) in told.counted() {
        for (key, own) in &effects.left {
            let state = effects.read.get(key).and_then(|found| state(told, *key, found));
            if let (Own::Set(_), Some(state)) = (own, state) {
                next.entry(state).or_default().insert(i);
            }
        }
    }
    for ((_, value), followers) in &next {
        if let Some(writer) = value.and_then(|value| told.writers.get(&value)) {
            for follower in followers {
                graph.add(*writer, *follower, Why::Ww);
            }
        }
    }
    for (reader, effects) in told.effects.iter().enumerate() {
        for (key, found) in &effects.read {
            if let Some(writer) = found.last().and_then(|value| told.writers.get(value)) {
                graph.add(*writer, reader, Why::Wr);
            }
            let followers = state(told, *key, found).and_then(|state| next.get(&state));
            for follower in followers.into_iter().flatten() {
                graph.add(reader, *follower, Why::Rw);
            }
        }
        predicates(told, reader, &next, graph);
    }
}

fn state(told: &Told<'_>, key: Key, found: &[u64]) -> Option<State> {
    let last = found.last().copied();
    (last.is_some() || told.lasting.contains(&key)).then_some((key, last))
}

/// What a scan says of lasting keys: who sees none comes before who wrote first, who sees one after.
fn predicates(
    told: &Told<'_>,
    reader: usize,
    next: &HashMap<State, BTreeSet<usize>>,
    graph: &mut Graph,
) {
    for scan in &told.effects[reader].scans {
        let of = |number| Key { space: scan.space, number };
        let from = of(scan.prefix << super::history::PREFIX_SHIFT);
        let in_it = |key: &&Key| (key.space, key.prefix()) == (scan.space, scan.prefix);
        for key in told.lasting.range(from..).take_while(in_it) {
            let Some(first) = next.get(&(*key, None)) else { continue };
            for writer in first.iter().filter(|_| !scan.own.contains(key)) {
                if !scan.present.contains(key) {
                    graph.add(reader, *writer, Why::Rw);
                } else if first.len() == 1 {
                    graph.add(*writer, reader, Why::Wr);
                }
            }
        }
    }
}

fn log_order(txns: &[Txn], first: usize, second: usize) -> Option<Anomaly> {
    let lsn = |i: usize| match txns[i].outcome {
        Outcome::Committed { lsn, .. } => Some(lsn),
        _ => None,
    };
    let (a, b) = (lsn(first)?, lsn(second)?);
    (a > b).then_some(Anomaly::LogOrder(first, second))
}

fn cycles(graph: &mut Graph, txns: &[Txn]) -> Vec<Anomaly> {
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
        add_time(graph, txns);
        found.extend(graph.knots(Why::Time).into_iter().map(|mut knot| {
            knot.retain(|node| *node < txns.len());
            Anomaly::Time(knot)
        }));
    }
    found
}

/// Real time, through a chain of moments (the second half of the nodes) at which transactions
/// were acknowledged: an edge for each pair would be too many.
fn add_time(graph: &mut Graph, txns: &[Txn]) {
    let mut ends: Vec<(u64, usize)> = txns
        .iter()
        .enumerate()
        .filter_map(|(i, txn)| match txn.outcome {
            Outcome::Committed { end, .. } => Some((end, i)),
            _ => None,
        })
        .collect();
    ends.sort_unstable();
    for (moment, (_, txn)) in ends.iter().enumerate() {
        graph.add(*txn, txns.len() + moment, Why::Time);
        if moment > 0 {
            graph.add(txns.len() + moment - 1, txns.len() + moment, Why::Time);
        }
    }
    for (i, txn) in txns.iter().enumerate() {
        let before = ends.partition_point(|(end, _)| *end < txn.begin);
        if before > 0 {
            graph.add(txns.len() + before - 1, i, Why::Time);
        }
    }
}
