//! Decoded entries by version: hot keys, policies and tokens are read from here.
//!
//! An entry counts only while the store still has the version that it was decoded from, so nothing
//! needs to be invalidated and nothing stale is ever served, on a secondary too.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use strongroom_storage::{KeyspaceId, Version};

const SHARDS: usize = 16;
/// Entries per shard; a full shard is emptied.
const SHARD_MAX: usize = 8192;

type Decoded = Arc<dyn Any + Send + Sync>;
type Entries = HashMap<Box<[u8]>, (Version, Decoded)>;
/// By keyspace and then by key, so that a look-up borrows the key.
#[derive(Default)]
struct Shard {
    entries: HashMap<KeyspaceId, Entries>,
    count: usize,
}

/// A bounded map from entry and version to its decoded form.
#[derive(Default)]
pub struct DecodeCache {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl DecodeCache {
    /// The decoded form of exactly this version, if it is here and of this type.
    pub fn get<T: Send + Sync + 'static>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        version: Version,
    ) -> Option<Arc<T>> {
        let shard = self.shard(keyspace, key).lock().unwrap_or_else(PoisonError::into_inner);
        let (known, decoded) = shard.entries.get(&keyspace)?.get(key)?;
        if *known != version {
            return None;
        }
        Arc::clone(decoded).downcast().ok()
    }

    /// Keeps a decoded form.
    pub fn put<T: Send + Sync + 'static>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        version: Version,
        decoded: Arc<T>,
    ) {
        let mut shard = self.shard(keyspace, key).lock().unwrap_or_else(PoisonError::into_inner);
        if shard.count >= SHARD_MAX {
            *shard = Shard::default();
        }
        let entries = shard.entries.entry(keyspace).or_default();
        if entries.insert(Box::from(key), (version, decoded)).is_none() {
            shard.count += 1;
        }
    }

    fn shard(&self, keyspace: KeyspaceId, key: &[u8]) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one((keyspace, key));
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}
