//! Overwrites all keys many times in random order, and says what was written and what is left.

use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Store;
use crate::harness::process::{folder_bytes, written_bytes};
use crate::record::{RECORD_BYTES, Record, Source, shuffled};

/// How often as many records as there are keys are written over what was filled.
const TIMES: u64 = 10;
/// Records of a commit.
const BATCH: usize = 1_000;
/// Commits between two calls that the application has to make.
const UPKEEP_EVERY: usize = 100;

/// What became of the space.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Space {
    /// Bytes of the folder over bytes of live data, right after the last commit.
    pub at_once: f64,
    /// The same after the wait.
    pub later: f64,
    /// Bytes that the process made the system write over bytes of user data.
    pub written: f64,
}

pub(super) fn run(store: &Store, wait: Duration) -> Result<Space> {
    let live = (store.keys * RECORD_BYTES) as f64;
    let engine = store.kind.open(&store.dir)?;
    let mut commits = 0;
    let mut commit = |batch: &[Record]| {
        commits += 1;
        if commits % UPKEEP_EVERY == 0 {
            engine.upkeep()?;
        }
        engine.commit(batch)
    };
    let before = written_bytes()?;
    let mut batch = Vec::with_capacity(BATCH);
    for numbers in shuffled(store.keys).chunks(BATCH) {
        batch.clear();
        batch.extend(numbers.iter().map(|number| Record::new(*number, 0)));
        commit(&batch)?;
    }
    let source = Source::new(store.keys, 0);
    for _ in 0..(store.keys * TIMES).div_ceil(BATCH as u64) {
        source.fill(&mut batch, BATCH);
        commit(&batch)?;
    }
    let at_once = folder_bytes(&store.dir)? / live;
    std::thread::sleep(wait);
    let later = folder_bytes(&store.dir)? / live;
    let written = (written_bytes()? - before) / (live * (TIMES + 1) as f64);
    engine.close()?;
    Ok(Space { at_once, later, written })
}
