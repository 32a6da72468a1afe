//! Commits of one record by 1 to 64 writers: threads, and for ours tasks of a runtime too. The
//! others have no calls for tasks; ours in tasks stands beside theirs in threads. What is plotted
//! comes from here.

use std::sync::Arc;

use anyhow::Result;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Context;
use crate::engines::{Engine, Kind, Strongroom, tuned};
use crate::harness::load::{Slice, tasks, threads};
use crate::harness::sample::{Contestant, Figure, Series, rounds};
use crate::record::Source;
use crate::report::{Bar, Found, Work};

/// Writers, and the bar that holds there against the best of the others.
const WRITERS: [(usize, Option<Bar>); 7] = [
    (1, None),
    (2, None),
    (4, None),
    (8, Some(Bar::RatioAtLeast(2.0))),
    (16, None),
    (32, None),
    (64, Some(Bar::RatioAtLeast(3.0))),
];
/// At so many writers the CPU of a commit is held to its bar.
const CPU_WRITERS: usize = 64;
/// CPU of a commit there, us.
const CPU_BAR: Bar = Bar::AtMost(5.0);

/// The stores stay open for all numbers of writers, each in a folder of its own.
struct Stores {
    ours: Arc<Strongroom>,
    others: Vec<(Kind, Box<dyn Engine>)>,
    source: Arc<Source>,
    runtime: Runtime,
    _folders: Vec<TempDir>,
}

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let stores = Stores::open(context)?;
    let mut found = Found::default();
    for (workers, bar) in WRITERS {
        let slice = Slice { workers, length: context.settings.slice, keys: 1 };
        let series = rounds(context.settings.pairs, &mut stores.contestants(slice))?;
        let work = format!("commits of one record, {workers} writing");
        compare(&mut found, &work, &series, bar);
        if workers == CPU_WRITERS {
            cpu(&mut found, &work, &series);
        }
        found.works.push(Work { work, writers: Some(workers), series });
    }
    Ok(found)
}

/// The first two series are ours. Where no bar is to be reached the best of the others is enough
/// for the table.
fn compare(found: &mut Found, work: &str, series: &[Series], bar: Option<Bar>) {
    for ours in &series[..2] {
        let both = (ours, &series[2..]);
        let first = found.lines.len();
        found.compare("writers", work, Figure::KeysPerSecond, both, bar);
        if bar.is_none() {
            found.only_best(first);
        }
    }
}

/// The bar is about ours alone, so that the best of the others is enough.
fn cpu(found: &mut Found, work: &str, series: &[Series]) {
    for ours in &series[..2] {
        let first = found.lines.len();
        found.compare("writers", work, Figure::CpuUs, (ours, &series[2..]), Some(CPU_BAR));
        found.only_best(first);
    }
}

impl Stores {
    fn open(context: &Context) -> Result<Self> {
        let mut folders = vec![context.scratch()?];
        let ours = Arc::new(Strongroom::open(folders[0].path(), tuned())?);
        let mut others = Vec::new();
        for kind in Kind::WRITERS {
            let folder = context.scratch()?;
            others.push((kind, kind.open(folder.path())?));
            folders.push(folder);
        }
        let source = Arc::new(Source::new(context.settings.keys, 0));
        Ok(Self { ours, others, source, runtime: Runtime::new()?, _folders: folders })
    }

    fn contestants(&self, slice: Slice) -> Vec<Contestant<'_>> {
        let write = move |engine: &dyn Engine| {
            engine.upkeep()?;
            threads(slice, |(): &mut ()| engine.commit(&[self.source.one()]))
        };
        let mut contestants = vec![
            Contestant::new(Kind::Strongroom.name(), move || write(self.ours.as_ref())),
            Contestant::new("Strongroom, tasks", move || {
                let (ours, source) = (Arc::clone(&self.ours), Arc::clone(&self.source));
                tasks(&self.runtime, slice, move || {
                    let (ours, record) = (Arc::clone(&ours), source.one());
                    async move { ours.commit_async(&[record]).await }
                })
            }),
        ];
        contestants.extend(
            self.others
                .iter()
                .map(|(kind, engine)| Contestant::new(kind.name(), move || write(engine.as_ref()))),
        );
        contestants
    }
}
