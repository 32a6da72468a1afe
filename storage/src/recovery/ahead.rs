//! Frames read ahead of redo.
//!
//! What can be said of an update without the state is worked out while what is before it is applied: the
//! hash of its key, whether redo's filters let it through, and the entry that it writes. The filters go
//! by the pages of the checkpoint, which stay as they are.

use strongroom_aries::{After, DirtyPageTable, Record, Update, redo};
use strongroom_merkle::{KeyHash, leaf_digest};
use strongroom_wal::{Frame, Frames, Lsn};

use super::decode;
use super::load::Trees;
use crate::error::OpenError;
use crate::index::{Indexed, Slot};

/// About so many updates are read in one go.
const UPDATES: usize = 8192;
/// Or about so many bytes.
const BYTES: u64 = 8 << 20;

/// What tells whether a page of the checkpoint has a record's effect already.
pub(super) struct Filters {
    pub(super) trees: Trees,
    pub(super) dirty: DirtyPageTable,
}

impl Filters {
    /// Whether a record about an entry has to be applied again.
    pub(super) fn pass(&self, lsn: Lsn, keyspace: u32, pending: bool, hash: &KeyHash) -> bool {
        let (page, page_lsn) = self.trees.page_of(keyspace, pending, hash);
        redo::needed(lsn.0, page, &self.dirty, |_| page_lsn.0)
    }
}

/// An update, as far as it can be told without the state.
pub(super) struct Ready {
    pub(super) hash: KeyHash,
    pub(super) needed: bool,
    /// The entry as it is written, as if it were committed; `None` also where it is not needed.
    pub(super) written: Option<Indexed>,
}

impl Ready {
    fn of(lsn: Lsn, update: &Update<'_>, filters: &Filters) -> Self {
        let hash = KeyHash::of(update.key);
        let needed = filters.pass(lsn, update.keyspace, update.txn.is_some(), &hash);
        let written = match update.after {
            After::Value(value) if needed => {
                let at = Lsn(lsn.0 + update.value_offset() as u64);
                let slot = Slot::written(at, value.len(), update.key.len());
                Some(Indexed { digest: leaf_digest(update.key, value), slot })
            }
            After::Value(_) | After::Deleted => None,
        };
        Self { hash, needed, written }
    }
}

/// A frame, and its updates in order.
pub(super) type ReadFrame = (Frame, Vec<Ready>);

/// The next frames; none at the end of the log.
pub(super) fn read(frames: &mut Frames, filters: &Filters) -> Result<Vec<ReadFrame>, OpenError> {
    let (mut read, mut updates, mut bytes) = (Vec::new(), 0, 0);
    while updates < UPDATES && bytes < BYTES {
        let Some(frame) = frames.next().transpose()? else { break };
        let mut ready = Vec::new();
        for (lsn, record) in frame.records() {
            if let Record::Update(update) = decode(lsn, record)? {
                ready.push(Ready::of(lsn, &update, filters));
            }
        }
        updates += ready.len();
        bytes += frame.header.total_bytes();
        read.push((frame, ready));
    }
    Ok(read)
}
