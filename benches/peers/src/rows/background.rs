//! What a commit waits for checkpointer and cleaner: the same load on a store that checkpoints all
//! the time and on one that never does.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use strongroom_storage::Options;
use tempfile::TempDir;

use super::Context;
use crate::engines::{Engine as _, Strongroom};
use crate::harness::load::{Slice, threads};
use crate::harness::sample::{Contestant, Figure, Sample, rounds};
use crate::harness::stat::Summary;
use crate::record::{Record, Source};
use crate::report::{Bar, Found, Line, Work};

/// Threads that commit single records.
const WRITERS: usize = 8;
/// Bytes of log between checkpoints, of a segment, and of log kept for readers.
const BUSY: (u64, u64, u64) = (16 << 20, 16 << 20, 32 << 20);
/// A slice is so many times as long as elsewhere, to hold several checkpoints.
const LONGER: u32 = 5;
/// Keys of both stores, as a part of all keys.
const KEYS_PART: u64 = 5;
/// Records of a commit that fills.
const FILL: u64 = 1_000;
/// At most so long is waited until the background work has come to rest.
const REST: Duration = Duration::from_secs(3);
const BAR: Bar = Bar::RatioAtMost(1.25);

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let keys = context.settings.keys / KEYS_PART;
    let (checkpoint_every, segment_size, retention_bytes) = BUSY;
    let busy = Options { checkpoint_every, segment_size, retention_bytes, ..Options::default() };
    let quiet = Options { checkpoint_every: u64::MAX, ..busy };
    let (busy, quiet) = (Filled::new(context, busy, keys)?, Filled::new(context, quiet, keys)?);
    let length = context.settings.slice * LONGER;
    let slice = Slice { workers: WRITERS, length, keys: 1 };
    let source = Source::new(keys, 1);
    let load = |store: &Filled| -> Result<Sample> {
        let sample = threads(slice, |(): &mut ()| store.store.commit(&[source.one()]))?;
        store.rest();
        Ok(sample)
    };
    let before = busy.store.stats();
    let series = rounds(
        context.settings.pairs,
        &mut [
            Contestant::new("Strongroom", || load(&busy)),
            Contestant::new("Strongroom without checkpoints", || load(&quiet)),
        ],
    )?;
    let (after, none) = (busy.store.stats(), quiet.store.stats());
    let checkpoints = after.checkpoints - before.checkpoints;
    ensure!(none.checkpoints == 0, "the quiet store made a checkpoint");
    let work = format!("commits of one record, {WRITERS} writing, checkpoints and cleaning beside");
    // Without any checkpoint nothing was shown.
    let bar = (checkpoints > 0).then_some(BAR);
    let mut found = Found::default();
    let both = (&series[0], &series[1..]);
    found.compare("background", &work, Figure::P99Us, both, bar);
    found.compare("background", &work, Figure::KeysPerSecond, both, None);
    let counted = format!("checkpoints during these {} slices", context.settings.pairs + 1);
    let count = Summary::exact(checkpoints as f64);
    found.lines.push(Line::alone("background", &counted, Figure::Factor, count));
    let moved = Summary::exact((after.relocated_bytes - before.relocated_bytes) as f64 / 1e3);
    found.lines.push(Line::alone("background", "moved by the cleaner", Figure::Kilobytes, moved));
    found.works.push(Work { work, writers: None, series });
    Ok(found)
}

/// A store that holds every key.
struct Filled {
    store: Strongroom,
    _folder: TempDir,
}

impl Filled {
    fn new(context: &Context, options: Options, keys: u64) -> Result<Self> {
        let folder = context.scratch()?;
        let store = Strongroom::open(folder.path(), options)?;
        for first in (0..keys).step_by(usize::try_from(FILL)?) {
            let numbers = first..(first + FILL).min(keys);
            store.commit(&numbers.map(|number| Record::new(number, 1)).collect::<Vec<_>>())?;
        }
        let filled = Self { store, _folder: folder };
        filled.rest();
        Ok(filled)
    }

    /// Waits until the figures stand still, so that the other one's slice is not disturbed.
    fn rest(&self) {
        let began = Instant::now();
        let mut last = self.store.stats();
        while began.elapsed() < REST {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.store.stats();
            if now == last {
                return;
            }
            last = now;
        }
    }
}
