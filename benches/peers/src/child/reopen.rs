//! Opens a store that was killed, says how long it took until it served, and writes until killed.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Store, say};
use crate::engines::{Engine, Kind, Strongroom};
use crate::harness::process::resident_bytes;
use crate::record::{Source, folder, key, stamp_of};

/// Records of a commit.
const BATCH: usize = 100;

/// The first record of the last commit that was acknowledged. Stamps only grow.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Acknowledged {
    /// Its number.
    #[arg(long)]
    pub number: u64,
    /// Its stamp.
    #[arg(long)]
    pub stamp: u64,
}

impl Acknowledged {
    pub(super) fn read(&mut self, line: &str) -> Result<()> {
        let (number, stamp) = line.trim().split_once(' ').context("number and stamp")?;
        *self = Self { number: number.parse()?, stamp: stamp.parse()? };
        Ok(())
    }
}

/// Times from just before the store was opened, in ms, and memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Reopened {
    /// The first GET was answered.
    pub first_get: f64,
    /// The first LIST was answered (ours only).
    pub first_list: Option<f64>,
    /// The roots were verified (ours only).
    pub verified: Option<f64>,
    /// Growth of the resident memory, bytes.
    pub resident: f64,
}

pub(super) fn run(store: &Store, acknowledged: &Acknowledged) -> Result<()> {
    let before = resident_bytes()?;
    let (engine, mut reopened) = open(store, acknowledged.number)?;
    reopened.resident = resident_bytes()? - before;
    engine.get(&key(acknowledged.number), &mut |value| {
        let stamp = stamp_of(value, acknowledged.number)?;
        ensure!(stamp >= acknowledged.stamp, "an acknowledged commit is gone");
        Ok(())
    })?;
    say(&reopened)?;
    let source = Source::new(store.keys, acknowledged.stamp + BATCH as u64);
    let (mut batch, mut out) = (Vec::new(), std::io::stdout().lock());
    loop {
        source.fill(&mut batch, BATCH);
        let first = &batch[0];
        let number = number_of(&first.value);
        let stamp = stamp_of(&first.value, number)?;
        engine.commit(&batch)?;
        writeln!(out, "{number} {stamp}")?;
        out.flush()?;
    }
}

fn open(store: &Store, number: u64) -> Result<(Box<dyn Engine>, Reopened)> {
    if store.kind == Kind::Strongroom {
        let (engine, at) = Strongroom::reopen(&store.dir, &key(number), &folder(number))?;
        let reopened = Reopened {
            first_get: at.first_get,
            first_list: Some(at.first_list),
            verified: Some(at.verified),
            resident: 0.0,
        };
        return Ok((Box::new(engine), reopened));
    }
    let began = Instant::now();
    let engine = store.kind.open(&store.dir)?;
    ensure!(engine.get(&key(number), &mut |_| Ok(()))?, "the first GET found nothing");
    let first_get = began.elapsed().as_secs_f64() * 1e3;
    Ok((engine, Reopened { first_get, first_list: None, verified: None, resident: 0.0 }))
}

fn number_of(value: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&value[..8]);
    u64::from_le_bytes(bytes)
}
