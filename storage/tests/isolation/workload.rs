//! Clients that run random transactions on a store and note what they see.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use strongroom_storage::{Class, KeyspaceId, ReadError, Store, Txn};

use super::history::{Op, Outcome, write_begun, write_outcome};

/// Lists and registers, in keyspaces of their own: transactions span both.
pub const LISTS: KeyspaceId = KeyspaceId([1; 16]);
pub const REGISTERS: KeyspaceId = KeyspaceId([2; 16]);

/// Keys that transactions choose from at a time.
const KEYS: u64 = 6;
/// Transactions after which other keys are chosen from: lists stay short.
const TURN: u64 = 150;

/// What all clients of a run share.
pub struct Run<'a> {
    pub store: &'a Store,
    /// Runs before this one, for values and times that are unique and in order.
    pub round: u64,
    started: Instant,
    next: AtomicU64,
    log: Mutex<std::fs::File>,
}

impl<'a> Run<'a> {
    pub fn new(store: &'a Store, round: u64, log: &Path) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut txn = store.begin();
        for keyspace in [LISTS, REGISTERS] {
            if store.keyspaces().iter().all(|(id, _)| *id != keyspace) {
                txn.create_keyspace(keyspace, Class::Replicated);
            }
        }
        txn.commit_blocking().unwrap();
        let next = AtomicU64::new((round << 40) + 1);
        Self { store, round, started: Instant::now(), next, log: Mutex::new(log) }
    }

    /// Nanoseconds; later rounds come later.
    fn now(&self) -> u64 {
        let since = u64::try_from(self.started.elapsed().as_nanos()).unwrap();
        (self.round << 44) + since
    }

    fn note(&self, line: &str) {
        self.log.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Runs transactions until there were so many in all.
    pub fn client(&self, seed: u64, total: u64) {
        let mut random = Random(seed * 2 + 1);
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let number = id - (self.round << 40);
            if number > total {
                return;
            }
            self.transaction(id, (self.round * 1000 + number / TURN) * KEYS, &mut random);
        }
    }

    fn transaction(&self, id: u64, keys: u64, random: &mut Random) {
        let begin = self.now();
        let mut txn = self.store.begin();
        let reads_only = random.below(4) == 0;
        let mut ops = Vec::new();
        for n in 1..=1 + random.below(5) {
            let (key, value) = (keys + random.below(KEYS), id * 8 + n);
            let op = match random.below(if reads_only { 2 } else { 5 }) {
                0 => Op::List(key, read_list(&mut txn, key).unwrap()),
                1 => Op::Read(key, read_register(&mut txn, key).unwrap()),
                2 | 3 => {
                    append(&mut txn, key, value).unwrap();
                    Op::Append(key, value)
                }
                _ => {
                    if random.below(2) == 0 {
                        ops.push(Op::Read(key, read_register(&mut txn, key).unwrap()));
                    }
                    txn.put(REGISTERS, &key.to_be_bytes(), value.to_be_bytes().to_vec());
                    Op::Write(key, value)
                }
            };
            ops.push(op);
        }
        self.note(&write_begun(id, begin, &ops));
        let outcome = match txn.commit_blocking() {
            Ok(committed) => Outcome::Committed { lsn: committed.lsn.0, end: self.now() },
            Err(_) => Outcome::Aborted,
        };
        self.note(&write_outcome(id, outcome));
    }

    /// Reads everything, in one transaction.
    pub fn read_all(&self) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let begin = self.now();
        let mut txn = self.store.begin();
        let mut ops = Vec::new();
        for key in txn.scan(LISTS, b"", None, usize::MAX) {
            let key = number(&key);
            ops.push(Op::List(key, read_list(&mut txn, key).unwrap()));
        }
        for key in txn.scan(REGISTERS, b"", None, usize::MAX) {
            let key = number(&key);
            ops.push(Op::Read(key, read_register(&mut txn, key).unwrap()));
        }
        self.note(&write_begun(id, begin, &ops));
        let lsn = txn.commit_blocking().unwrap().lsn.0;
        self.note(&write_outcome(id, Outcome::Committed { lsn, end: self.now() }));
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}

fn read_list(txn: &mut Txn, key: u64) -> Result<Vec<u64>, ReadError> {
    let bytes = txn.get(LISTS, &key.to_be_bytes())?.unwrap_or_default();
    Ok(bytes.chunks(8).map(number).collect())
}

fn read_register(txn: &mut Txn, key: u64) -> Result<Option<u64>, ReadError> {
    Ok(txn.get(REGISTERS, &key.to_be_bytes())?.map(|bytes| number(&bytes)))
}

fn append(txn: &mut Txn, key: u64, value: u64) -> Result<(), ReadError> {
    let mut bytes = txn.get(LISTS, &key.to_be_bytes())?.unwrap_or_default();
    bytes.extend_from_slice(&value.to_be_bytes());
    txn.put(LISTS, &key.to_be_bytes(), bytes);
    Ok(())
}

/// Numbers that look random, the same for each seed (G. Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
