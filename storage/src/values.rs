//! Reading of values: copy first, then verify the copy.

use strongroom_merkle::leaf_digest;
use strongroom_wal::LogReader;

use crate::error::ReadError;
use crate::index::Slot;

/// Reads values that index entries point to.
#[derive(Clone)]
pub(crate) struct Values {
    log: LogReader,
}

impl Values {
    pub(crate) fn new(log: LogReader) -> Self {
        Self { log }
    }

    /// The value of an entry; refused unless it has the entry's digest.
    pub(crate) fn read(&self, slot: &Slot) -> Result<Vec<u8>, ReadError> {
        let mut value = vec![0; slot.len as usize];
        if !value.is_empty() {
            self.log
                .read_bytes(slot.at, &mut value)
                .map_err(|e| ReadError::Io { at: slot.at, cause: e.to_string() })?;
        }
        if leaf_digest(&slot.key, &value) == slot.digest {
            Ok(value)
        } else {
            Err(ReadError::Corrupt { at: slot.at })
        }
    }
}
