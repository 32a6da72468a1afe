//! Decoded entries, and what was made of several, close at hand: some for each thread, in front of
//! the common cache.
//!
//! What is found here costs neither a hash of a key nor a walk through the index nor a lock that
//! another thread wants. It counts while nothing was written to the keyspaces that it was read from,
//! and beyond that while the index still has the same versions. What is found is a read of the
//! transaction like any other.

use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use strongroom_storage::{KeyspaceId, ReadError, Sighting, Txn};

use crate::telemetry::Lanes;

/// Entries for each thread; of two that want the same place the later one has it.
const PLACES: usize = 512;

/// `None` where there is no entry.
type Decoded = Option<Arc<dyn Any + Send + Sync>>;

/// See the module's text.
#[derive(Default)]
pub(super) struct Near(Lanes<Mutex<Vec<Option<Kept>>>>);

struct Kept {
    keyspace: KeyspaceId,
    key: Box<[u8]>,
    /// All that it was made from.
    from: MadeFrom,
    decoded: Decoded,
}

/// What something was made from.
pub(super) enum MadeFrom {
    /// The entry under its key.
    Entry(Sighting),
    /// Several.
    Entries(Vec<Sighting>),
}

impl MadeFrom {
    fn stands(&mut self, txn: &mut Txn) -> Result<bool, ReadError> {
        match self {
            Self::Entry(sighting) => txn.still(sighting),
            Self::Entries(sightings) => {
                for sighting in sightings {
                    if !txn.still(sighting)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

impl Near {
    /// The decoded form of what the transaction has under a key, or that it has nothing; `None`
    /// where that is not known here, or not of this type.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(super) fn get<T: Send + Sync + 'static>(
        &self,
        txn: &mut Txn,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Option<Option<Arc<T>>>, ReadError> {
        let (_, lane) = self.0.mine();
        let mut places = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Some(kept)) = places.get_mut(place(keyspace, key)) else { return Ok(None) };
        if kept.keyspace != keyspace || *kept.key != *key || !kept.from.stands(txn)? {
            return Ok(None);
        }
        Ok(match &kept.decoded {
            None => Some(None),
            Some(decoded) => Arc::clone(decoded).downcast().ok().map(Some),
        })
    }

    /// Whether there is something under a key for the transaction; `None` where that is not known
    /// here.
    ///
    /// # Errors
    /// The index cannot be read.
    pub(super) fn exists(
        &self,
        txn: &mut Txn,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Option<bool>, ReadError> {
        let (_, lane) = self.0.mine();
        let mut places = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Some(kept)) = places.get_mut(place(keyspace, key)) else { return Ok(None) };
        let known = kept.keyspace == keyspace && *kept.key == *key;
        Ok((known && kept.from.stands(txn)?).then_some(kept.decoded.is_some()))
    }

    /// Keeps what was made, or that there is none.
    pub(super) fn put<T: Send + Sync + 'static>(
        &self,
        keyspace: KeyspaceId,
        key: &[u8],
        from: MadeFrom,
        decoded: Option<Arc<T>>,
    ) {
        let (_, lane) = self.0.mine();
        let mut places = lane.lock().unwrap_or_else(PoisonError::into_inner);
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        let decoded = decoded.map(|decoded| decoded as Arc<dyn Any + Send + Sync>);
        let kept = Kept { keyspace, key: Box::from(key), from, decoded };
        let before = places[place(keyspace, key)].replace(kept);
        drop(places);
        drop(before);
    }
}

/// Where an entry is kept. Nothing but time depends on it, so it is quick rather than strong; the
/// seed keeps clients from choosing keys that meet.
fn place(keyspace: KeyspaceId, key: &[u8]) -> usize {
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0) | 1);
    let mix = |a: u64, b: u64| {
        let wide = u128::from(a ^ b) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        let [low, high] = [wide & u128::from(u64::MAX), wide >> 64];
        u64::try_from(low ^ high).unwrap_or(0)
    };
    let mut hash = *SEED;
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    hash = mix(hash, u64::from_le_bytes(last));
    let [low, high] = keyspace.0.as_chunks::<8>().0 else { return 0 };
    hash = mix(hash, u64::from_le_bytes(*low) ^ u64::from_le_bytes(*high).rotate_left(32));
    usize::try_from(hash % PLACES as u64).unwrap_or(0)
}
