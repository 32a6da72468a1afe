//! Operations gathered into one transaction.
//!
//! Consecutive changes of the primary may be applied together. A transaction has no order inside, so
//! the order is resolved here: a drop takes what was written to the keyspace before, and a keyspace
//! made and dropped again never was.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_storage::{Class, KeyspaceId, Txn};

use crate::cluster::KEYRING_KEY;
use crate::keyspace::CORE;
use crate::replication::wire::Op;

/// `None` deletes.
type Writes = BTreeMap<(KeyspaceId, Vec<u8>), Option<Vec<u8>>>;

/// See the module's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    drops: BTreeSet<KeyspaceId>,
    creates: BTreeSet<KeyspaceId>,
    writes: Writes,
    weight: usize,
    ops: usize,
}

impl Batch {
    /// Adds an operation.
    pub(crate) fn push(&mut self, op: Op) {
        self.weight += op.weight();
        self.ops += 1;
        match op {
            Op::CreateKeyspace(id) => {
                self.creates.insert(id);
            }
            Op::DropKeyspace(id) => {
                self.writes.retain(|(keyspace, _), _| *keyspace != id);
                if !self.creates.remove(&id) {
                    self.drops.insert(id);
                }
            }
            Op::Put { keyspace, key, value } => {
                self.writes.insert((keyspace, key), Some(value));
            }
            Op::Delete { keyspace, key } => {
                self.writes.insert((keyspace, key), None);
            }
        }
    }

    /// Bytes, roughly.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Operations added.
    pub(crate) fn ops(&self) -> usize {
        self.ops
    }

    /// Makes or drops keyspaces.
    pub(crate) fn touches_keyspaces(&self) -> bool {
        !self.creates.is_empty() || !self.drops.is_empty()
    }

    /// The keyring as this batch leaves it, if it writes one.
    pub(crate) fn keyring(&self) -> Option<&[u8]> {
        self.writes.get(&(CORE, KEYRING_KEY.as_bytes().to_vec()))?.as_deref()
    }

    /// Two batches that do the same one after the other, or `None` when there is nothing to split.
    pub(crate) fn split(mut self) -> Option<(Self, Self)> {
        let middle = self.writes.keys().nth(self.writes.len() / 2)?.clone();
        let later = self.writes.split_off(&middle);
        if self.writes.is_empty() {
            return None;
        }
        let weigh = |writes: &Writes| {
            let value = |v: &Option<Vec<u8>>| v.as_ref().map_or(0, Vec::len);
            writes.iter().map(|((_, key), v)| 25 + key.len() + value(v)).sum()
        };
        // Creates first and drops last: each part finds the keyspaces that it writes to. A keyspace
        // that is dropped and made anew is kept in one piece with both.
        let (anew, gone): (BTreeSet<_>, BTreeSet<_>) =
            self.drops.iter().copied().partition(|id| self.creates.contains(id));
        let second = Self {
            drops: gone,
            creates: BTreeSet::new(),
            weight: weigh(&later),
            ops: later.len(),
            writes: later,
        };
        self.drops = anew;
        self.weight = weigh(&self.writes);
        Some((self, second))
    }

    /// Puts everything into a transaction. `existing` are the keyspaces that are there now (needed only
    /// if [`Self::touches_keyspaces`]): what was applied before may come again.
    pub(crate) fn write(self, txn: &mut Txn, existing: &[(KeyspaceId, Class)]) {
        let exists = |id: &KeyspaceId| existing.iter().any(|(known, _)| known == id);
        for id in &self.drops {
            if exists(id) {
                txn.drop_keyspace(*id);
            }
        }
        for id in &self.creates {
            if !exists(id) || self.drops.contains(id) {
                txn.create_keyspace(*id, Class::Replicated);
            }
        }
        for ((keyspace, key), value) in self.writes {
            match value {
                Some(value) => txn.put(keyspace, &key, value),
                None => txn.delete(keyspace, &key),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: KeyspaceId = KeyspaceId([1; 16]);

    fn put(keyspace: KeyspaceId, key: &str, value: &str) -> Op {
        Op::Put { keyspace, key: key.into(), value: value.into() }
    }

    #[test]
    fn a_batch_that_is_too_large_for_one_transaction_splits_into_halves() {
        let b = KeyspaceId([2; 16]);
        let mut batch = Batch::default();
        batch.push(Op::DropKeyspace(b));
        batch.push(Op::CreateKeyspace(A));
        for i in 0..5 {
            batch.push(put(A, &format!("k{i}"), "v"));
        }
        let (first, second) = batch.split().unwrap();
        assert!(first.creates.contains(&A) && first.drops.is_empty());
        assert!(second.drops.contains(&b) && second.creates.is_empty());
        assert_eq!(first.writes.len() + second.writes.len(), 5);
        let mut one = Batch::default();
        one.push(put(A, "k", "v"));
        assert_eq!(one.split(), None);
    }

    #[test]
    fn order_is_resolved_while_gathering() {
        let mut batch = Batch::default();
        for op in [
            put(A, "k", "1"),
            Op::DropKeyspace(A),
            Op::CreateKeyspace(A),
            put(A, "k", "2"),
            Op::Delete { keyspace: A, key: b"x".to_vec() },
            put(CORE, KEYRING_KEY, "ring"),
        ] {
            batch.push(op);
        }
        assert_eq!(batch.keyring(), Some(&b"ring"[..]));
        assert!(batch.drops.contains(&A) && batch.creates.contains(&A));
        assert_eq!(batch.writes[&(A, b"k".to_vec())].as_deref(), Some(&b"2"[..]));
        assert_eq!(batch.writes.len(), 3);

        let mut batch = Batch::default();
        for op in [Op::CreateKeyspace(A), put(A, "k", "1"), Op::DropKeyspace(A)] {
            batch.push(op);
        }
        assert!(batch.drops.is_empty() && batch.creates.is_empty() && batch.writes.is_empty());
    }
}
