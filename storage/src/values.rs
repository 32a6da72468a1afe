//! Reading of entries and their values: copy first, then verify the copy.

use std::sync::Arc;

use strongroom_merkle::leaf_digest;
use strongroom_wal::{LogReader, Lsn};

use crate::error::ReadError;
use crate::id::{KeyspaceId, VALUE_MAX};
use crate::index::{Indexed, Slot, State};
use crate::pages::{PageError, Pool};
use crate::snapshot::KeyValue;

/// Reads what index entries point to.
#[derive(Clone)]
pub(crate) struct Values {
    pub(crate) log: LogReader,
    pub(crate) pool: Arc<Pool>,
}

impl Values {
    pub(crate) fn new(log: LogReader, pool: Arc<Pool>) -> Self {
        Self { log, pool }
    }

    /// The index entry of a key.
    pub(crate) fn entry(
        &self,
        state: &State,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Option<Indexed>, ReadError> {
        Ok(state.get(&self.pool, keyspace, key)?)
    }

    /// The value at a place whose frame was checked a moment ago.
    pub(crate) fn read_checked(&self, slot: Slot) -> Result<Vec<u8>, ReadError> {
        let len = usize::try_from(slot.len).unwrap_or(usize::MAX);
        if len > VALUE_MAX {
            return Err(ReadError::Corrupt { at: slot.at });
        }
        self.bytes(slot.at, len)
    }

    fn bytes(&self, at: Lsn, len: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; len];
        if len > 0 {
            self.log.read_bytes(at, &mut bytes).map_err(|e| match e {
                strongroom_wal::ReadError::Gone { .. } => ReadError::Behind { at },
                e => ReadError::Io { at, cause: e.to_string() },
            })?;
        }
        Ok(bytes)
    }

    /// Key and value of an entry; refused unless they have the entry's digest.
    pub(crate) fn read_both(&self, entry: &Indexed) -> Result<KeyValue, ReadError> {
        let Slot { at, len, key_len, .. } = entry.slot;
        let key_len = usize::from(key_len);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let start = at.0.checked_sub(key_len as u64).filter(|_| len <= VALUE_MAX);
        let start = Lsn(start.ok_or(ReadError::Corrupt { at })?);
        let mut key = self.bytes(start, key_len + len)?;
        let value = key.split_off(key_len);
        if leaf_digest(&key, &value) == entry.digest {
            Ok((key, value))
        } else {
            Err(ReadError::Corrupt { at })
        }
    }

    /// The value of an entry; refused unless it has the entry's digest.
    pub(crate) fn read(&self, key: &[u8], entry: &Indexed) -> Result<Vec<u8>, ReadError> {
        let at = entry.slot.at;
        let value = self.read_checked(entry.slot)?;
        if leaf_digest(key, &value) == entry.digest {
            Ok(value)
        } else {
            Err(ReadError::Corrupt { at })
        }
    }
}

impl From<PageError> for ReadError {
    fn from(e: PageError) -> Self {
        ReadError::Page { cause: e.to_string() }
    }
}
