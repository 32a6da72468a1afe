//! A workload, the model that it is held against, and the means to run it on a simulated disk.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each suite uses its part")]

pub mod seeds;
pub mod session;
pub mod sweep;

use std::collections::BTreeMap;
use std::sync::{Arc, Once};

use strongroom_merkle::{Change, Digest, MemPages, Trie, composite, leaf_digest};
use strongroom_storage::{Class, CommitError, KeyspaceId, Options, Snapshot, Stats, Store};
use strongroom_wal::disk::sim::SimDisk;

use self::session::{LargeStep, Session};

/// What the store holds, by keyspace.
pub type Model = BTreeMap<KeyspaceId, (Class, BTreeMap<Vec<u8>, Vec<u8>>)>;

/// One step of a workload.
#[derive(Clone, Debug)]
pub enum Step {
    /// A transaction of several writes; `None` deletes.
    Commit(Vec<(u8, u8, Option<usize>)>),
    /// Drop and make a keyspace in one transaction.
    Recreate(u8),
    /// Make a checkpoint.
    Checkpoint,
    /// A step of the one large transaction that may be under way beside the others.
    Large(LargeStep),
}

pub fn keyspace(n: u8) -> KeyspaceId {
    KeyspaceId([n; 16])
}

pub fn class(n: u8) -> Class {
    if n.is_multiple_of(2) { Class::Replicated } else { Class::Local }
}

pub fn options() -> Options {
    Options {
        segment_size: 64 << 10,
        retention_bytes: 0,
        snapshot_bytes: u64::MAX,
        checkpoint_every: u64::MAX,
        pool_pages: usize::MAX,
        // Its reads would fall among those that a test counts.
        warm_pages: false,
        compact_after: None,
        io_uring: true,
        at_rest: None,
    }
}

/// A pool of four pages: most of what is touched has to be read again, and is stolen.
pub fn four_pages() -> Options {
    Options { pool_pages: 4, ..options() }
}

pub fn open(disk: &SimDisk) -> Result<Store, strongroom_storage::OpenError> {
    open_with(disk, options())
}

pub fn open_with(disk: &SimDisk, options: Options) -> Result<Store, strongroom_storage::OpenError> {
    one_at_a_time();
    let disk: Arc<dyn strongroom_wal::disk::Disk> = Arc::new(disk.clone());
    Store::open_on(&disk, options)
}

/// What the store does on two threads it does here on one, or else the disk's calls would come in an
/// order that no seed repeats.
fn one_at_a_time() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    });
}

/// The value that a step writes: told apart by step, key and length.
pub fn value(step: usize, key: u8, len: usize) -> Vec<u8> {
    let mut value = format!("{step}/{key}/").into_bytes();
    value.resize(value.len().max(len), b'.');
    value
}

/// What a step makes of the model. For steps of a large transaction see [`Session::after`].
pub fn apply(model: &mut Model, step: usize, what: &Step) {
    match what {
        Step::Commit(writes) => {
            for (ks, key, len) in writes {
                let entries = &mut model
                    .entry(keyspace(*ks))
                    .or_insert_with(|| (class(*ks), BTreeMap::new()))
                    .1;
                match len {
                    Some(len) => entries.insert(vec![b'k', *key], value(step, *key, *len)),
                    None => entries.remove(&vec![b'k', *key]),
                };
            }
        }
        Step::Recreate(ks) => {
            model.insert(keyspace(*ks), (class(*ks), BTreeMap::new()));
        }
        Step::Checkpoint | Step::Large(_) => {}
    }
}

/// Runs a step on the store. For steps of a large transaction see [`Session::run`].
pub fn run(store: &Store, step: usize, what: &Step) -> Result<(), CommitError> {
    let existing: Vec<KeyspaceId> = store.keyspaces().iter().map(|(id, _)| *id).collect();
    let mut txn = store.begin();
    match what {
        Step::Checkpoint => {
            // A checkpoint that fails leaves the last one in place.
            let _ = store.checkpoint();
            return Ok(());
        }
        Step::Large(_) => panic!("a large transaction needs a session"),
        Step::Recreate(ks) => {
            if existing.contains(&keyspace(*ks)) {
                txn.drop_keyspace(keyspace(*ks));
            }
            txn.create_keyspace(keyspace(*ks), class(*ks));
        }
        Step::Commit(writes) => {
            let mut made = existing;
            for (ks, key, len) in writes {
                if !made.contains(&keyspace(*ks)) {
                    txn.create_keyspace(keyspace(*ks), class(*ks));
                    made.push(keyspace(*ks));
                }
                match len {
                    Some(len) => txn.put(keyspace(*ks), &[b'k', *key], value(step, *key, *len)),
                    None => txn.delete(keyspace(*ks), &[b'k', *key]),
                }
            }
        }
    }
    txn.commit_blocking().map(|_| ())
}

/// Everything that is in the store, read through its interface.
pub fn contents(store: &Store) -> Model {
    let mut all = Model::new();
    for (id, class) in store.keyspaces() {
        let mut entries = BTreeMap::new();
        for key in store.scan(id, b"", None, usize::MAX) {
            let entry = store.get(id, &key).unwrap().unwrap();
            entries.insert(key, entry.value);
        }
        all.insert(id, (class, entries));
    }
    check_by_hash(&store.snapshot(), &all);
    all
}

/// What is found by key hash, where the keys come from the log, is what is found by name.
fn check_by_hash(snapshot: &Snapshot, model: &Model) {
    for (id, (_, entries)) in model {
        let by_hash: BTreeMap<_, _> = snapshot.entries(*id).map(Result::unwrap).collect();
        assert!(by_hash == *entries, "found by key hash: {by_hash:?}, by name: {entries:?}");
    }
}

/// The root that a store with these contents must have.
pub fn root_of(model: &Model, class: Class) -> Digest {
    composite(model.iter().filter(|(_, (c, _))| *c == class).map(|(id, (_, entries))| {
        let mut trie = Trie::new();
        let mut changes: Vec<_> =
            entries.iter().map(|(k, v)| Change::new(k, Some((leaf_digest(k, v), ())))).collect();
        trie.apply(&MemPages::new(), &mut changes).unwrap();
        (id.0, trie.root())
    }))
}

/// Asserts that the store holds one of the models, roots included; answers which.
pub fn check(store: &Store, allowed: &[&Model], context: &str) -> usize {
    let found = contents(store);
    let which = allowed.iter().position(|m| **m == found);
    assert!(
        which.is_some(),
        "{context}: holds {:?}\nallowed {:?}",
        brief(&found),
        allowed.iter().map(|m| brief(m)).collect::<Vec<_>>()
    );
    for class in [Class::Replicated, Class::Local] {
        assert_eq!(store.root(class), root_of(&found, class), "{context}: root of {class:?}");
    }
    which.unwrap()
}

fn brief(model: &Model) -> Vec<String> {
    model
        .iter()
        .flat_map(|(id, (_, entries))| {
            entries.iter().map(move |(k, v)| {
                let head = String::from_utf8_lossy(&v[..v.len().min(8)]).into_owned();
                format!("{}:{}={head}", id.0[0], k[1])
            })
        })
        .collect()
}

/// A workload that was run to its end: the models that it led to, each with how many calls the disk had
/// had when it was acknowledged.
pub struct Course {
    pub models: Vec<(u64, Model)>,
    /// Figures of the store when it ended.
    pub stats: Stats,
}

impl Course {
    /// Runs a workload; nothing fails.
    pub fn of(disk: &SimDisk, options: Options, workload: &[Step]) -> Self {
        let store = open_with(disk, options).unwrap();
        let mut session = Session::new(&store);
        let mut models = vec![(0, Model::new())];
        for (i, step) in workload.iter().enumerate() {
            let model = models.last().unwrap().1.clone();
            let next = session.after(&model, i, step);
            let took_effect = session.run(i, step).unwrap();
            models.push((disk.calls(), if took_effect { next } else { model }));
        }
        Self { stats: store.stats(), models }
    }

    /// What may be found after power loss at calls of which the medium was the same at all: what
    /// was acknowledged before the last of them, or what was under way at the first.
    pub fn allowed(&self, (first, last): (u64, u64)) -> Vec<&Model> {
        let before = |call| self.models.partition_point(|(calls, _)| *calls <= call) - 1;
        let (from, to) = (before(last), before(first) + 1);
        let to = to.clamp(from, self.models.len() - 1);
        self.models[from..=to].iter().map(|(_, model)| model).collect()
    }

    /// Calls before the last step.
    pub fn before_last(&self) -> u64 {
        self.models.iter().rev().nth(1).map_or(0, |(calls, _)| *calls)
    }
}

/// How a run of a workload ended: what was acknowledged, and what it would be with the step that
/// was under way.
pub struct Ended {
    pub acknowledged: Model,
    pub with_step_under_way: Model,
    pub opened: bool,
    /// Figures of the store when it ended.
    pub stats: Stats,
}

impl Ended {
    /// What may be found after it.
    pub fn allowed(&self) -> [&Model; 2] {
        [&self.acknowledged, &self.with_step_under_way]
    }
}

/// Runs a workload until its end or the first step that is not acknowledged.
pub fn run_all(disk: &SimDisk, workload: &[Step]) -> Ended {
    run_all_with(disk, options(), workload)
}

/// As [`run_all`], on a store that is opened with these options.
pub fn run_all_with(disk: &SimDisk, options: Options, workload: &[Step]) -> Ended {
    let mut model = Model::new();
    let stats = Stats::default();
    let Ok(store) = open_with(disk, options) else {
        let with_step_under_way = model.clone();
        return Ended { acknowledged: model, with_step_under_way, opened: false, stats };
    };
    let mut session = Session::new(&store);
    for (i, step) in workload.iter().enumerate() {
        let next = session.after(&model, i, step);
        match session.run(i, step) {
            Ok(true) => model = next,
            Ok(false) => {}
            Err(_) => {
                let stats = store.stats();
                let (acknowledged, with_step_under_way) = (model, next);
                return Ended { acknowledged, with_step_under_way, opened: true, stats };
            }
        }
    }
    let stats = store.stats();
    Ended { acknowledged: model.clone(), with_step_under_way: model, opened: true, stats }
}
