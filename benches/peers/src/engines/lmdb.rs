//! LMDB through heed: synced commits by default, a map that is large enough. `MDB_WRITEMAP`, which
//! its documentation calls faster at the price of protection from stray writes, is a variant.
//! LMDB has no checksums.

use std::convert::Infallible;
use std::path::Path;

use anyhow::Result;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithTls};

use super::{Engine, Reader};
use crate::record::Record;

/// Address space for the map, bytes.
const MAP_BYTES: usize = 32 << 30;
/// Threads that may read at a time.
const READERS: u32 = 256;

/// An open environment.
pub(super) struct Lmdb {
    env: Env<WithTls>,
    db: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    pub(super) fn open(dir: &Path, writemap: bool) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES).max_readers(READERS);
        if writemap {
            #[expect(unsafe_code, reason = "heed marks every flag")]
            // SAFETY: nothing else writes into this process's map of the file.
            unsafe {
                options.flags(EnvFlags::WRITE_MAP);
            }
        }
        #[expect(unsafe_code, reason = "a memory map")]
        // SAFETY: the folder is this run's own; nobody else changes the file below the map.
        let env = unsafe { options.open(dir)? };
        let txn = env.write_txn()?;
        let made = env.create_databases_and_commit(txn, |opener, txn| {
            opener.create_database(txn, None).map(CommitOrAbort::<_, Infallible>::Commit)
        });
        let CommitOrAbort::Commit(db) = made?;
        Ok(Self { env, db })
    }
}

impl Reader for Lmdb {
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let txn = self.env.read_txn()?;
        let Some(value) = self.db.get(&txn, key)? else { return Ok(false) };
        seen(value)?;
        Ok(true)
    }
}

impl Engine for Lmdb {
    fn commit(&self, records: &[Record]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        for record in records {
            self.db.put(&mut txn, &record.key, &record.value)?;
        }
        Ok(txn.commit()?)
    }
}
