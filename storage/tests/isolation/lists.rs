//! Lists as they grew, put together from all that was seen of them.

use std::collections::{BTreeMap, BTreeSet};

use super::checker::{Anomaly, Told};
use super::effects::Own;
use super::history::Key;

/// Every list at its longest. One that is deleted and begun anew is another, named by its first
/// element; of a lasting key there is one.
pub struct Lists(BTreeMap<(Key, Option<u64>), Vec<u64>>);

impl Lists {
    /// All other reads of a list have to be beginnings of the longest, and no element is in two.
    pub fn of(told: &Told<'_>, found: &mut Vec<Anomaly>) -> Self {
        let name = |key: Key, values: &[u64]| {
            let first = values.first().copied().filter(|_| !told.lasting.contains(&key));
            (key, first)
        };
        let mut longest: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for (_, key, values) in seen(told) {
            let known = longest.entry(name(key, &values)).or_default();
            if values.len() > known.len() {
                *known = values;
            }
        }
        let mut elsewhere: BTreeSet<(Key, Option<u64>)> = BTreeSet::new();
        let mut at: BTreeMap<(Key, u64), (Key, Option<u64>)> = BTreeMap::new();
        for (list, values) in &longest {
            for value in values {
                let other = at.insert((list.0, *value), *list);
                elsewhere.extend(other.into_iter().filter(|o| o != list).flat_map(|o| [o, *list]));
            }
        }
        for (reader, key, values) in seen(told) {
            let list = name(key, &values);
            if !longest[&list].starts_with(&values) || elsewhere.contains(&list) {
                found.push(Anomaly::Order { reader });
            }
        }
        Self(longest)
    }

    /// Which value followed which state, as far as lists tell.
    pub fn successions(&self, told: &Told<'_>) -> Vec<((Key, Option<u64>), u64)> {
        let mut all = Vec::new();
        for ((key, _), values) in &self.0 {
            let between =
                |v: &u64| told.writers.get(v).is_some_and(|w| told.effects[*w].between.contains(v));
            let mut last = None;
            for value in values.iter().filter(|v| !between(v)) {
                if last.is_some() || told.lasting.contains(key) {
                    all.push(((*key, last), *value));
                }
                last = Some(*value);
            }
        }
        all
    }

    fn has(&self, key: Key, value: u64) -> bool {
        self.0.get(&(key, None)).is_some_and(|values| values.contains(&value))
    }
}

/// Lists that somebody found, and those that somebody left whose writes count.
fn seen<'a>(told: &'a Told<'_>) -> impl Iterator<Item = (usize, Key, Vec<u64>)> + use<'a> {
    let found = told.effects.iter().enumerate().flat_map(|(i, effects)| {
        effects.read.iter().map(move |(key, values)| (i, *key, values.clone()))
    });
    let left = told.counted().flat_map(|(i, effects)| {
        effects.left.iter().filter_map(move |(key, own)| match own {
            Own::Set(values) => Some((i, *key, values.clone())),
            Own::Added(values) => {
                Some((i, *key, [effects.read.get(key)?.as_slice(), values].concat()))
            }
        })
    });
    found.chain(left).filter(|(_, key, _)| key.is_list())
}

/// Appends to lasting lists that are nowhere, though acknowledged, or though another write of theirs
/// was seen.
pub fn lost(told: &Told<'_>, lists: &Lists) -> Vec<Anomaly> {
    let missing = |(key, own): (&Key, &Own)| {
        matches!(own, Own::Added(values)
            if told.lasting.contains(key) && values.iter().any(|v| !lists.has(*key, *v)))
    };
    let lost = told.counted().filter(|(_, effects)| effects.left.iter().any(missing));
    lost.map(|(writer, _)| Anomaly::Lost { writer }).collect()
}
