//! redb: a cache that holds the data. Commits are `Durability::Immediate` by default. Pages are
//! verified when a database is repaired, not when they are read.

use std::path::Path;

use anyhow::Result;
use redb::{Database, ReadableDatabase, TableDefinition};

use super::{CACHE_BYTES, Engine, Reader};
use crate::record::Record;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

/// An open database.
pub(super) struct Redb {
    db: Database,
}

impl Redb {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let db = Database::builder().set_cache_size(CACHE_BYTES).create(dir.join("bench.redb"))?;
        Ok(Self { db })
    }
}

impl Reader for Redb {
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let table = self.db.begin_read()?.open_table(TABLE)?;
        let Some(value) = table.get(key)? else { return Ok(false) };
        seen(value.value())?;
        Ok(true)
    }
}

impl Engine for Redb {
    fn commit(&self, records: &[Record]) -> Result<()> {
        let txn = self.db.begin_write()?;
        {
            let mut table = txn.open_table(TABLE)?;
            for record in records {
                table.insert(record.key.as_slice(), record.value.as_slice())?;
            }
        }
        Ok(txn.commit()?)
    }
}
