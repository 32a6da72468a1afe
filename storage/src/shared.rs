//! What the threads of a store share: the published state and the store's health.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use strongroom_wal::{LogReader, Lsn};
use tokio::sync::watch;

use crate::error::CheckpointError;
use crate::id::{Catalog, Class, KeyspaceId, Published};
use crate::index::State;
use crate::options::Options;
use crate::pages::Pool;
use crate::published;
use crate::recovery::Tail;
use crate::retention::{LogNeed, Retention};
use crate::sync::lock;

/// See the module's text.
pub(crate) struct Shared {
    published: published::Published<State>,
    watch: watch::Sender<Published>,
    failure: Mutex<Option<String>>,
    /// Why the last checkpoint failed; none once one was completed.
    checkpoint_failure: Mutex<Option<String>>,
    /// While history is being repeated: what reads go by before the published state.
    tail: ArcSwapOption<Tail>,
    catalog: RwLock<Catalog>,
    pub(crate) log: LogReader,
    pub(crate) retention: Retention,
    pub(crate) pool: Arc<Pool>,
    pub(crate) counters: Counters,
}

/// How often is waited for those who look at a state: a look takes some microseconds, unless it
/// waits for the disk or for a core.
const LOOKER_TURNS: u32 = 64;

/// Waits a moment for those who took a short look at a state that nobody gets any more: on account of
/// a single one all that is changed would be copied.
fn await_lookers(state: &Arc<State>) {
    for turn in 0..LOOKER_TURNS {
        if Arc::strong_count(state) == 1 {
            return;
        }
        if turn < LOOKER_TURNS / 2 {
            (0..64).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::yield_now();
        }
    }
}

/// Figures since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) frames: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) log_bytes: AtomicU64,
    pub(crate) live_bytes: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoints_failed: AtomicU64,
    pub(crate) checkpoint_lsn: AtomicU64,
    pub(crate) relocated_bytes: AtomicU64,
    pub(crate) recycled_segments: AtomicU64,
    pub(crate) compensations: AtomicU64,
    /// Bytes logged since the last checkpoint began.
    pub(crate) since_checkpoint: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        state: Arc<State>,
        catalog: Catalog,
        log: LogReader,
        pool: Arc<Pool>,
        options: &Options,
    ) -> Self {
        let first = Published { lsn: state.lsn, replicated_root: state.replicated_root };
        Self {
            published: published::Published::new(state),
            watch: watch::channel(first).0,
            failure: Mutex::new(None),
            checkpoint_failure: Mutex::new(None),
            tail: ArcSwapOption::empty(),
            catalog: RwLock::new(catalog),
            retention: Retention::new(&log, options),
            log,
            pool,
            counters: Counters::default(),
        }
    }

    /// The latest published state.
    pub(crate) fn state(&self) -> Arc<State> {
        self.published.get()
    }

    /// As [`state`](Self::state), for one short look: a holder is counted only if a state that comes
    /// after it is published meanwhile, so that readers do not fight for the count.
    pub(crate) fn glance(&self) -> published::Glance<State> {
        self.published.glance()
    }

    /// What reads go by before the published state, while history is being repeated.
    pub(crate) fn tail(&self) -> arc_swap::Guard<Option<Arc<Tail>>> {
        self.tail.load()
    }

    pub(crate) fn set_tail(&self, tail: Option<Arc<Tail>>) {
        self.tail.store(tail);
    }

    /// History is repeated: what it led to takes the place of the checkpoint's state.
    pub(crate) fn recovered(&self, state: Arc<State>, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
        drop(self.publish(state));
        self.tail.store(None);
    }

    /// Whether anyone holds a state: a change in place would copy much while readers wait.
    pub(crate) fn is_held(&self) -> bool {
        self.published.is_held()
    }

    /// Changes the visible state in place, as far as nobody else holds what is changed. Readers wait
    /// meanwhile.
    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut published = None;
        self.published.change(|before| {
            await_lookers(&before);
            // What both have is shared as long as both are there.
            let mut state = State::clone(&before);
            drop(before);
            change(&mut state);
            published = Some(Published { lsn: state.lsn, replicated_root: state.replicated_root });
            Arc::new(state)
        });
        if let Some(published) = published {
            self.watch.send_replace(published);
        }
    }

    /// Makes a state visible, and answers the one that was: to let go of it may mean to free much.
    pub(crate) fn publish(&self, state: Arc<State>) -> Option<Arc<State>> {
        let published = Published { lsn: state.lsn, replicated_root: state.replicated_root };
        let before = self.published.publish(state);
        self.watch.send_replace(published);
        before
    }

    /// Position of the oldest state within its bound that anyone still reads; none is behind the end.
    pub(crate) fn oldest_read(&self) -> Lsn {
        let end = self.state().lsn;
        let kept = self.retention.snapshots_from(end);
        self.published.oldest(|state| if state.lsn < kept { end } else { state.lsn })
    }

    /// Who needs the log from where on, whether or not within his bound.
    pub(crate) fn log_needs(&self) -> Vec<LogNeed> {
        let oldest_read = self.published.oldest(|state| state.lsn);
        self.retention.needs(self.state().lsn, oldest_read)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Published> {
        self.watch.subscribe()
    }

    pub(crate) fn failure(&self) -> Option<String> {
        lock(&self.failure).clone()
    }

    /// Keeps the first cause.
    pub(crate) fn fail(&self, cause: String) {
        lock(&self.failure).get_or_insert(cause);
    }

    /// A checkpoint, or what is done behind it, ended so.
    pub(crate) fn note_checkpoint(&self, failed: Option<&CheckpointError>) {
        if failed.is_some() {
            Counters::add(&self.counters.checkpoints_failed, 1);
        }
        *lock(&self.checkpoint_failure) = failed.map(ToString::to_string);
    }

    pub(crate) fn checkpoint_failure(&self) -> Option<String> {
        lock(&self.checkpoint_failure).clone()
    }

    pub(crate) fn keyspace(&self, handle: u32) -> Option<(KeyspaceId, Class)> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).get(&handle).copied()
    }

    pub(crate) fn catalog(&self) -> Catalog {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add_keyspace(&self, handle: u32, id: KeyspaceId, class: Class) {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner).insert(handle, (id, class));
    }

    /// The next number for a keyspace; numbers are never used twice in a log.
    pub(crate) fn next_handle(&self) -> u32 {
        let catalog = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
        catalog.keys().max().map_or(1, |max| max + 1)
    }
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}
