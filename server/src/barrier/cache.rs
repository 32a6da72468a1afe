//! Decoded entries by version: hot keys, policies and tokens are read from here.
//!
//! An entry counts only while the store still has the version that it was decoded from, so nothing
//! needs to be invalidated and nothing stale is ever served, on a secondary too.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use strongroom_storage::{KeyspaceId, Version};

use super::near::Near;
use super::seals::Seals;
use crate::config::LeaseTimes;

const SHARDS: usize = 16;
/// Entries per shard; a full shard is emptied.
const SHARD_MAX: usize = 8192;

type Decoded = Arc<dyn Any + Send + Sync>;

struct Kept {
    keyspace: KeyspaceId,
    key: Box<[u8]>,
    version: Version,
    decoded: Decoded,
}

/// By the hash of keyspace and key: of two that collide the later one is kept.
type Shard = HashMap<u64, Kept, BuildHasherDefault<Hashed>>;

/// A bounded map from entry and version to its decoded form.
#[derive(Default)]
pub struct DecodeCache {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    /// In front of it all.
    pub(super) near: Near,
    /// What mounts are decoded with: it stays the same for as long as the cache.
    pub(super) lease_times: LeaseTimes,
    /// Beside it: values of which there are many, which must not drive the few out.
    pub(super) values: Near,
    /// What is written and read back again and again.
    pub(super) seals: Seals,
}

impl DecodeCache {
    /// Empty, of a server with these times.
    pub fn new(lease_times: LeaseTimes) -> Self {
        Self { lease_times, ..Self::default() }
    }

    /// The decoded form of exactly this version, if it is here and of this type.
    pub fn get<T: Send + Sync + 'static>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        version: Version,
    ) -> Option<Arc<T>> {
        let hash = self.hasher.hash_one((keyspace, key));
        let shard = self.shard(hash);
        let kept = shard.get(&hash)?;
        if kept.version != version || kept.keyspace != keyspace || *kept.key != *key {
            return None;
        }
        Arc::clone(&kept.decoded).downcast().ok()
    }

    /// Keeps a decoded form.
    pub fn put<T: Send + Sync + 'static>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        version: Version,
        decoded: Arc<T>,
    ) {
        let hash = self.hasher.hash_one((keyspace, key));
        let mut shard = self.shard(hash);
        if shard.len() >= SHARD_MAX {
            shard.clear();
        }
        shard.insert(hash, Kept { keyspace, key: Box::from(key), version, decoded });
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        // Its low bits have chosen the shard.
        self.0 = hash.rotate_right(4);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
