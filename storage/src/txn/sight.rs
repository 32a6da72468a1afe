//! What a transaction read, told so that a later one can ask cheaply whether it still stands.

use std::sync::{Arc, Weak};

use strongroom_merkle::KeyHash;

use super::Txn;
use crate::error::ReadError;
use crate::id::{KeyspaceId, Version};
use crate::index::Keyspace;

/// How one transaction found an entry, so that a later one is told cheaply whether it still stands
/// so: while nothing in its keyspace was written, without a look into the index.
#[derive(Debug)]
pub struct Sighting {
    keyspace: KeyspaceId,
    /// The keyspace as it was then; kept weakly, so that it names that state and holds nothing.
    within: Option<Weak<Keyspace>>,
    hash: KeyHash,
    version: Option<Version>,
}

impl Sighting {
    /// The entry's version, if it was there.
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

/// A point in what a transaction has read.
#[derive(Clone, Copy, Debug)]
pub struct ReadMark {
    entries: usize,
    lists: usize,
}

impl Txn {
    /// As [`Txn::version`], and what it takes to ask again in another transaction.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn sight(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Result<Sighting, ReadError> {
        let hash = KeyHash::of(key);
        let version = self.version_of(keyspace, hash)?;
        let within = self.seen(keyspace).map(Arc::downgrade);
        Ok(Sighting { keyspace, within, hash, version })
    }

    /// Where it is with its reads.
    pub fn read_mark(&self) -> ReadMark {
        ReadMark { entries: self.reads.entries.len(), lists: self.reads.lists.len() }
    }

    /// All that was read since; `None` where nothing tells later whether it still stands: there were
    /// lists, or the transaction has writes of its own.
    pub fn sighted_since(&self, mark: ReadMark) -> Option<Vec<Sighting>> {
        if !self.is_read_only() || self.reads.lists.len() != mark.lists {
            return None;
        }
        let sighting = |(keyspace, hash, version): &(KeyspaceId, KeyHash, Option<Version>)| {
            let within = self.seen(*keyspace).map(Arc::downgrade);
            Sighting { keyspace: *keyspace, within, hash: *hash, version: *version }
        };
        self.reads.entries.get(mark.entries..).map(|read| read.iter().map(sighting).collect())
    }

    /// Whether an entry still has the version that another transaction saw. It counts as a read.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn still(&mut self, sighting: &mut Sighting) -> Result<bool, ReadError> {
        let seen = self.seen(sighting.keyspace);
        let same = match (seen, &sighting.within) {
            (Some(now), Some(then)) => std::ptr::eq(Arc::as_ptr(now), then.as_ptr()),
            (None, None) => true,
            _ => false,
        };
        if same {
            self.reads.entries.push((sighting.keyspace, sighting.hash, sighting.version));
            return Ok(true);
        }
        let within = seen.map(Arc::downgrade);
        if self.version_of(sighting.keyspace, sighting.hash)? != sighting.version {
            return Ok(false);
        }
        sighting.within = within;
        Ok(true)
    }
}
