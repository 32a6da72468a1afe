//! Asks whether the order of the log explains everything that clients saw.
//!
//! The store promises one order (docs/isolation.md): transactions that write take effect at their places in
//! the log, those that only read at the state whose position they answer. So all of them are run again
//! in that order on a model of plain maps, and every read has to be what it was: values, what was not
//! there, the names that a scan found, keyspaces that came and went. A transaction whose answer was
//! lost is wholly there if the log has it, and wholly not otherwise.
//!
//! What has no position of its own, a refused transaction or a single read outside of all, saw one state
//! all the same: one that was published after all that was acknowledged before it began, and before all
//! that began after it had ended.

use std::collections::BTreeMap;

use super::history::{History, Op, Outcome, ROUND_SHIFT};
use super::windows::Windows;
use super::world::World;

/// What the log does not explain; numbers are places of transactions in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unexplained {
    /// An operation, by its number, of a transaction with a place in the log.
    Read { txn: usize, op: usize },
    /// A refused transaction or a single read: no state at its time explains it.
    Nowhere { txn: usize },
    /// It does not have what was acknowledged before it began, or has what began after it.
    Time { txn: usize },
    /// It was acknowledged and is not in the log, or there at another place.
    Missing { txn: usize },
    /// It was refused, and is in the log.
    Undead { txn: usize },
    /// It wrote to a keyspace that was not there, dropped such a one, or made one that was.
    Keyspace { txn: usize },
}

impl Unexplained {
    pub fn txn(&self) -> usize {
        match self {
            Self::Read { txn, .. }
            | Self::Nowhere { txn }
            | Self::Time { txn }
            | Self::Missing { txn }
            | Self::Undead { txn }
            | Self::Keyspace { txn } => *txn,
        }
    }
}

/// How often the history has what it is there for.
#[derive(Debug, Default)]
pub struct Seen {
    /// Deletions, by committed transactions, of what was there.
    pub deleted: u64,
    /// Committed transactions that had rolled back writes to a savepoint.
    pub rolled_back: u64,
    /// Drops of keyspaces with something in them, and keyspaces made anew.
    pub dropped: u64,
    pub created: u64,
    /// Scans of committed transactions that wrote.
    pub scans: u64,
    /// Refused or dropped transactions that had made savepoints: they had logged what they wrote.
    pub taken_back: u64,
    /// Writers whose answer was lost, and that are in the log.
    pub kept: u64,
    /// Reads that ended before the recovery that they ran beside.
    pub recovering: u64,
}

pub fn replay(history: &History) -> (Vec<Unexplained>, Seen) {
    let mut replay =
        Replay { history, world: World::default(), found: vec![], seen: Seen::default() };
    replay.answers();
    for (place, (txn, _)) in history.order.iter().enumerate() {
        replay.write(place, *txn);
    }
    replay.reads();
    replay.count();
    (replay.found, replay.seen)
}

struct Replay<'a> {
    history: &'a History,
    world: World,
    found: Vec<Unexplained>,
    seen: Seen,
}

impl Replay<'_> {
    /// Whether the log has what was answered.
    fn answers(&mut self) {
        let ends: BTreeMap<usize, u64> = self.history.order.iter().copied().collect();
        for (i, txn) in self.history.txns.iter().enumerate() {
            let wrong = match (txn.outcome, ends.get(&i)) {
                (Outcome::Committed { lsn, .. }, Some(end)) => *end != lsn,
                (Outcome::Committed { .. }, None) => txn.writes(),
                (Outcome::Aborted { .. } | Outcome::Looked { .. }, Some(_)) => {
                    self.found.push(Unexplained::Undead { txn: i });
                    false
                }
                _ => false,
            };
            if wrong {
                self.found.push(Unexplained::Missing { txn: i });
            }
            self.seen.kept += u64::from(txn.outcome == Outcome::Unknown && ends.contains_key(&i));
        }
    }

    /// Runs a transaction at its place, on what those before it left.
    fn write(&mut self, place: usize, txn: usize) {
        let made = match self.world.run(&self.history.txns[txn].ops, place) {
            Ok(made) => made,
            Err((op, made)) => {
                self.found.push(Unexplained::Read { txn, op });
                made
            }
        };
        if !self.world.apply(place + 1, made, &mut self.seen) {
            self.found.push(Unexplained::Keyspace { txn });
        }
    }

    /// Holds those that only read, and the times of all, against the states.
    fn reads(&mut self) {
        let windows = Windows::of(self.history);
        for (i, txn) in self.history.txns.iter().enumerate() {
            let explains = |place: &usize| self.world.run(&txn.ops, *place).is_ok();
            let found = match (windows.place[i], txn.outcome) {
                (Some((before, after)), _) => {
                    let reads = before == after;
                    let op = self.world.run(&txn.ops, before).err().filter(|_| reads);
                    self.found.extend(op.map(|(op, _)| Unexplained::Read { txn: i, op }));
                    let stale = before < windows.earliest(txn.begin);
                    (stale || windows.latest(txn.end()) < after)
                        .then_some(Unexplained::Time { txn: i })
                }
                (None, Outcome::Aborted { end } | Outcome::Looked { end }) => {
                    let mut places = windows.earliest(txn.begin)..=windows.latest(end);
                    (!places.any(|place| explains(&place)))
                        .then_some(Unexplained::Nowhere { txn: i })
                }
                _ => None,
            };
            self.found.extend(found);
        }
    }

    fn count(&mut self) {
        let in_the_log: BTreeMap<usize, u64> = self.history.order.iter().copied().collect();
        for (i, txn) in self.history.txns.iter().enumerate() {
            let count = |f: fn(&Op) -> bool| txn.ops.iter().filter(|op| f(op)).count() as u64;
            if in_the_log.contains_key(&i) {
                self.seen.rolled_back += u64::from(count(|op| matches!(op, Op::RollBack(_))) > 0);
                self.seen.scans += count(|op| matches!(op, Op::Scan(..)));
            }
            match txn.outcome {
                Outcome::Aborted { .. } => {
                    self.seen.taken_back += u64::from(count(|op| *op == Op::Savepoint) > 0);
                }
                Outcome::Looked { end } => {
                    let mut over = self.history.recovered.iter();
                    let round = |time: u64| time >> ROUND_SHIFT;
                    let during = over.any(|at| round(*at) == round(end) && end < *at);
                    self.seen.recovering += u64::from(during);
                }
                _ => {}
            }
        }
    }
}
