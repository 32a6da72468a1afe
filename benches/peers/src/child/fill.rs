//! Fills a store with all keys, and says how much memory that took.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Store;
use crate::harness::process::resident_bytes;
use crate::record::{Record, shuffled};

/// Records of a commit.
const BATCH: usize = 5_000;
/// Until what was begun in the background is done, for all alike.
const REST: Duration = Duration::from_secs(5);

/// What the process saw.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Filled {
    /// Growth of the resident memory from before the store was opened, bytes.
    pub resident: f64,
}

pub(super) fn run(store: &Store) -> Result<Filled> {
    let order = shuffled(store.keys);
    let mut batch = Vec::with_capacity(BATCH);
    let before = resident_bytes()?;
    let engine = store.kind.open(&store.dir)?;
    for numbers in order.chunks(BATCH) {
        batch.clear();
        batch.extend(numbers.iter().map(|number| Record::new(*number, 0)));
        engine.commit(&batch)?;
        engine.upkeep()?;
    }
    std::thread::sleep(REST);
    let filled = Filled { resident: resident_bytes()? - before };
    engine.close()?;
    Ok(filled)
}
