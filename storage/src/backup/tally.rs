//! Counts the entries of a keyspace and computes its root from their values.

use strongroom_merkle::{Change, Digest, MemPages, Page, Trie, composite, leaf_digest};

use super::format::{Sum, Trailer};
use crate::id::{Class, KeyspaceId};

/// Entries that are put into the trie at a time.
const BATCH: usize = 8192;

/// The keys are kept, packed, until the keyspace is complete.
#[derive(Default)]
pub(super) struct Tally {
    trie: Trie<Page<()>>,
    gathered: Vec<(Vec<u8>, Digest)>,
    entries: u64,
    key_bytes: u64,
    value_bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.gathered.push((key.to_vec(), leaf_digest(key, value)));
        self.entries += 1;
        self.key_bytes += key.len() as u64;
        self.value_bytes += value.len() as u64;
        if self.gathered.len() == BATCH {
            self.apply();
        }
    }

    /// `None` if a key came twice.
    pub(super) fn finish(mut self) -> Option<Sum> {
        self.apply();
        let Self { trie, entries, key_bytes, value_bytes, .. } = self;
        // Of a key that came twice the trie has one.
        let complete = trie.len() as u64 == entries;
        complete.then(|| Sum { entries, key_bytes, value_bytes, root: trie.root() })
    }

    fn apply(&mut self) {
        let changes =
            self.gathered.iter().map(|(key, digest)| Change::new(key, Some((*digest, ()))));
        match self.trie.apply(&MemPages::new(), &mut changes.collect::<Vec<_>>()) {
            Ok(()) => self.gathered.clear(),
            Err(never) => match never {},
        }
    }
}

/// The trailer of keyspaces with these sums.
pub(super) fn trailer(keyspaces: &[(KeyspaceId, Class)], sums: Vec<Sum>) -> Trailer {
    let root = composite(keyspaces.iter().zip(&sums).map(|((id, _), sum)| (id.0, sum.root)));
    Trailer { sums, root }
}

/// Root over the keyspaces of one class.
pub(super) fn class_root(keyspaces: &[(KeyspaceId, Class)], sums: &[Sum], class: Class) -> Digest {
    let of_class = keyspaces.iter().zip(sums).filter(|((_, c), _)| *c == class);
    composite(of_class.map(|((id, _), sum)| (id.0, sum.root)))
}
