//! One writer, one record a commit: how much a commit takes beyond one bare durable write of 4 KiB.

use anyhow::Result;

use super::Context;
use crate::bare::{BLOCK_BYTES, Bare, Method, Shape};
use crate::engines::{Engine as _, Kind, Strongroom, tuned};
use crate::harness::load::{Slice, threads};
use crate::harness::sample::{Contestant, Figure, rounds};
use crate::record::Source;
use crate::report::{Bar, Found, Work};

const BAR: Bar = Bar::RatioAtMost(1.1);

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let (folder, bare_folder) = (context.scratch()?, context.scratch()?);
    let store = Strongroom::open(folder.path(), tuned())?;
    let source = Source::new(context.settings.keys, 0);
    let length = context.settings.slice;
    let slice = Slice { workers: 1, length, keys: 1 };
    let ours = Contestant::new(Kind::Strongroom.name(), || {
        threads(slice, |(): &mut ()| store.commit(&[source.one()]))
    });
    let mut contestants = vec![ours];
    for method in Method::ALL {
        let mut bare = Bare::open(bare_folder.path(), method)?;
        let shape = Shape { bytes: BLOCK_BYTES, depth: 1, length };
        contestants.push(Contestant::new(method.name(), move || bare.slice(shape)));
    }
    let series = rounds(context.settings.pairs, &mut contestants)?;
    drop(contestants);
    let work = "commit of one record, 1 writing, beside 4 KiB".to_owned();
    let mut found = Found::default();
    found.compare("single", &work, Figure::P50Us, (&series[0], &series[1..]), Some(BAR));
    found.works.push(Work { work, writers: None, series });
    Ok(found)
}
