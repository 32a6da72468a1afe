//! A client: random transactions, of which it notes what they see.
//!
//! Most are short. Some log what they wrote before they commit, because they ask for it, make a
//! savepoint, or write more than a frame takes; some go back to a savepoint; some are dropped
//! instead of committed, some drop a keyspace or make it anew. Of keyspaces that stay, keys with an
//! odd number may be deleted, the others last.

use strongroom_storage::{CommitError, ReadError, Savepoint, Txn};

use super::history::{Key, Op, Outcome, PREFIX_SHIFT, write_begun, write_outcome};
use super::random::Random;
use super::run::{
    FILLER, KEYS, MARKS, PASSING, Run, SPACES, class, keyspace, number, prefix_bytes, read_op,
};

/// What a large transaction writes beside the rest: more than half a segment.
const FILLER_KEYS: u64 = 40;
const FILLER_BYTES: usize = 1000;

/// A client, with a number that no other of any round has.
pub struct Client<'r> {
    run: &'r Run<'r>,
    name: u64,
    random: Random,
    runtime: tokio::runtime::Runtime,
}

/// A transaction under way.
struct Open {
    txn: Txn,
    ops: Vec<Op>,
    savepoints: Vec<Savepoint>,
    id: u64,
    /// Of the keys that it chooses from.
    prefix: u64,
    wrote: bool,
}

impl<'r> Client<'r> {
    pub fn new(run: &'r Run<'r>, name: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self {
            run,
            name,
            random: Random::of(run.seed.wrapping_add(run.round * 64 + name)),
            runtime,
        }
    }

    /// Runs transactions until there were so many in all.
    pub fn work(mut self, total: u64) {
        while let Some((id, prefix)) = self.run.next(total) {
            self.transaction(id, prefix);
        }
    }

    fn transaction(&mut self, id: u64, prefix: u64) {
        let begin = self.run.now();
        let (txn, savepoints) = (self.run.store.begin(), Vec::new());
        let mut open = Open { txn, ops: Vec::new(), savepoints, id, prefix, wrote: false };
        let plain = self.run.plain;
        let done = match self.random.below(64) {
            0..16 => {
                self.reads(&mut open);
                Ok(())
            }
            16..18 if !plain => self.reshapes(&mut open),
            18..24 if !plain => self.wavers(&mut open),
            _ => self.writes(&mut open),
        };
        if open.wrote {
            open.txn.put(MARKS, &self.name.to_be_bytes(), id.to_be_bytes().to_vec());
        }
        self.run.note(&write_begun(id, begin, &open.ops));
        let committed = match done {
            Ok(()) if self.random.one_in(12) => None,
            // The two ways to commit hand the work over differently.
            Ok(()) if self.random.one_in(2) => self.runtime.block_on(open.txn.commit()).ok(),
            Ok(()) => open.txn.commit_blocking().ok(),
            Err(_) => None,
        };
        let end = self.run.now();
        let outcome = match committed {
            Some(committed) => Outcome::Committed { lsn: committed.lsn.0, end },
            None => Outcome::Aborted { end },
        };
        self.run.note(&write_outcome(id, outcome));
    }

    fn reads(&mut self, open: &mut Open) {
        for _ in 0..=self.random.below(5) {
            let key = self.key(open.prefix);
            open.read(key, self.random.one_in(4));
        }
    }

    fn writes(&mut self, open: &mut Open) -> Result<(), CommitError> {
        for _ in 0..=self.random.below(6) {
            let key = self.key(open.prefix);
            match self.random.below(16) {
                0..4 => open.read(key, self.random.one_in(3)),
                4 if !self.run.plain => self.runtime.block_on(open.txn.spill())?,
                5 if !self.run.plain => self.make_savepoint(open)?,
                6 | 7 if !open.savepoints.is_empty() => self.roll_back(open)?,
                _ => self.write(open, key),
            }
        }
        if !self.run.plain && self.random.one_in(48) {
            for n in 0..FILLER_KEYS {
                let key = self.name * FILLER_KEYS + n;
                open.txn.put(FILLER, &key.to_be_bytes(), vec![0; FILLER_BYTES]);
            }
            open.wrote = true;
        }
        Ok(())
    }

    fn write(&mut self, open: &mut Open, key: Key) {
        open.wrote = true;
        let passing = PASSING.contains(&key.space) || key.number % 2 == 1;
        // What is to be written is looked at before, or not.
        if self.random.one_in(2) {
            open.read(key, false);
        }
        if passing && self.random.one_in(3) {
            open.txn.delete(keyspace(key.space), &key.number.to_be_bytes());
            open.ops.push(Op::Delete(key));
        } else if key.is_list() {
            open.append(key).unwrap();
        } else {
            open.put(key);
        }
    }

    /// Writes two keys again and again, and goes back: it reads what it wrote before a savepoint, and what
    /// was there before all.
    fn wavers(&mut self, open: &mut Open) -> Result<(), CommitError> {
        let keys = [self.key(open.prefix), self.key(open.prefix)];
        for _ in 0..4 + self.random.below(12) {
            let key = keys[self.random.index(2)];
            match self.random.below(12) {
                0..3 => open.read(key, self.random.one_in(3)),
                3 => self.runtime.block_on(open.txn.spill())?,
                4 | 5 => self.make_savepoint(open)?,
                6 | 7 if !open.savepoints.is_empty() => self.roll_back(open)?,
                _ => self.write(open, key),
            }
        }
        Ok(())
    }

    fn make_savepoint(&mut self, open: &mut Open) -> Result<(), CommitError> {
        open.savepoints.push(self.runtime.block_on(open.txn.savepoint())?);
        open.ops.push(Op::Savepoint);
        Ok(())
    }

    fn roll_back(&mut self, open: &mut Open) -> Result<(), CommitError> {
        let to = self.random.index(open.savepoints.len());
        open.savepoints.truncate(to + 1);
        self.runtime.block_on(open.txn.roll_back_to(&open.savepoints[to]))?;
        open.ops.push(Op::RollBack(to));
        Ok(())
    }

    /// Drops a keyspace and makes it anew, or one of both: as it may be without it for a while.
    fn reshapes(&mut self, open: &mut Open) -> Result<(), CommitError> {
        let space = PASSING[self.random.index(PASSING.len())];
        let is_there = self.run.store.keyspaces().iter().any(|(id, _)| *id == keyspace(space));
        open.wrote = true;
        if is_there {
            if self.random.one_in(2) {
                open.read(Key { space, ..self.key(open.prefix) }, self.random.one_in(2));
            }
            let rolls_back = self.random.one_in(4);
            if rolls_back {
                self.make_savepoint(open)?;
            }
            open.txn.drop_keyspace(keyspace(space));
            open.ops.push(Op::Drop(space));
            if rolls_back {
                return self.roll_back(open);
            }
        }
        if !is_there || self.random.one_in(2) {
            open.txn.create_keyspace(keyspace(space), class(space));
            open.ops.push(Op::Create(space));
            // What it had held is still read here, so that a list would not begin anew.
            let key = Key { space, ..self.key(open.prefix) };
            if !key.is_list() {
                open.put(key);
            }
        }
        Ok(())
    }

    fn key(&mut self, prefix: u64) -> Key {
        let space = SPACES[self.random.index(SPACES.len())];
        Key { space, number: (prefix << PREFIX_SHIFT) + self.random.below(KEYS) }
    }
}

impl Open {
    fn read(&mut self, key: Key, scans: bool) {
        if scans {
            let prefix = prefix_bytes(self.prefix);
            let names = self.txn.scan(keyspace(key.space), &prefix, None, usize::MAX);
            let numbers = names.iter().map(|name| number(name)).collect();
            self.ops.push(Op::Scan(key.space, self.prefix, numbers));
        } else {
            let value = self.txn.get(keyspace(key.space), &key.number.to_be_bytes()).unwrap();
            self.ops.push(read_op(key, value.as_deref()));
        }
    }

    /// One that was never written: operations are few.
    fn value(&self) -> u64 {
        (self.id << 6) + self.ops.len() as u64
    }

    fn put(&mut self, key: Key) {
        let value = self.value();
        self.txn.put(keyspace(key.space), &key.number.to_be_bytes(), value.to_be_bytes().into());
        self.ops.push(Op::Write(key, value));
    }

    fn append(&mut self, key: Key) -> Result<(), ReadError> {
        let value = self.value();
        let (space, name) = (keyspace(key.space), key.number.to_be_bytes());
        let mut bytes = self.txn.get(space, &name)?.unwrap_or_default();
        bytes.extend_from_slice(&value.to_be_bytes());
        self.txn.put(space, &name, bytes);
        self.ops.push(Op::Append(key, value));
        Ok(())
    }
}
