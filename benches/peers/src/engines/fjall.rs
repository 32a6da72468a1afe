//! fjall: a cache that holds the data, as its builder advises, no compression of what does not
//! compress, and `PersistMode::SyncData` with every batch.

use std::path::Path;

use anyhow::Result;
use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{CACHE_BYTES, Engine, Reader};
use crate::record::Record;

/// An open database.
pub(super) struct Fjall {
    db: Database,
    keyspace: Keyspace,
}

impl Fjall {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let cache = u64::try_from(CACHE_BYTES)?;
        let db = Database::builder(dir)
            .cache_size(cache)
            .journal_compression(CompressionType::None)
            .open()?;
        let keyspace = db.keyspace("bench", || {
            let none = CompressionPolicy::all(CompressionType::None);
            KeyspaceCreateOptions::default().data_block_compression_policy(none)
        })?;
        Ok(Self { db, keyspace })
    }
}

impl Reader for Fjall {
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let Some(value) = self.keyspace.get(key)? else { return Ok(false) };
        seen(&value)?;
        Ok(true)
    }
}

impl Engine for Fjall {
    fn commit(&self, records: &[Record]) -> Result<()> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for record in records {
            batch.insert(&self.keyspace, record.key, record.value);
        }
        Ok(batch.commit()?)
    }
}
