//! raft-engine: a log with an index in memory. Log files are recycled by default; beyond that,
//! files filled before use (`prefill_for_recycle`), and no attempt to compress what does not
//! compress. It is made for many Raft groups, so the keys are spread over some. The application
//! has to purge.

use std::path::Path;

use anyhow::{Context as _, Result};
use raft_engine::{Config, Engine as Log, LogBatch, ReadableSize};

use super::{Engine, Reader};
use crate::record::Record;

/// Raft groups that the keys are spread over.
const GROUPS: u64 = 16;
/// The log is purged beyond this size, and as much is filled before use.
const PURGE_THRESHOLD: ReadableSize = ReadableSize::gb(1);

/// An open engine.
pub(super) struct Raft {
    log: Log,
}

impl Raft {
    pub(super) fn open(dir: &Path, prefill: bool) -> Result<Self> {
        let config = Config {
            dir: dir.to_str().context("the folder's name is not UTF-8")?.to_owned(),
            batch_compression_threshold: ReadableSize(0),
            purge_threshold: PURGE_THRESHOLD,
            prefill_for_recycle: prefill,
            prefill_limit: prefill.then_some(PURGE_THRESHOLD),
            ..Config::default()
        };
        Ok(Self { log: Log::open(config)? })
    }
}

/// By the digits of the key that differ most.
fn group(key: &[u8]) -> u64 {
    let sum: u64 = key.iter().rev().skip(19).take(6).map(|byte| u64::from(*byte)).sum();
    1 + sum % GROUPS
}

impl Reader for Raft {
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let Some(value) = self.log.get(group(key), key) else { return Ok(false) };
        seen(&value)?;
        Ok(true)
    }
}

impl Engine for Raft {
    fn commit(&self, records: &[Record]) -> Result<()> {
        let mut batch = LogBatch::with_capacity(records.len());
        for record in records {
            batch.put(group(&record.key), record.key.to_vec(), record.value.to_vec())?;
        }
        self.log.write(&mut batch, true)?;
        Ok(())
    }

    fn upkeep(&self) -> Result<()> {
        self.log.purge_expired_files()?;
        Ok(())
    }
}
