//! Restart: pages of the last checkpoint, then analysis, redo and undo over the log.
//!
//! Redo repeats history, for winners and losers alike, and stops at roots that the log promises: a
//! state that does not have one is refused, not served. Undo logs a compensation for each step, so
//! that a crash in any phase, at any depth, leads to the same state.
//!
//! - [`load`]: the trees of the last checkpoint, from its map; no page is read yet;
//! - [`tail`]: what the log says of keys since then, so that values can be read at once;
//! - [`ahead`]: frames, read ahead of redo;
//! - [`redo`]: history, from the checkpoint's begin record on;
//! - [`ddl`]: keyspaces that come and go meanwhile;
//! - [`names`]: the ordered directories;
//! - [`undo`]: takes back the transactions that had not ended.

mod ahead;
mod ddl;
mod load;
mod names;
mod redo;
mod tail;
mod undo;

use std::sync::Arc;

use strongroom_aries::{Analysis, Record};
use strongroom_merkle::KeyHash;
use strongroom_wal::{Frames, Log, LogReader, Lsn};

use self::ahead::Filters;
pub(crate) use self::load::Loaded;
use self::load::Trees;
use self::names::Directories;
pub(crate) use self::names::Moved;
use self::redo::{Redo, Redone, unreadable};
pub(crate) use self::tail::{Tail, TailMaker};
pub(crate) use self::undo::Losers;
use crate::error::OpenError;
use crate::id::Catalog;
use crate::index::{LiveBytes, State};
use crate::logged::Streamed;
use crate::master::{self, Master};
use crate::pages::{Image, Pool, Preload};

/// What restart arrives at.
pub(crate) struct Recovered {
    pub(crate) state: State,
    pub(crate) catalog: Catalog,
    pub(crate) live: LiveBytes,
    /// Transactions to undo, with what undo needs of their updates.
    pub(crate) losers: Losers,
    /// Large transactions that were committed, as far as a change stream may have yet to pass them.
    pub(crate) streamed: Vec<Streamed>,
    pub(crate) report: RecoveryReport,
}

/// What a restart did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Pages that the checkpoint's map lists.
    pub pages: u64,
    /// Frames of the log that were repeated.
    pub frames: u64,
    /// Updates applied again.
    pub redone: u64,
    /// Updates that the filters of redo found on disk already.
    pub skipped: u64,
    /// Roots that the log promised and the state had.
    pub roots_checked: u64,
    /// Losing transactions undone.
    pub undone: u64,
}

/// A store before history is repeated.
pub(crate) struct Restart {
    pool: Arc<Pool>,
    log: LogReader,
    /// Where analysis and redo begin.
    start: Lsn,
    loaded: Loaded,
    /// Who is read from meanwhile, and what the log says of names since the checkpoint.
    serving: Option<(Arc<Tail>, Moved)>,
}

impl Restart {
    /// Takes on the last checkpoint, by its map alone.
    pub(crate) fn begin(
        pool: &Arc<Pool>,
        log: &LogReader,
        master: &Master,
        loaded: Option<Loaded>,
    ) -> Result<Self, OpenError> {
        if master.segment_size != log.segment_size() {
            let why = "the size of segments is not that of the log";
            return Err(OpenError::Damaged { file: master::NAME.to_owned(), why });
        }
        let start = start(log, master);
        let loaded = loaded.unwrap_or_else(|| Loaded::empty(start, log.segment_size()));
        Ok(Self { pool: Arc::clone(pool), log: log.clone(), start, loaded, serving: None })
    }

    /// What the last checkpoint's map lists.
    pub(crate) fn durable(&self) -> Vec<Arc<Image>> {
        self.loaded.images.clone()
    }

    /// The state of the last checkpoint, without directories.
    pub(crate) fn checkpointed(&self) -> (State, Catalog) {
        (self.loaded.state.clone(), self.loaded.catalog.clone())
    }

    /// Lets readers have what the log says of keys since the checkpoint meanwhile.
    pub(crate) fn serve(&mut self, (tail, moved): (Tail, Moved)) -> Arc<Tail> {
        let tail = Arc::new(tail);
        self.serving = Some((Arc::clone(&tail), moved));
        tail
    }

    /// Repeats history to the end of the log. The room for taking back losers is secured first, if
    /// there is a writer to do so with.
    pub(crate) fn finish(self, writer: Option<&mut Log>) -> Result<Recovered, OpenError> {
        let Self { pool, log, start, mut loaded, serving } = self;
        let listed = std::mem::take(&mut loaded.names);
        let complete = serving.is_some();
        let names = || -> Result<Directories, OpenError> {
            let mut directories = names::load(&pool, &listed)?;
            if let Some((tail, moved)) = serving {
                moved.apply(&mut directories);
                tail.set_names(Some(directories.clone()));
            }
            Ok(directories)
        };
        let trees = std::mem::take(&mut loaded.trees);
        let (analysed, directories) = rayon::join(|| analyse(&log, start, &trees), names);
        let (analysed, directories) = (analysed?, directories?);
        let Analysed { outcome, last_mark, streamed } = analysed;
        let streamed = [std::mem::take(&mut loaded.streamed), streamed].concat();
        {
            let wanted =
                trees.cells().filter(|cell| outcome.dirty.recovery_lsn(cell.id()).is_some());
            let preload = Preload::new(&pool, wanted);
            let (left, right) = rayon::join(|| preload.work(), || preload.work());
            left.and(right).map_err(unreadable)?;
        }
        let losers = Losers::find(&log, &outcome.transactions)?;
        if let Some(writer) = writer {
            losers.secure(writer, &pool.files)?;
        }
        let filters = Filters { trees, dirty: outcome.dirty };
        let mut redo = Redo::new(&pool, loaded, (&filters, last_mark), !complete);
        repeat(&mut redo, log.frames(start), &filters, start)?;
        let Redone { state, catalog, live, mut report } = redo.finish(directories)?;
        report.undone = losers.count();
        Ok(Recovered { state, catalog, live, losers, streamed, report })
    }
}

/// Where analysis and redo begin.
fn start(log: &LogReader, master: &Master) -> Lsn {
    if master.checkpoint > Lsn::ZERO { master.checkpoint } else { log.oldest() }
}

/// Repeats history; what comes next is read meanwhile, where calls to the disk may come in any order.
fn repeat(
    redo: &mut Redo<'_>,
    mut frames: Frames,
    filters: &Filters,
    start: Lsn,
) -> Result<(), OpenError> {
    let mut ready = ahead::read(&mut frames, filters)?;
    while !ready.is_empty() {
        let beside = redo.in_background();
        let mut repeat = || redo.repeat(std::mem::take(&mut ready), start);
        let mut read = || ahead::read(&mut frames, filters);
        let (repeated, next) = if beside { rayon::join(repeat, read) } else { (repeat(), read()) };
        repeated?;
        ready = next?;
    }
    Ok(())
}

/// What a look at the log finds.
struct Analysed {
    outcome: strongroom_aries::Outcome,
    /// Where the last root mark of the log is.
    last_mark: Lsn,
    streamed: Vec<Streamed>,
}

fn analyse(log: &LogReader, start: Lsn, trees: &Trees) -> Result<Analysed, OpenError> {
    let mut analysis = Analysis::new(start.0);
    let (mut last_mark, mut streamed) = (Lsn::ZERO, Vec::new());
    for frame in log.frames(start) {
        let frame = frame?;
        for (lsn, bytes) in frame.records() {
            let record = decode(lsn, bytes)?;
            match record {
                Record::RootMark(_) => last_mark = lsn,
                Record::Commit(txn) => {
                    streamed.push(Streamed { first: Lsn(txn.0), committed: frame.end() });
                }
                _ => {}
            }
            analysis.see(lsn.0, &record, |keyspace, pending, key| {
                trees.page_of(keyspace, pending, &KeyHash::of(key)).0
            });
        }
    }
    Ok(Analysed { outcome: analysis.finish(), last_mark, streamed })
}

fn decode(at: Lsn, record: &[u8]) -> Result<Record<'_>, OpenError> {
    Record::decode(record).map_err(|cause| OpenError::Record { at, cause })
}
