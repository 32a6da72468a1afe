//! Point reads of all keys in random order. Ours verifies the digest of every value it reads;
//! RocksDB and fjall verify the checksum of a block when they read it into their cache, the others
//! verify nothing. The bar holds against the best of those whose index is on disk.

use anyhow::{Result, ensure};

use super::Context;
use crate::engines::{Kind, Map, Reader};
use crate::harness::load::{Slice, threads};
use crate::harness::sample::{Contestant, Figure, Sample, Series, rounds};
use crate::record::{Random, Record, key, stamp_of};
use crate::report::{Bar, Found, Work};

const READERS: [usize; 2] = [1, 2];
const BAR: Bar = Bar::RatioAtLeast(2.0);

/// Who is read, and whether its index is on disk.
struct Shelf {
    name: &'static str,
    index_on_disk: bool,
    reader: Box<dyn Reader>,
}

pub(super) fn run(context: &mut Context) -> Result<Found> {
    let keys = context.settings.keys;
    let mut shelves = Vec::new();
    for kind in [Kind::Strongroom].into_iter().chain(Kind::HOLDERS) {
        let (dir, _) = context.depot.filled(kind)?;
        let (name, index_on_disk) = (kind.name(), kind.index_on_disk());
        shelves.push(Shelf { name, index_on_disk, reader: kind.open(&dir)? });
    }
    let map = Map::new((0..keys).map(|number| Record::new(number, 0)));
    shelves.push(Shelf { name: Map::NAME, index_on_disk: false, reader: Box::new(map) });
    shelves.iter().try_for_each(|shelf| warm(shelf.reader.as_ref(), keys))?;
    let mut found = Found::default();
    for workers in READERS {
        let slice = Slice { workers, length: context.settings.slice, keys: 1 };
        let mut contestants: Vec<Contestant<'_>> = shelves
            .iter()
            .map(|shelf| {
                let reader = shelf.reader.as_ref();
                Contestant::new(shelf.name, move || read(reader, slice, keys))
            })
            .collect();
        let series = rounds(context.settings.pairs, &mut contestants)?;
        let work = format!("point reads of all keys, {workers} reading");
        compare(&mut found, &work, &series, &shelves);
        found.works.push(Work { work, writers: None, series });
    }
    Ok(found)
}

/// First those whose index is on disk, with the bar, then the others.
fn compare(found: &mut Found, work: &str, series: &[Series], shelves: &[Shelf]) {
    for (on_disk, bar) in [(true, Some(BAR)), (false, None)] {
        let others: Vec<Series> = series
            .iter()
            .zip(shelves)
            .skip(1)
            .filter(|(_, shelf)| shelf.index_on_disk == on_disk)
            .map(|(series, _)| series.clone())
            .collect();
        found.compare("reads", work, Figure::KeysPerSecond, (&series[0], &others), bar);
    }
}

/// Reads everything once: what was written past the cache of the system comes from the disk the first
/// time, and that is not what this row is about.
fn warm(reader: &dyn Reader, keys: u64) -> Result<()> {
    (0..keys).try_for_each(|number| {
        ensure!(reader.get(&key(number), &mut |_| Ok(()))?, "record {number} is gone");
        Ok(())
    })
}

fn read(reader: &dyn Reader, slice: Slice, keys: u64) -> Result<Sample> {
    threads(slice, |random: &mut Option<Random>| {
        let number = random.get_or_insert_with(seed).below(keys);
        let found = reader.get(&key(number), &mut |value| stamp_of(value, number).map(drop))?;
        ensure!(found, "record {number} is gone");
        Ok(())
    })
}

/// Another one for every thread and slice.
fn seed() -> Random {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SEEDS: AtomicU64 = AtomicU64::new(1);
    Random(SEEDS.fetch_add(1, Ordering::Relaxed) << 32)
}
