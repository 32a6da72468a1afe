//! A model of plain maps that keeps all states it was ever in.

use std::collections::BTreeMap;

use super::history::{Key, Op, PREFIX_SHIFT};
use super::replay::Seen;

/// States of something, each from a place in the order on.
type Timeline<T> = Vec<(usize, T)>;

/// All states that there were.
#[derive(Default)]
pub struct World {
    keys: BTreeMap<Key, Timeline<Vec<u64>>>,
    /// Keyspaces that are, or are not; those not named are.
    spaces: BTreeMap<u8, bool>,
}

/// What a transaction made of it.
#[derive(Clone, Default)]
pub struct Made {
    values: BTreeMap<Key, Vec<u64>>,
    drops: Vec<u8>,
    creates: Vec<u8>,
}

impl World {
    fn at(&self, key: Key, place: usize) -> &[u64] {
        let states = self.keys.get(&key).map_or(&[][..], Vec::as_slice);
        let next = states.partition_point(|(from, _)| *from <= place);
        next.checked_sub(1).map_or(&[][..], |at| &states[at].1)
    }

    /// Runs operations on the state at a place; the number of the first that saw something else, with
    /// what all of them made.
    pub fn run(&self, ops: &[Op], place: usize) -> Result<Made, (usize, Made)> {
        let (mut made, mut savepoints, mut wrong) = (Made::default(), Vec::new(), None);
        for (n, op) in ops.iter().enumerate() {
            let now = |made: &Made, key: &Key| {
                made.values.get(key).cloned().unwrap_or_else(|| self.at(*key, place).to_vec())
            };
            let as_seen = match op {
                Op::List(key, values) => now(&made, key) == *values,
                Op::Read(key, value) => now(&made, key) == value.as_slice(),
                Op::Scan(space, prefix, numbers) => {
                    self.scan(&made, *space, *prefix, place) == *numbers
                }
                _ => true,
            };
            match op {
                Op::Append(key, value) => {
                    let values = [now(&made, key).as_slice(), &[*value]].concat();
                    made.values.insert(*key, values);
                }
                Op::Write(key, value) => _ = made.values.insert(*key, vec![*value]),
                Op::Delete(key) => _ = made.values.insert(*key, Vec::new()),
                Op::Savepoint => savepoints.push(made.clone()),
                Op::RollBack(to) => {
                    savepoints.truncate(to + 1);
                    made.clone_from(&savepoints[*to]);
                }
                Op::Drop(space) => made.drops.push(*space),
                Op::Create(space) => made.creates.push(*space),
                _ => {}
            }
            wrong = wrong.or((!as_seen).then_some(n));
        }
        wrong.map_or(Ok(made.clone()), |op| Err((op, made)))
    }

    fn scan(&self, made: &Made, space: u8, prefix: u64, place: usize) -> Vec<u64> {
        let from = Key { space, number: prefix << PREFIX_SHIFT };
        let within = |key: &&Key| (key.space, key.prefix()) == (space, prefix);
        let below = self.keys.range(from..).map(|(key, _)| key).take_while(within);
        let own = made.values.range(from..).map(|(key, _)| key).take_while(within);
        let mut there: Vec<Key> = below
            .chain(own)
            .filter(|key| {
                !made
                    .values
                    .get(key)
                    .map_or_else(|| self.at(**key, place), Vec::as_slice)
                    .is_empty()
            })
            .copied()
            .collect();
        there.sort_unstable();
        there.dedup();
        there.into_iter().map(|key| key.number).collect()
    }

    /// Makes it so: drops, then what is made, then what is written. False if a keyspace was missing,
    /// or there already.
    pub fn apply(&mut self, place: usize, made: Made, seen: &mut Seen) -> bool {
        let mut right = true;
        for space in made.drops {
            right &= self.spaces.insert(space, false) != Some(false);
            let mut taken = 0;
            for (_, states) in self.keys.iter_mut().filter(|(key, _)| key.space == space) {
                if states.last().is_some_and(|(_, values)| !values.is_empty()) {
                    states.push((place, Vec::new()));
                    taken += 1;
                }
            }
            seen.dropped += u64::from(taken > 0);
        }
        for space in made.creates {
            right &= self.spaces.insert(space, true) == Some(false);
            seen.created += 1;
        }
        for (key, values) in made.values {
            right &= self.spaces.get(&key.space) != Some(&false);
            let states = self.keys.entry(key).or_default();
            let was_there = states.last().is_some_and(|(_, before)| !before.is_empty());
            seen.deleted += u64::from(was_there && values.is_empty());
            states.push((place, values));
        }
        right
    }
}
