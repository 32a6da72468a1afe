//! Restart against a model: a log of interleaved transactions, pages that were written at any
//! moment (steal), and crashes in the middle of undo, any number of times.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use strongroom_aries::{
    After, Analysis, Before, Lsn, NO_LSN, PageId, Record, TransactionTable, TxnId, Undo, UndoError,
    Update, redo,
};

const PAGES: u8 = 4;

fn page_of(key: &[u8]) -> PageId {
    PageId { keyspace: 1, pending: false, path: u64::from(key[0] % PAGES) << 60, depth: 1 }
}

/// A value stands in for where it lies: its position.
type Value = u64;

#[derive(Clone, Default, Debug, PartialEq)]
struct Page {
    lsn: Lsn,
    entries: BTreeMap<u8, Value>,
}

/// The log in bytes, the pages on disk, the pages in memory.
#[derive(Clone, Default)]
struct World {
    log: Vec<(Lsn, Vec<u8>)>,
    disk: BTreeMap<PageId, Page>,
    memory: BTreeMap<PageId, Page>,
    chains: BTreeMap<u8, (TxnId, Lsn)>,
    /// Keys held by a transaction that has not ended.
    locks: BTreeMap<u8, u8>,
    committed: BTreeMap<u8, Value>,
    uncommitted: BTreeMap<u8, Vec<(u8, Option<Value>)>>,
}

fn present(at: u64) -> Before {
    Before::Present { at, len: 1, version: at, digest: [0; 32] }
}

impl World {
    fn append(&mut self, record: &Record<'_>) -> Lsn {
        let lsn = self.log.last().map_or(1, |(lsn, _)| lsn + 10);
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        self.log.push((lsn, bytes));
        lsn
    }

    fn set(&mut self, lsn: Lsn, key: u8, value: Option<Value>) {
        let page = self.memory.entry(page_of(&[key])).or_default();
        assert!(page.lsn < lsn, "applied in order, once");
        page.lsn = lsn;
        match value {
            Some(value) => page.entries.insert(key, value),
            None => page.entries.remove(&key),
        };
    }

    fn get(&self, key: u8) -> Option<Value> {
        self.memory.get(&page_of(&[key]))?.entries.get(&key).copied()
    }

    fn update(&mut self, txn: u8, key: u8, delete: bool) {
        if *self.locks.entry(key).or_insert(txn) != txn {
            return;
        }
        let next = self.log.last().map_or(1, |(lsn, _)| lsn + 10);
        let (id, prev) = self.chains.get(&txn).copied().unwrap_or((TxnId(next), NO_LSN));
        let before = self.get(key).map_or(Before::Absent, present);
        let after = if delete { After::Deleted } else { After::Value(b"v") };
        let lsn = self.append(&Record::Update(Update {
            txn: Some((id, prev)),
            keyspace: 1,
            key: &[key],
            after,
            before,
        }));
        self.chains.insert(txn, (id, lsn));
        let value = (!delete).then_some(lsn);
        self.set(lsn, key, value);
        self.uncommitted.entry(txn).or_default().push((key, value));
    }

    fn commit(&mut self, txn: u8) {
        let Some((id, _)) = self.chains.remove(&txn) else { return };
        self.append(&Record::Commit(id));
        for (key, value) in self.uncommitted.remove(&txn).unwrap_or_default() {
            match value {
                Some(value) => self.committed.insert(key, value),
                None => self.committed.remove(&key),
            };
        }
        self.locks.retain(|_, holder| *holder != txn);
    }

    /// A page goes to disk, uncommitted changes and all.
    fn steal(&mut self, page: u8) {
        let page = page_of(&[page]);
        if let Some(image) = self.memory.get(&page) {
            self.disk.insert(page, image.clone());
        }
    }

    /// Restarts; `undo_steps` bounds how many compensations are logged before the next crash.
    fn restart(&mut self, undo_steps: usize) -> bool {
        self.memory = self.disk.clone();
        let mut analysis = Analysis::new(1);
        for (lsn, bytes) in &self.log {
            analysis.see(*lsn, &Record::decode(bytes).unwrap(), |_, _, key| page_of(key));
        }
        let outcome = analysis.finish();
        for (lsn, bytes) in self.log.clone() {
            let (key, value) = match Record::decode(&bytes).unwrap() {
                Record::Update(u) => (u.key[0], (u.after != After::Deleted).then_some(lsn)),
                Record::Compensation(c) => (c.key[0], at(&c.restore)),
                _ => continue,
            };
            let needed = redo::needed(lsn, page_of(&[key]), &outcome.dirty, |page| {
                self.memory.get(&page).map_or(NO_LSN, |p| p.lsn)
            });
            if needed {
                self.set(lsn, key, value);
            }
        }
        self.undo(&outcome.transactions, undo_steps)
    }

    fn undo(&mut self, table: &TransactionTable, mut steps: usize) -> bool {
        let mut undo = Undo::new(table);
        for txn in undo.only_to_end().to_vec() {
            self.append(&Record::End(txn));
        }
        let mut last = Lsn::MAX;
        while let Some(lsn) = undo.next() {
            if steps == 0 {
                return false;
            }
            steps -= 1;
            assert!(lsn < last, "one backward sweep");
            last = lsn;
            let (_, bytes) = self.log.iter().find(|(at, _)| *at == lsn).unwrap().clone();
            let step = undo.step(&Record::decode(&bytes).unwrap()).unwrap();
            let clr = self.append(&Record::Compensation(step.compensation));
            self.set(clr, step.compensation.key[0], at(&step.compensation.restore));
            if step.ends {
                self.append(&Record::End(step.compensation.txn));
            }
        }
        true
    }

    fn entries(&self) -> BTreeMap<u8, Value> {
        self.memory.values().flat_map(|p| p.entries.clone()).collect()
    }
}

fn at(before: &Before) -> Option<Value> {
    match before {
        Before::Present { at, .. } => Some(*at),
        _ => None,
    }
}

#[derive(Debug, Clone)]
enum Op {
    Update(u8, u8, bool),
    Commit(u8),
    Steal(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u8..4, 0u8..8, any::<bool>()).prop_map(|(t, k, d)| Op::Update(t, k, d)),
        1 => (0u8..4).prop_map(Op::Commit),
        3 => (0u8..PAGES).prop_map(Op::Steal),
    ]
}

proptest! {
    #[test]
    fn restart_leaves_the_committed_state_whatever_was_stolen(
        ops in proptest::collection::vec(op(), 0..80),
        crashes in proptest::collection::vec((0usize..6, proptest::collection::vec(0u8..PAGES, 0..3)), 0..5),
    ) {
        let mut world = World::default();
        for op in &ops {
            match op {
                Op::Update(txn, key, delete) => world.update(*txn, *key, *delete),
                Op::Commit(txn) => world.commit(*txn),
                Op::Steal(page) => world.steal(*page),
            }
        }
        let updates = world.log.len();
        for (steps, stolen) in &crashes {
            world.restart(*steps);
            for page in stolen {
                world.steal(*page);
            }
        }
        prop_assert!(world.restart(usize::MAX));
        prop_assert_eq!(world.entries(), world.committed.clone());
        // Compensations are bounded by the updates however often undo was interrupted.
        let compensations = world
            .log
            .iter()
            .filter(|(_, b)| matches!(Record::decode(b), Ok(Record::Compensation(_))))
            .count();
        prop_assert!(compensations <= updates);
        // Another restart finds nothing to do and the same state.
        let (entries, length) = (world.entries(), world.log.len());
        prop_assert!(world.restart(0));
        prop_assert_eq!(world.entries(), entries);
        prop_assert_eq!(world.log.len(), length);
    }
}

#[test]
fn undo_refuses_a_broken_chain() {
    let mut table = TransactionTable::default();
    table.updated(TxnId(5), 9);
    let foreign = Record::Update(Update {
        txn: Some((TxnId(6), 1)),
        keyspace: 1,
        key: b"k",
        after: After::Deleted,
        before: Before::Absent,
    });
    assert_eq!(Undo::new(&table).step(&foreign), Err(UndoError::BrokenChain(9)));
    assert_eq!(Undo::new(&table).step(&Record::CheckpointBegin), Err(UndoError::BrokenChain(9)));
}

#[test]
fn a_checkpoint_brings_in_what_was_dirty_and_active_before_it() {
    let page = page_of(b"\x01");
    let mut dirty = strongroom_aries::DirtyPageTable::default();
    dirty.note(page, 40);
    let mut transactions = TransactionTable::default();
    transactions.updated(TxnId(30), 60);
    transactions.updated(TxnId(20), 50);
    let map = strongroom_aries::MapLocation { segment: 1, offset: 0, len: 9 };
    let end = strongroom_aries::CheckpointEnd { begin: 100, map, transactions, dirty };
    let mut analysis = Analysis::new(100);
    analysis.see(110, &Record::Commit(TxnId(30)), |_, _, k| page_of(k));
    analysis.see(120, &Record::CheckpointEnd(end.clone()), |_, _, k| page_of(k));
    // Another checkpoint's end says nothing about this one.
    let other = strongroom_aries::CheckpointEnd { begin: 7, ..end };
    analysis.see(130, &Record::CheckpointEnd(other), |_, _, k| page_of(k));
    analysis.see(140, &Record::End(TxnId(20)), |_, _, k| page_of(k));
    let outcome = analysis.finish();
    assert_eq!((outcome.redo_from, outcome.map), (40, Some(map)));
    assert!(outcome.transactions.get(TxnId(30)).unwrap().committed);
    assert!(outcome.transactions.get(TxnId(20)).is_none());
    assert!(!redo::needed(39, page, &outcome.dirty, |_| 0));
    assert!(redo::needed(40, page, &outcome.dirty, |_| 39));
    assert!(!redo::needed(40, page, &outcome.dirty, |_| 40));
    assert!(!redo::needed(40, page_of(b"\x02"), &outcome.dirty, |_| 0));
}
