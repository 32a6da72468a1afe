//! Row 18 of the ARIES checklist as a property: the log is kept from the least of what restart, undo,
//! readers of older states and change streams within their bound need, and no further.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use strongroom_aries::Record;
use strongroom_storage::{ChangesError, Class, Lsn, Options, ReadError, Snapshot, Store, Txn};
use strongroom_wal::disk::Disk;
use strongroom_wal::disk::sim::SimDisk;
use strongroom_wal::{LogReader, OpenHint, parse_segment_name};
use support::{Model, check, contents, keyspace, open_with, options};

const SEGMENT: u64 = 64 << 10;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize),
    Delete(u8),
    /// Begins a large transaction, or logs more of one that is under way.
    Spill(u8),
    Commit(u8),
    Abort(u8),
    Pin,
    Unpin,
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..12u8, prop_oneof![1 => Just(0), 8 => 1..9_000usize]).prop_map(|(key, len)| Step::Put(key, len)),
        2 => (0..12u8).prop_map(Step::Delete),
        2 => (0..3u8).prop_map(Step::Spill),
        1 => (0..3u8).prop_map(Step::Commit),
        1 => (0..3u8).prop_map(Step::Abort),
        1 => Just(Step::Pin),
        2 => Just(Step::Unpin),
        4 => Just(Step::Checkpoint),
    ]
}

/// A store, and who needs what of its log.
struct Run {
    disk: SimDisk,
    options: Options,
    store: Store,
    /// Large transactions, each with the position of its first record once it has one.
    large: [Option<(Txn, Lsn)>; 3],
    /// First records of those that were committed, and the end of the commit.
    committed: Vec<(Lsn, Lsn)>,
    pinned: VecDeque<(Snapshot, Model)>,
    /// Where the last checkpoint begins.
    checkpoint: Lsn,
    /// Ends of frames, as change streams get them.
    positions: Vec<Lsn>,
}

impl Run {
    fn new(retention_bytes: u64, snapshot_bytes: u64) -> Self {
        let disk = SimDisk::new(retention_bytes);
        let options = Options { retention_bytes, snapshot_bytes, ..options() };
        let store = open_with(&disk, options).unwrap();
        let mut txn = store.begin();
        txn.create_keyspace(keyspace(2), support::class(2));
        txn.commit_blocking().unwrap();
        let checkpoint = Lsn::ZERO;
        let (large, committed) = (Default::default(), Vec::new());
        let (pinned, positions) = (VecDeque::new(), Vec::new());
        Self { disk, options, store, large, committed, pinned, checkpoint, positions }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Put(key, len) => {
                let mut txn = self.store.begin();
                txn.put(keyspace(2), &[b'k', *key], vec![*key; *len]);
                txn.commit_blocking().unwrap();
            }
            Step::Delete(key) => {
                let mut txn = self.store.begin();
                txn.delete(keyspace(2), &[b'k', *key]);
                txn.commit_blocking().unwrap();
            }
            Step::Spill(n) => self.spill(*n),
            Step::Commit(n) => {
                if let Some((txn, first)) = self.large[usize::from(*n)].take() {
                    txn.commit_blocking().unwrap();
                    self.committed.push((first, self.store.position()));
                }
            }
            Step::Abort(n) => self.abort(*n),
            Step::Pin => {
                self.pinned.push_back((self.store.snapshot(), contents(&self.store)));
            }
            Step::Unpin => {
                self.pinned.pop_front();
            }
            Step::Checkpoint => self.checkpoint = self.store.checkpoint().unwrap(),
        }
        self.positions.push(self.store.position());
    }

    fn spill(&mut self, n: u8) {
        let from = self.store.position();
        let slot = &mut self.large[usize::from(n)];
        let (mut txn, first) = slot.take().unwrap_or_else(|| (self.store.begin(), Lsn::ZERO));
        for i in 0..12 {
            txn.put(keyspace(2), &[b'l', n, i], vec![n; 700]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(txn.spill()).unwrap();
        let first = self.begun_from(from).unwrap_or(first);
        assert!(first > Lsn::ZERO);
        self.large[usize::from(n)] = Some((txn, first));
    }

    /// A dropped transaction is rolled back in its own time; a commit behind it waits for that. A
    /// rollback logged between two looks at the store's position once moved the streams' bound past
    /// the position that was about to be read from.
    fn abort(&mut self, n: u8) {
        if self.large[usize::from(n)].take().is_some() {
            let mut txn = self.store.begin();
            txn.put(keyspace(2), b"after", vec![n]);
            txn.commit_blocking().unwrap();
        }
    }

    /// First record of the large transaction that began behind this position, if one did.
    fn begun_from(&self, from: Lsn) -> Option<Lsn> {
        let hint = OpenHint {
            scan_from: self.checkpoint,
            known_durable: self.checkpoint,
            ..OpenHint::default()
        };
        let log = LogReader::open(Arc::new(self.disk.clone()), hint).unwrap();
        let frames: Vec<_> = log.frames(from).map(Result::unwrap).collect();
        let mut records = frames.iter().flat_map(|frame| frame.records());
        records.find_map(|(lsn, bytes)| match Record::decode(bytes).unwrap() {
            Record::Update(update) if update.txn.is_some_and(|(txn, _)| txn.0 == lsn.0) => {
                Some(lsn)
            }
            _ => None,
        })
    }

    fn kept(&self) -> BTreeSet<u64> {
        self.disk.list().unwrap().iter().filter_map(|name| parse_segment_name(name)).collect()
    }

    /// Nobody misses anything.
    fn check_needed(&self) {
        let end = self.store.position();
        let streams = Lsn(end.0.saturating_sub(self.options.retention_bytes));
        let transactions = self.large.iter().flatten().map(|(_, first)| *first);
        let bound = Lsn(end.0.saturating_sub(self.options.snapshot_bytes));
        let within = |snapshot: &Snapshot| snapshot.lsn() >= bound;
        let snapshots = self.pinned.iter().map(|(snapshot, _)| snapshot.lsn());
        let snapshots = snapshots.filter(|lsn| *lsn >= bound);
        let needed = transactions.chain(snapshots).chain([self.checkpoint, streams]).min().unwrap();
        let kept = self.kept();
        // The last one may not be begun yet.
        for segment in needed.0 / SEGMENT..end.0 / SEGMENT {
            assert!(kept.contains(&segment), "segment {segment} of {kept:?}, needed from {needed}");
        }
        for (snapshot, model) in &self.pinned {
            for (key, value) in &model[&keyspace(2)].1 {
                match snapshot.get(keyspace(2), key) {
                    Err(ReadError::Behind { .. }) => assert!(!within(snapshot), "{key:?}"),
                    read => assert_eq!(read.unwrap().as_ref(), Some(value)),
                }
            }
        }
        if let Some(from) = self.positions.iter().find(|from| **from >= streams) {
            let mut reader = self.store.changes(*from).unwrap();
            while reader.next().unwrap().is_some() {}
            assert_eq!(reader.position(), end);
        }
    }

    /// Segments with a record that counts: it begins before its value, which may be empty.
    fn live(&self) -> BTreeSet<u64> {
        let snapshot = self.store.snapshot();
        snapshot.index(keyspace(2)).map(|entry| (entry.unwrap().position.0 - 1) / SEGMENT).collect()
    }

    /// Once nobody needs more, every segment before the last checkpoint and what was the streams' bound
    /// then has a value in it that counts, or did before the cleaner moved it.
    fn check_not_needed(&mut self) {
        self.large = Default::default();
        self.pinned.clear();
        self.store.checkpoint().unwrap();
        let (mut live, end) = (self.live(), self.store.position());
        self.checkpoint = self.store.checkpoint().unwrap();
        live.extend(self.live());
        let streams = end.0.saturating_sub(self.options.retention_bytes);
        let streamed = self.committed.iter().filter(|(_, end)| end.0 >= streams);
        let streams = streamed.map(|(first, _)| first.0).fold(streams, u64::min);
        let bound = self.checkpoint.0.min(streams) / SEGMENT;
        for segment in self.kept().range(..bound) {
            assert!(live.contains(segment), "segment {segment} of {:?}", self.kept());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A stream that stood at the very end of a segment was once told that it was behind when that
    /// segment was given back, though it had missed nothing; and so was one within its bound that came
    /// to the commit of a large transaction of which the cleaner had moved the values.
    #[test]
    fn row_18_the_log_is_kept_as_far_as_someone_needs_it(
        steps in prop::collection::vec(step(), 1..80),
        retention in prop_oneof![Just(0), 1..200_000u64],
        snapshots in prop_oneof![2 => Just(u64::MAX), 1 => 0..200_000u64],
        seed: u64,
    ) {
        let mut run = Run::new(retention, snapshots);
        for step in &steps {
            run.step(step);
            run.check_needed();
        }
        let now = contents(&run.store);
        let restarted = open_with(&run.disk.crash_with(seed), run.options).unwrap();
        check(&restarted, &[&now], "after a crash");
        run.check_not_needed();
        check(&run.store, &[&now], "in the end");
    }
}

/// What was logged before the restart did not count: a process that was killed again and again, each
/// time before it had logged as much as makes a checkpoint due, read a longer log at every start.
#[test]
fn many_short_lives_make_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_size: 1 << 20, checkpoint_every: 1 << 20, ..options() };
    let store = Store::open(dir.path(), options).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.commit_blocking().unwrap();
    store.checkpoint().unwrap();
    let first = store.stats().checkpoint_lsn;
    drop(store);
    let mut lives = 0;
    let store = loop {
        let store = Store::open(dir.path(), options).unwrap();
        let mut txn = store.begin();
        txn.put(keyspace(2), b"key", vec![lives; 300_000]);
        txn.commit_blocking().unwrap();
        lives += 1;
        if lives == 4 {
            break store;
        }
    };
    let began = Instant::now();
    while store.stats().checkpoint_lsn == first {
        assert!(began.elapsed() < Duration::from_mins(1), "{:?}", store.stats());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Overwrites one key with a new value of 9,000 bytes, so many times, and makes a checkpoint.
fn overwrite(store: &Store, times: u8) {
    for n in 0..times {
        let mut txn = store.begin();
        txn.put(keyspace(2), b"key", vec![n; 9_000]);
        txn.commit_blocking().unwrap();
    }
    store.checkpoint().unwrap();
}

/// A snapshot that nobody let go of once kept the whole log, until the disk was full.
#[test]
fn a_reader_of_an_old_state_is_told_when_it_is_beyond_its_bound() {
    let disk = SimDisk::new(1);
    let store = open_with(&disk, Options { snapshot_bytes: 4 * SEGMENT, ..options() }).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.put(keyspace(2), b"other", b"value".to_vec());
    txn.commit_blocking().unwrap();
    overwrite(&store, 1);
    let snapshot = store.snapshot();
    // 27 KB and more behind: all is kept, and a stream may begin where the snapshot is.
    overwrite(&store, 3);
    overwrite(&store, 3);
    assert_eq!(snapshot.get(keyspace(2), b"key").unwrap(), Some(vec![0; 9_000]));
    assert!(store.changes(snapshot.lsn()).is_ok());
    // Half a megabyte: the log goes on without it.
    for _ in 0..4 {
        overwrite(&store, 15);
    }
    let segments = store.stats().log_segments;
    assert!(segments <= 6, "{segments} segments are kept");
    let read = snapshot.get(keyspace(2), b"key").map(|_| ());
    assert!(matches!(read, Err(ReadError::Behind { .. })), "{read:?}");
    let changes = store.changes(snapshot.lsn()).map(|_| ());
    assert!(matches!(changes, Err(ChangesError::Behind { .. })), "{changes:?}");
    // The newest state is not concerned.
    assert_eq!(store.snapshot().get(keyspace(2), b"key").unwrap(), Some(vec![14; 9_000]));
    assert_eq!(store.snapshot().get(keyspace(2), b"other").unwrap(), Some(b"value".to_vec()));
}

/// Everyone by name, with what is kept for him.
#[test]
fn who_needs_the_log_can_be_seen() {
    let disk = SimDisk::new(1);
    let options = Options { retention_bytes: 100_000, checkpoint_every: 1 << 20, ..options() };
    let store = open_with(&disk, options).unwrap();
    let mut txn = store.begin();
    txn.create_keyspace(keyspace(2), Class::Replicated);
    txn.commit_blocking().unwrap();
    let began = store.position();
    let mut large = store.begin();
    (0..12).for_each(|n| large.put(keyspace(2), &[n], vec![n; 700]));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(large.spill()).unwrap();
    overwrite(&store, 8);
    let snapshot = store.snapshot();
    overwrite(&store, 8);
    let end = store.position();
    let needs = store.log_needs();
    let need = |name| *needs.iter().find(|need| need.name == name).unwrap();
    assert!(needs.iter().all(|need| need.bytes == end.0 - need.from.0), "{needs:?}");
    let checkpoint = store.stats().checkpoint_lsn;
    assert_eq!((need("restart").from, need("restart").bound), (checkpoint, Some(1 << 20)));
    // Its first record stands in the frame that began there.
    let first = need("undo").from;
    assert!(began < first && first < snapshot.lsn(), "{needs:?}");
    assert_eq!((need("change streams").from, need("change streams").bound), (first, Some(100_000)));
    assert_eq!(need("undo").bound, None);
    assert_eq!((need("snapshots").from, need("snapshots").bound), (snapshot.lsn(), Some(u64::MAX)));
    assert_eq!(needs.len(), 4);
    // The transaction is rolled back before the next commit is answered.
    drop(large);
    overwrite(&store, 1);
    overwrite(&store, 1);
    let needs = store.log_needs();
    let undo = needs.iter().find(|need| need.name == "undo").unwrap();
    assert!(undo.from > end, "{needs:?}");
}
