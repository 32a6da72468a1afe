//! Reconciliation: two sides hold all keys, some of them with different values, scattered; how many
//! trips and bytes until the one that asks knows which. Not a matter of chance, so done once.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use strongroom_merkle::reconcile::{Initiator, Responder};

use super::Context;
use super::merkle::{Entry, Index, apply, index};
use crate::harness::sample::{Figure, Sample, Series};
use crate::record::shuffled;
use crate::report::{Bar, Found, Work};

/// Differences, and the kilobytes within which they are found, where there is a bar for them.
const DIFFERENCES: [(usize, Option<f64>); 4] =
    [(1, Some(16.0)), (100, Some(100.0)), (10_000, Some(5_000.0)), (100_000, None)];
const TRIPS_BAR: Bar = Bar::AtMost(2.0);
/// The tree that is compared.
const KEYSPACE: [u8; 16] = [1; 16];

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let keys = context.settings.keys;
    let there = index(keys);
    let order = shuffled(keys);
    let mut found = Found::default();
    for (differences, kilobytes) in DIFFERENCES {
        let changed = &order[..differences.min(order.len())];
        let mut here = there.clone();
        let entries: Vec<Entry> = changed.iter().map(|number| Entry::new(*number, 1)).collect();
        apply(&mut here, &entries);
        let series = vec![
            once("Strongroom", ours(&here, &there, changed.len())?),
            once("negentropy", theirs(&here, &there, changed.len())?),
        ];
        let work = format!("reconciliation of all keys, {} differ", changed.len());
        let both = (&series[0], &series[1..]);
        found.compare("reconcile", &work, Figure::Trips, both, Some(TRIPS_BAR));
        let bar = kilobytes.map(Bar::AtMost);
        found.compare("reconcile", &work, Figure::Kilobytes, both, bar);
        found.works.push(Work { work, writers: None, series });
    }
    Ok(found)
}

fn once(name: &str, (trips, bytes): (usize, usize)) -> Series {
    let sample =
        Sample::from([(Figure::Trips, trips as f64), (Figure::Kilobytes, bytes as f64 / 1e3)]);
    Series { name: name.to_owned(), samples: vec![sample] }
}

fn ours(here: &Index, there: &Index, differences: usize) -> Result<(usize, usize)> {
    let side = |index: &Index| BTreeMap::from([(KEYSPACE, index.clone())]);
    let responder = Responder::new(side(there));
    let mut initiator = Initiator::new(side(here));
    let mut bytes = 0;
    while let Some(request) = initiator.next_request() {
        bytes += request.len();
        for response in responder.answer(&request)? {
            let response = response?;
            bytes += response.len();
            initiator.on_response(&response)?;
        }
    }
    let trips = usize::try_from(initiator.trips())?;
    let outcome = initiator.finish()?;
    let known = outcome.keyspaces.get(&KEYSPACE).map_or(0, |found| found.fetch.len());
    ensure!(known == differences, "{known} of {differences} differences were found");
    Ok((trips, bytes))
}

/// A set of ids knows no values: an entry is the digest of both.
fn storage(index: &Index) -> Result<NegentropyStorageVector> {
    let mut storage = NegentropyStorageVector::with_capacity(index.len());
    for entry in index {
        let Ok(entry) = entry;
        let mut id = entry.digest().0;
        for (byte, other) in id.iter_mut().zip(entry.key_hash().0) {
            *byte ^= other;
        }
        storage.insert(0, Id::from_byte_array(id))?;
    }
    storage.seal()?;
    Ok(storage)
}

fn theirs(here: &Index, there: &Index, differences: usize) -> Result<(usize, usize)> {
    let (here, there) = (storage(here)?, storage(there)?);
    let mut initiator = Negentropy::borrowed(&here, 0)?;
    let mut responder = Negentropy::borrowed(&there, 0)?;
    let (mut trips, mut bytes) = (0, 0);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut request = Some(initiator.initiate()?);
    while let Some(query) = request {
        let response = responder.reconcile(&query)?;
        trips += 1;
        bytes += query.len() + response.len();
        request = initiator.reconcile_with_ids(&response, &mut have, &mut need)?;
    }
    ensure!(need.len() == differences, "{} of {differences} differences were found", need.len());
    Ok((trips, bytes))
}
