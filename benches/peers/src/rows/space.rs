//! Space and write amplification: all keys are overwritten ten times in random order, in commits of
//! 1,000 records; the folder is weighed a minute later.

use anyhow::Result;

use super::Context;
use crate::child;
use crate::engines::Kind;
use crate::harness::sample::{Figure, Sample, Series};
use crate::record::RECORD_BYTES;
use crate::report::table::short;
use crate::report::{Bar, Found, Work};

/// Who is asked besides ours: who gets through it in minutes.
const OTHERS: [Kind; 3] = [Kind::RaftEngineUnfilled, Kind::Rocksdb, Kind::Fjall];
const SPACE_BAR: Bar = Bar::AtMost(1.5);
const WRITTEN_BAR: Bar = Bar::AtMost(4.0);

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let (keys, wait) = (context.settings.space_keys, context.settings.space_wait);
    let mut works: [Vec<Series>; 3] = Default::default();
    for kind in [Kind::Strongroom].into_iter().chain(OTHERS) {
        let folder = context.scratch()?;
        let space = child::space(kind, folder.path(), keys, wait)?;
        for (series, factor) in works.iter_mut().zip([space.later, space.at_once, space.written]) {
            let sample = Sample::from([(Figure::Factor, factor)]);
            series.push(Series { name: kind.name().to_owned(), samples: vec![sample] });
        }
    }
    let live = short((keys * RECORD_BYTES) as f64 / 1e6);
    let over = format!("{live} MB of live data overwritten ten times");
    let names = [
        format!("{over}: folder {} s later, over live data", wait.as_secs()),
        format!("{over}: folder at once, over live data"),
        format!("{over}: bytes written, over user data"),
    ];
    let mut found = Found::default();
    let bars = [Some(SPACE_BAR), None, Some(WRITTEN_BAR)];
    for ((work, series), bar) in names.into_iter().zip(works).zip(bars) {
        found.compare("space", &work, Figure::Factor, (&series[0], &series[1..]), bar);
        found.works.push(Work { work, writers: None, series });
    }
    Ok(found)
}
