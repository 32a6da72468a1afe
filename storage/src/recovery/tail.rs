//! The end of the log as an index of its own: values can be read, and names listed, while history is
//! still repeated.
//!
//! On-demand redo for reads (after G. Graefe, W. Guy and C. Sauer, "Instant Recovery with Write-Ahead
//! Logging", 2014): what a key is worth is what the log says last of it, or else what the checkpoint
//! says. Only a log of plain updates can be read so; with keyspaces that come and go, or transactions
//! that span frames, everybody waits for the whole recovery.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::OnceLock;

use strongroom_aries::{After, Record};
use strongroom_merkle::KeyHash;
use strongroom_wal::{Frame, Lsn};

use super::decode;
use super::names::{Directories, Moved};
use crate::directory::Directory;
use crate::error::OpenError;
use crate::index::{Prehashed, Slot};

/// What the log says last of a key: where its value lies, or that it is gone.
type Said = HashMap<KeyHash, Option<Slot>, BuildHasherDefault<Prehashed>>;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Tail {
    by_keyspace: HashMap<u32, Said>,
    /// The directories with what the log says of names; `None` when there will be none.
    names: OnceLock<Option<Directories>>,
}

/// A [`Tail`] in the making, and the names that the log speaks of.
pub(crate) struct TailMaker {
    tail: Tail,
    moved: Moved,
    /// Whether all so far were plain updates.
    plain: Result<bool, OpenError>,
}

impl TailMaker {
    pub(crate) fn new() -> Self {
        Self { tail: Tail::default(), moved: Moved::default(), plain: Ok(true) }
    }

    /// Takes in the next frame since the checkpoint.
    pub(crate) fn see(&mut self, frame: &Frame) {
        if matches!(self.plain, Ok(true)) {
            self.plain = self.take_in(frame);
        }
    }

    /// What was seen; `None` when it was more than plain updates.
    pub(crate) fn finish(self) -> Result<Option<(Tail, Moved)>, OpenError> {
        Ok(self.plain?.then_some((self.tail, self.moved)))
    }

    fn take_in(&mut self, frame: &Frame) -> Result<bool, OpenError> {
        for (lsn, bytes) in frame.records() {
            match decode(lsn, bytes)? {
                Record::Update(u) if u.txn.is_none() => {
                    let at = Lsn(lsn.0 + u.value_offset() as u64);
                    let slot = match u.after {
                        After::Value(value) => Some(Slot::written(at, value.len(), u.key.len())),
                        After::Deleted => None,
                    };
                    let said = self.tail.by_keyspace.entry(u.keyspace).or_default();
                    said.insert(KeyHash::of(u.key), slot);
                    self.moved.add(u.keyspace, &[(u.key, slot.is_some())]);
                }
                // A value that was moved can be read where it was until the next checkpoint.
                Record::Relocation(_)
                | Record::RootMark(_)
                | Record::CheckpointBegin
                | Record::CheckpointEnd(_) => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Tail {
    /// What the log says of a key, if it says anything.
    #[expect(clippy::option_option, reason = "silent, gone and written are three cases")]
    pub(crate) fn get(&self, keyspace: u32, hash: &KeyHash) -> Option<Option<Slot>> {
        self.by_keyspace.get(&keyspace)?.get(hash).copied()
    }

    /// The names are known, or will not be before the recovery is over.
    pub(crate) fn set_names(&self, names: Option<Directories>) {
        let _ = self.names.set(names);
    }

    /// The names of a keyspace, once they are known: waits for that. `None` when the state is to be asked.
    pub(crate) fn names(&self, keyspace: u32) -> Option<Directory> {
        let names = self.names.wait().as_ref()?;
        Some(names.get(&keyspace).cloned().unwrap_or_default())
    }
}
