//! A process that writes is killed with SIGKILL, and the store is opened again, over and over. Each
//! time the last commit that was acknowledged is looked up.

use std::time::Duration;

use anyhow::Result;

use super::Context;
use crate::child::{self, Acknowledged};
use crate::engines::Kind;
use crate::harness::sample::{Contestant, Figure, Sample, rounds};
use crate::harness::stat::Summary;
use crate::report::{Bar, Found, Line, Work};

/// How long the process writes before it is killed, in slices.
const WRITING: u32 = 4;
/// What ours is held to, ms.
const BARS: [(Figure, f64); 3] =
    [(Figure::FirstGetMs, 100.0), (Figure::FirstListMs, 300.0), (Figure::VerifiedMs, 1_000.0)];

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let (keys, pairs) = (context.settings.keys, context.settings.pairs);
    let writing = context.settings.slice * WRITING;
    let mut contestants = Vec::new();
    for kind in [Kind::Strongroom].into_iter().chain(Kind::HOLDERS) {
        let (dir, _) = context.depot.filled(kind)?;
        let mut acknowledged = Acknowledged::default();
        contestants.push(Contestant::new(kind.name(), move || {
            sample(&child::reopen(kind, &dir, keys, writing, &mut acknowledged)?, keys)
        }));
    }
    // The round that does not count opens what was closed in good order.
    let series = rounds(pairs, &mut contestants)?;
    let work = work(writing);
    let mut found = Found::default();
    let both = (&series[0], &series[1..]);
    for (figure, bar) in BARS {
        let bar = Bar::AtMost(bar);
        if figure == Figure::FirstGetMs {
            found.compare("reopen", &work, figure, both, Some(bar));
        } else if let Some(ours) = Summary::of(&series[0].of(figure)) {
            found.lines.push(Line::alone("reopen", &work, figure, ours).with_bar(bar));
        }
    }
    found.compare("reopen", "memory after reopening", Figure::BytesPerKey, both, None);
    found.works.push(Work { work, writers: None, series });
    Ok(found)
}

fn work(writing: Duration) -> String {
    format!("all keys, killed after {} ms of commits of 100 records", writing.as_millis())
}

#[expect(clippy::unnecessary_wraps, reason = "as a contestant answers")]
fn sample(reopened: &child::Reopened, keys: u64) -> Result<Sample> {
    let mut sample = Sample::from([
        (Figure::FirstGetMs, reopened.first_get),
        (Figure::BytesPerKey, reopened.resident / keys as f64),
    ]);
    sample.extend(reopened.first_list.map(|ms| (Figure::FirstListMs, ms)));
    sample.extend(reopened.verified.map(|ms| (Figure::VerifiedMs, ms)));
    Ok(sample)
}
