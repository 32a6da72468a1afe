//! RocksDB: recycled log files, as its wiki advises for synced writes, a block cache that holds the
//! data, Bloom filters of ten bits a key and hashed data blocks for point reads, as its tuning
//! guide says; no compression of what does not compress. Pipelined writes are a variant: they are
//! not faster everywhere. Checksums of blocks are verified by default, when a block is read into
//! the cache.

use std::path::Path;

use anyhow::Result;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DataBlockIndexType, Options, WriteBatch,
    WriteOptions,
};

use super::{CACHE_BYTES, Engine, Reader};
use crate::record::Record;

/// Log files kept for use again.
const RECYCLED_LOGS: usize = 4;
/// Bits of a Bloom filter for each key.
const FILTER_BITS: f64 = 10.0;

/// An open database.
pub(super) struct Rocks {
    db: DB,
    durable: WriteOptions,
}

impl Rocks {
    pub(super) fn open(dir: &Path, pipelined: bool) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        blocks.set_bloom_filter(FILTER_BITS, false);
        blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&blocks);
        options.set_compression_type(DBCompressionType::None);
        options.set_recycle_log_file_num(RECYCLED_LOGS);
        options.set_enable_pipelined_write(pipelined);
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        Ok(Self { db: DB::open(&options, dir)?, durable })
    }
}

impl Reader for Rocks {
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let Some(value) = self.db.get_pinned(key)? else { return Ok(false) };
        seen(&value)?;
        Ok(true)
    }
}

impl Engine for Rocks {
    fn commit(&self, records: &[Record]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for record in records {
            batch.put(record.key, record.value);
        }
        Ok(self.db.write_opt(batch, &self.durable)?)
    }
}
