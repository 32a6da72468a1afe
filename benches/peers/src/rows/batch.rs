//! Whole store, commits of 1,000 records, roots included, beside the other stores.

use anyhow::Result;
use tempfile::TempDir;

use super::Context;
use crate::engines::{Engine, Kind};
use crate::harness::load::{Slice, threads};
use crate::harness::sample::{Contestant, Figure, rounds};
use crate::record::{Record, Source};
use crate::report::{Bar, Found, Work};

/// Records of a commit.
const RECORDS: usize = 1_000;
/// Threads, and the bar that holds there.
const WRITERS: [(usize, Option<Bar>); 2] = [(1, Some(Bar::RatioAtLeast(5.0))), (4, None)];

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let mut found = Found::default();
    for (workers, bar) in WRITERS {
        let work = format!("commits of {RECORDS} records, {workers} writing");
        let slice = Slice { workers, length: context.settings.slice, keys: RECORDS };
        let stores: Vec<Store> =
            writing_kinds().map(|kind| Store::open(context, kind)).collect::<Result<_>>()?;
        let source = Source::new(context.settings.keys, 0);
        let mut contestants: Vec<Contestant<'_>> = stores
            .iter()
            .map(|store| {
                let source = &source;
                Contestant::new(store.kind.name(), move || {
                    store.engine.upkeep()?;
                    threads(slice, |batch: &mut Vec<Record>| {
                        source.fill(batch, RECORDS);
                        store.engine.commit(batch)
                    })
                })
            })
            .collect();
        let series = rounds(context.settings.pairs, &mut contestants)?;
        found.compare("batch", &work, Figure::KeysPerSecond, (&series[0], &series[1..]), bar);
        found.works.push(Work { work, writers: None, series });
    }
    Ok(found)
}

fn writing_kinds() -> impl Iterator<Item = Kind> {
    [Kind::Strongroom].into_iter().chain(Kind::WRITERS)
}

/// An open store in a folder of its own.
struct Store {
    kind: Kind,
    engine: Box<dyn Engine>,
    _folder: TempDir,
}

impl Store {
    fn open(context: &Context, kind: Kind) -> Result<Self> {
        let folder = context.scratch()?;
        Ok(Self { kind, engine: kind.open(folder.path())?, _folder: folder })
    }
}
