//! What the clients of a run share: the store, the notes, and who follows the log.

use std::fs::OpenOptions;
use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use strongroom_storage::{ChangeOp, Class, KeyspaceId, Store};
use strongroom_wal::Lsn;

use super::history::{
    Key, Op, Outcome, PREFIX_SHIFT, ROUND_SHIFT, write_begun, write_logged, write_outcome,
    write_recovered,
};
use super::random::Random;

/// Keyspaces of lists (odd) and of registers (even): transactions span all.
pub const SPACES: [u8; 4] = [1, 2, 3, 4];
/// Of these, the ones that are dropped and made anew.
pub const PASSING: [u8; 2] = [3, 4];
/// What makes transactions large, and what tells them apart in the log.
pub const FILLER: KeyspaceId = keyspace(5);
pub const MARKS: KeyspaceId = keyspace(6);

/// Keys of each keyspace that transactions choose from at a time.
pub const KEYS: u64 = 4;
/// Transactions after which other keys are chosen from: lists stay short.
const TURN: u64 = 150;

pub const fn keyspace(space: u8) -> KeyspaceId {
    KeyspaceId([space; 16])
}

/// What the change stream tells of is in the log either way.
pub fn class(space: u8) -> Class {
    if space == 2 || space == 3 { Class::Local } else { Class::Replicated }
}

/// What all clients of a run share.
pub struct Run<'a> {
    pub store: &'a Store,
    /// Runs before this one, for values and times that are unique and in order.
    pub round: u64,
    /// Transactions are not of every kind, but such that the store serves reads while it repeats them.
    pub plain: bool,
    pub seed: u64,
    pub stop: AtomicBool,
    folder: PathBuf,
    started: Instant,
    next: AtomicU64,
    /// Where the run before this one stopped.
    first_turn: u64,
    log: Mutex<std::fs::File>,
}

impl<'a> Run<'a> {
    /// Notes go to a file in `folder`.
    pub fn new(store: &'a Store, round: u64, folder: &Path) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(history(folder)).unwrap();
        let turn = std::fs::read_to_string(folder.join("turn")).unwrap_or_default();
        Self {
            store,
            round,
            plain: false,
            seed: seed(),
            stop: AtomicBool::new(false),
            folder: folder.to_owned(),
            started: Instant::now(),
            next: AtomicU64::new(1),
            first_turn: turn.parse().unwrap_or(0),
            log: Mutex::new(log),
        }
    }

    pub fn plain(self, plain: bool) -> Self {
        Self { plain, ..self }
    }

    /// Makes the keyspaces, once.
    pub fn prepare(&self) {
        let mut txn = self.store.begin();
        for space in SPACES {
            txn.create_keyspace(keyspace(space), class(space));
        }
        txn.create_keyspace(FILLER, Class::Local);
        txn.create_keyspace(MARKS, Class::Replicated);
        txn.commit_blocking().unwrap();
    }

    /// Nanoseconds; later rounds come later.
    pub fn now(&self) -> u64 {
        let since = u64::try_from(self.started.elapsed().as_nanos()).unwrap();
        (self.round << ROUND_SHIFT) + since
    }

    pub fn note(&self, line: &str) {
        self.log.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }

    pub fn note_recovered(&self) {
        self.note(&write_recovered(self.now()));
    }

    /// A number that no other transaction has, and the prefix of keys that it chooses from; `None`
    /// after so many.
    pub fn next(&self, total: u64) -> Option<(u64, u64)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = self.first_turn + number / TURN;
        if number.is_multiple_of(TURN) {
            std::fs::write(self.folder.join("turn"), turn.to_string()).unwrap();
        }
        (number <= total).then_some(((self.round << 40) + number, turn))
    }

    /// Looks at keys of the last runs and of this one until the run is over, outside of transactions:
    /// as fast as it can while the store recovers.
    pub fn look_on(&self, recovered: &AtomicBool, name: u64) {
        let mut random = Random::of(self.seed.wrapping_add(name));
        for n in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let turns = self.next.load(Ordering::Relaxed) / TURN;
            let turn = (self.first_turn + turns).saturating_sub(random.below(2));
            // Numbers of their own.
            let id = (self.round << 40) + (1 << 38) + (name << 32) + n;
            self.look(id, turn, &mut random);
            if recovered.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn look(&self, id: u64, prefix: u64, random: &mut Random) {
        let space = SPACES[random.index(SPACES.len())];
        let key = Key { space, number: (prefix << PREFIX_SHIFT) + random.below(KEYS) };
        let begin = self.now();
        let op = if random.one_in(4) {
            let names = self.store.scan(keyspace(space), &prefix_bytes(prefix), None, usize::MAX);
            Op::Scan(space, prefix, names.iter().map(|name| number(name)).collect())
        } else {
            let entry = self.store.get(keyspace(space), &key.number.to_be_bytes()).unwrap();
            read_op(key, entry.as_ref().map(|entry| &*entry.value))
        };
        let outcome = Outcome::Looked { end: self.now() };
        self.note(&(write_begun(id, begin, &[op]) + &write_outcome(id, outcome)));
    }

    /// Notes what the log has, in its order, from where the run before this one had come to. Goes on
    /// until the run is over, and all is noted.
    pub fn follow(&self) {
        let mut from = last_noted(&std::fs::read_to_string(history(&self.folder)).unwrap());
        let mut changes = self.store.changes(Lsn(from)).unwrap();
        loop {
            let over = self.stop.load(Ordering::Relaxed);
            while let Some(change) = changes.next().unwrap() {
                from = change.end.0;
                let marks = change.ops.iter().filter_map(|op| match op {
                    ChangeOp::Put { keyspace: MARKS, value, .. } => Some(number(value)),
                    _ => None,
                });
                let lines: Vec<String> = marks.map(|id| write_logged(id, from)).collect();
                self.note(&lines.concat());
            }
            if over {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Reads everything, in one transaction.
    pub fn read_all(&self) {
        let (id, _) = self.next(u64::MAX).unwrap();
        let begin = self.now();
        let mut txn = self.store.begin();
        let mut ops = Vec::new();
        for space in SPACES {
            for name in txn.scan(keyspace(space), b"", None, usize::MAX) {
                let key = Key { space, number: number(&name) };
                ops.push(read_op(key, txn.get(keyspace(space), &name).unwrap().as_deref()));
            }
        }
        self.note(&write_begun(id, begin, &ops));
        let lsn = txn.commit_blocking().unwrap().lsn.0;
        self.note(&write_outcome(id, Outcome::Committed { lsn, end: self.now() }));
    }
}

/// What clients choose by. It repeats no run: threads take turns as they like.
fn seed() -> u64 {
    let given = std::env::var("STRONGROOM_SEED").ok();
    given.map_or_else(|| RandomState::new().hash_one(0), |seed| seed.parse().unwrap())
}

/// Where notes are.
pub fn history(folder: &Path) -> PathBuf {
    folder.join("history")
}

/// Up to where the log was noted.
fn last_noted(history: &str) -> u64 {
    let last = history.lines().rfind(|line| line.starts_with("O "));
    last.map_or(0, |line| line.split(' ').nth(2).unwrap().parse().unwrap())
}

pub fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}

pub fn prefix_bytes(prefix: u64) -> [u8; 4] {
    u32::try_from(prefix).unwrap().to_be_bytes()
}

pub fn read_op(key: Key, value: Option<&[u8]>) -> Op {
    let values = || value.unwrap_or_default().chunks(8).map(number);
    if key.is_list() { Op::List(key, values().collect()) } else { Op::Read(key, values().next()) }
}
