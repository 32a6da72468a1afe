//! Resident memory a key, after a process has written all keys.

use anyhow::Result;

use super::Context;
use crate::engines::Kind;
use crate::harness::sample::{Figure, Sample, Series};
use crate::report::{Bar, Found, Work};

const BAR: Bar = Bar::AtMost(256.0);

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let mut series = Vec::new();
    for kind in [Kind::Strongroom].into_iter().chain(Kind::HOLDERS) {
        let (_, filled) = context.depot.filled(kind)?;
        let bytes = filled.resident / context.settings.keys as f64;
        let sample = Sample::from([(Figure::BytesPerKey, bytes)]);
        series.push(Series { name: kind.name().to_owned(), samples: vec![sample] });
    }
    let work = "memory after all keys were written".to_owned();
    let mut found = Found::default();
    let both = (&series[0], &series[1..]);
    found.compare("memory", &work, Figure::BytesPerKey, both, Some(BAR));
    found.works.push(Work { work, writers: None, series });
    Ok(found)
}
