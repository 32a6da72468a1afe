//! What a transaction found, and what it left, told apart: its operations are gone through with its own
//! writes on top of what it learns of the state below.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Key, Op, Txn};

/// What there is of a key: a list; of a register one value; nothing.
pub type Found = Vec<u64>;

/// What a transaction itself makes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// These were appended to what is there.
    Added(Vec<u64>),
    /// This is there instead: nothing, if it was deleted last.
    Set(Vec<u64>),
}

impl Own {
    pub fn values(&self) -> &[u64] {
        match self {
            Own::Added(values) | Own::Set(values) => values,
        }
    }
}

/// Keys with a prefix, but for those that the transaction itself had written.
pub struct Scanned {
    pub space: u8,
    pub prefix: u64,
    pub present: BTreeSet<Key>,
    pub own: BTreeSet<Key>,
}

/// See the module's text.
#[derive(Default)]
pub struct Effects {
    /// The state that it saw, as far as it looked.
    pub read: BTreeMap<Key, Found>,
    pub scans: Vec<Scanned>,
    pub left: BTreeMap<Key, Own>,
    pub dropped: BTreeSet<u8>,
    /// Elements of lists that it appended further elements to: nobody else may find them last.
    pub between: BTreeSet<u64>,
    /// Values that it wrote and overwrote, or deleted: nobody else may find them at all.
    pub overwritten: BTreeSet<u64>,
    /// Values that it rolled back: the same.
    pub rolled_back: BTreeSet<u64>,
    /// Whether it saw one state, with its own writes on top.
    pub coherent: bool,
}

/// What a savepoint keeps.
#[derive(Clone, Default)]
struct Kept {
    left: BTreeMap<Key, Own>,
    dropped: BTreeSet<u8>,
}

struct Unfolding {
    effects: Effects,
    now: Kept,
    savepoints: Vec<Kept>,
    written: BTreeSet<u64>,
}

impl Effects {
    pub fn of(txn: &Txn) -> Self {
        let mut unfolding = Unfolding {
            effects: Effects { coherent: true, ..Effects::default() },
            now: Kept::default(),
            savepoints: Vec::new(),
            written: BTreeSet::new(),
        };
        txn.ops.iter().for_each(|op| unfolding.go_through(op));
        unfolding.end()
    }
}

impl Unfolding {
    fn go_through(&mut self, op: &Op) {
        match op {
            Op::Append(key, value) => {
                self.written.insert(*value);
                match self.now.left.entry(*key).or_insert_with(|| Own::Added(Vec::new())) {
                    Own::Added(values) | Own::Set(values) => values.push(*value),
                }
            }
            Op::Write(key, value) => {
                self.written.insert(*value);
                self.now.left.insert(*key, Own::Set(vec![*value]));
            }
            Op::Delete(key) => _ = self.now.left.insert(*key, Own::Set(Vec::new())),
            Op::List(key, values) => self.found(*key, values),
            Op::Read(key, value) => self.found(*key, value.as_slice()),
            Op::Scan(space, prefix, numbers) => self.scanned(*space, *prefix, numbers),
            Op::Savepoint => self.savepoints.push(self.now.clone()),
            Op::RollBack(to) => {
                self.savepoints.truncate(to + 1);
                let kept = self.savepoints[*to].clone();
                let gone = std::mem::replace(&mut self.now, kept);
                let stays = values_of(&self.now.left);
                self.effects.rolled_back.extend(values_of(&gone.left).difference(&stays));
            }
            Op::Drop(space) => _ = self.now.dropped.insert(*space),
            Op::Create(_) => {}
        }
    }

    fn found(&mut self, key: Key, values: &[u64]) {
        let below = match self.now.left.get(&key) {
            Some(Own::Set(own)) => {
                self.effects.coherent &= own == values;
                return;
            }
            Some(Own::Added(own)) => {
                self.effects.coherent &= values.ends_with(own);
                &values[..values.len().saturating_sub(own.len())]
            }
            None => values,
        };
        let known = self.effects.read.entry(key).or_insert_with(|| below.to_vec());
        self.effects.coherent &= known == below;
    }

    fn scanned(&mut self, space: u8, prefix: u64, numbers: &[u64]) {
        let mut present: BTreeSet<Key> =
            numbers.iter().map(|number| Key { space, number: *number }).collect();
        let within = |key: &Key| key.space == space && key.prefix() == prefix;
        self.effects.coherent &= present.iter().all(within) && present.len() == numbers.len();
        let own: BTreeSet<Key> = self.now.left.keys().copied().filter(within).collect();
        for key in &own {
            self.effects.coherent &= match &self.now.left[key] {
                Own::Set(values) => present.contains(key) != values.is_empty(),
                Own::Added(_) => present.contains(key),
            };
        }
        present.retain(|key| !own.contains(key));
        let earlier = self.effects.scans.iter();
        for scan in earlier.filter(|s| s.space == space && s.prefix == prefix) {
            let mut unlike = scan.present.symmetric_difference(&present);
            self.effects.coherent &= unlike.all(|key| scan.own.contains(key) || own.contains(key));
        }
        self.effects.scans.push(Scanned { space, prefix, present, own });
    }

    fn end(self) -> Effects {
        let Self { mut effects, now, written, .. } = self;
        for own in now.left.values() {
            let values = own.values();
            let last = values.len().saturating_sub(1);
            effects.between.extend(&values[..last]);
        }
        let left = values_of(&now.left);
        let gone = |value: &&u64| !left.contains(value) && !effects.rolled_back.contains(value);
        effects.overwritten = written.iter().filter(gone).copied().collect();
        for (key, found) in &effects.read {
            let unlike = |s: &Scanned| {
                (s.space, s.prefix) == (key.space, key.prefix())
                    && !s.own.contains(key)
                    && s.present.contains(key) == found.is_empty()
            };
            effects.coherent &= !effects.scans.iter().any(unlike);
        }
        Effects { left: now.left, dropped: now.dropped, ..effects }
    }
}

fn values_of(left: &BTreeMap<Key, Own>) -> BTreeSet<u64> {
    left.values().flat_map(|own| own.values().iter().copied()).collect()
}
