//! Ours. Everything that the rows need of the store's interface is here.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use strongroom_storage::{Class, KeyspaceId, Options, Stats, Store, Txn};

use super::{Engine, Reader};
use crate::record::Record;

const KEYSPACE: KeyspaceId = KeyspaceId([1; 16]);

/// Names asked for by the first LIST.
const LIST_LIMIT: usize = 1_000;

/// The options that are compared: the defaults, and an allocator that is told when the store is at rest,
/// as in the server.
pub fn tuned() -> Options {
    Options { at_rest: Some(give_back), ..Options::default() }
}

fn give_back() {
    #[expect(unsafe_code, reason = "the allocator is a C library")]
    // SAFETY: it may be called at any time by any thread.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}

/// A store with one keyspace. Values are verified against their digests as they are read.
pub struct Strongroom {
    store: Store,
}

/// How long a reopened store took, in ms since it began to open.
pub struct Milestones {
    /// The first GET was answered.
    pub first_get: f64,
    /// The first LIST was answered.
    pub first_list: f64,
    /// Recovery had arrived at the promised roots.
    pub verified: f64,
}

impl Strongroom {
    /// Opens a store in a folder, or makes one there.
    pub fn open(dir: &Path, options: Options) -> Result<Self> {
        let store = Store::open(dir, options)?;
        if !store.keyspaces().iter().any(|(id, _)| *id == KEYSPACE) {
            let mut txn = store.begin();
            txn.create_keyspace(KEYSPACE, Class::Replicated);
            txn.commit_blocking()?;
        }
        Ok(Self { store })
    }

    /// Opens a store that was killed, and says when it was good for what. Values and names are served
    /// while the store still repeats history.
    pub fn reopen(dir: &Path, key: &[u8], folder: &[u8]) -> Result<(Self, Milestones)> {
        let began = Instant::now();
        let ms = || began.elapsed().as_secs_f64() * 1e3;
        let opened = Self { store: Store::open_serving(dir, tuned())? };
        ensure!(opened.store.get(KEYSPACE, key)?.is_some(), "the first GET found nothing");
        let first_get = ms();
        let names = opened.store.list(KEYSPACE, folder, None, LIST_LIMIT);
        ensure!(!names.is_empty(), "the first LIST found nothing");
        let first_list = ms();
        opened.store.wait_recovered()?;
        let verified = ms();
        Ok((opened, Milestones { first_get, first_list, verified }))
    }

    /// As [`Engine::commit`], for tasks.
    pub async fn commit_async(&self, records: &[Record]) -> Result<()> {
        self.filled(records).commit().await.context("commit")?;
        Ok(())
    }

    /// What the store counts.
    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    fn filled(&self, records: &[Record]) -> Txn {
        let mut txn = self.store.begin();
        for record in records {
            txn.put(KEYSPACE, &record.key, record.value.to_vec());
        }
        txn
    }
}

impl Reader for Strongroom {
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let Some(entry) = self.store.get(KEYSPACE, key)? else { return Ok(false) };
        seen(&entry.value)?;
        Ok(true)
    }
}

impl Engine for Strongroom {
    fn commit(&self, records: &[Record]) -> Result<()> {
        self.filled(records).commit_blocking()?;
        Ok(())
    }

    fn close(&self) -> Result<()> {
        Ok(self.store.close()?)
    }
}
