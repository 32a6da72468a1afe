//! Workloads with one large transaction under way beside the ordinary ones.

use std::collections::BTreeMap;

use strongroom_storage::{CommitError, Savepoint, Store, Txn};

use super::{Model, Step, apply, class, keyspace, run, value};

/// What a large transaction does next; the first step begins it.
#[derive(Clone, Debug)]
pub enum LargeStep {
    /// Writes keys `from..to` of a keyspace and logs them; `None` deletes.
    Write { keyspace: u8, from: u8, to: u8, len: Option<usize> },
    /// Marks a point to roll back to.
    Savepoint,
    /// Rolls back to the last savepoint, if there is one.
    RollBack,
    /// Makes it count.
    Commit,
    /// Takes it back.
    Drop,
}

/// What it wrote so far.
type Writes = BTreeMap<(u8, u8), Option<Vec<u8>>>;

struct Open {
    txn: Txn,
    writes: Writes,
    savepoints: Vec<(Savepoint, Writes)>,
    /// Keyspaces that it makes.
    made: Vec<u8>,
}

/// The store, with the large transaction that is under way.
pub struct Session<'s> {
    store: &'s Store,
    open: Option<Open>,
    /// The disk refuses: a transaction that was dropped may wait to be taken back.
    pub stuck: bool,
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

impl<'s> Session<'s> {
    pub fn new(store: &'s Store) -> Self {
        Self { store, open: None, stuck: false }
    }

    /// The model after a step that takes effect. Of a large transaction only the commit does.
    pub fn after(&self, model: &Model, i: usize, step: &Step) -> Model {
        let mut next = model.clone();
        if let (Step::Large(LargeStep::Commit), Some(open)) = (step, &self.open) {
            for ((ks, key), value) in &open.writes {
                let made = || (class(*ks), BTreeMap::new());
                let entries = &mut next.entry(keyspace(*ks)).or_insert_with(made).1;
                match value {
                    Some(value) => entries.insert(vec![b'k', *key], value.clone()),
                    None => entries.remove(&vec![b'k', *key]),
                };
            }
            for ks in &open.made {
                next.entry(keyspace(*ks)).or_insert_with(|| (class(*ks), BTreeMap::new()));
            }
        }
        apply(&mut next, i, step);
        next
    }

    /// Drops the large transaction, after an error.
    pub fn abandon(&mut self) {
        self.open = None;
    }

    /// Runs a step; answers whether it took effect. A step is refused, without effect, when the large
    /// transaction holds a key that it writes, or when a keyspace came or went under the large one.
    pub fn run(&mut self, i: usize, step: &Step) -> Result<bool, CommitError> {
        let done = match step {
            Step::Large(step) => self.large(i, step),
            step => run(self.store, i, step),
        };
        match done {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict) => {
                let holds = self.open.as_ref().is_some_and(|open| !open.writes.is_empty());
                assert!(holds || self.stuck, "step {i}, {step:?}: a conflict with nobody");
                if matches!(step, Step::Large(_)) {
                    self.open = None;
                }
                Ok(false)
            }
            Err(CommitError::UnknownKeyspace) if matches!(step, Step::Large(_)) => {
                self.open = None;
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    fn large(&mut self, i: usize, step: &LargeStep) -> Result<(), CommitError> {
        let store = self.store;
        match step {
            LargeStep::Commit => {
                return self.open.take().map_or(Ok(()), |o| o.txn.commit_blocking().map(|_| ()));
            }
            LargeStep::Drop => {
                self.open = None;
                return Ok(());
            }
            _ => {}
        }
        let open = self.open.get_or_insert_with(|| Open {
            txn: store.begin(),
            writes: Writes::new(),
            savepoints: Vec::new(),
            made: Vec::new(),
        });
        match step {
            LargeStep::Write { keyspace: ks, from, to, len } => {
                let id = keyspace(*ks);
                if !open.made.contains(ks) && store.keyspaces().iter().all(|(k, _)| *k != id) {
                    open.txn.create_keyspace(id, class(*ks));
                    open.made.push(*ks);
                }
                for key in *from..*to {
                    let value = len.map(|len| value(i, key, len));
                    match &value {
                        Some(value) => open.txn.put(id, &[b'k', key], value.clone()),
                        None => open.txn.delete(id, &[b'k', key]),
                    }
                    open.writes.insert((*ks, key), value);
                }
                block_on(open.txn.spill())
            }
            LargeStep::Savepoint => {
                let savepoint = block_on(open.txn.savepoint())?;
                open.savepoints.push((savepoint, open.writes.clone()));
                Ok(())
            }
            LargeStep::RollBack => {
                let Some((savepoint, writes)) = open.savepoints.last().cloned() else {
                    return Ok(());
                };
                block_on(open.txn.roll_back_to(&savepoint))?;
                let kept = |ks: &u8| writes.keys().any(|(k, _)| k == ks);
                open.made.retain(kept);
                open.writes = writes;
                Ok(())
            }
            LargeStep::Commit | LargeStep::Drop => Ok(()),
        }
    }
}
