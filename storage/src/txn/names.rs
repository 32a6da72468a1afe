//! Lists and scans of a transaction: names that were committed, with its own writes.

use super::Txn;
use crate::directory::Directory;
use crate::id::KeyspaceId;

impl Txn {
    /// Names one level below `prefix` (folders with a trailing slash), in order, strictly after
    /// `after`, at most `limit`; own writes included.
    pub fn list(
        &mut self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        self.reads.lists.push((keyspace, self.seen(keyspace).is_some()));
        match self.seen(keyspace) {
            _ if self.writes_to(keyspace) => {
                self.directory_with_writes(keyspace).list(prefix, after, limit)
            }
            Some(k) => k.directory.list(prefix, after, limit),
            None => Vec::new(),
        }
    }

    /// Keys that start with `prefix`, in order, strictly after `after`, at most `limit`; own writes
    /// included.
    pub fn scan(
        &mut self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        self.reads.lists.push((keyspace, self.seen(keyspace).is_some()));
        self.scan_unvalidated(keyspace, prefix, after, limit)
    }

    /// As [`Txn::scan`], but keys that come or go until the commit are no conflict. For an index
    /// whose entries are read, and so validated, one by one.
    pub fn scan_unvalidated(
        &self,
        keyspace: KeyspaceId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        match self.seen(keyspace) {
            _ if self.writes_to(keyspace) => {
                self.directory_with_writes(keyspace).scan(prefix, after, limit)
            }
            Some(k) => k.directory.scan(prefix, after, limit),
            None => Vec::new(),
        }
    }

    fn writes_to(&self, keyspace: KeyspaceId) -> bool {
        let first = (keyspace, Vec::new());
        let in_it = |(id, _): &(KeyspaceId, Vec<u8>)| *id == keyspace;
        self.writes.range(first.clone()..).next().is_some_and(|(name, _)| in_it(name))
            || self.logged.range(first..).next().is_some_and(|(name, _)| in_it(name))
    }

    fn directory_with_writes(&self, keyspace: KeyspaceId) -> Directory {
        let mut directory = self.seen(keyspace).map(|k| k.directory.clone()).unwrap_or_default();
        let first = (keyspace, Vec::new());
        let logged = self.logged.range(first.clone()..).map(|(name, kept)| (name, *kept));
        let buffered = self.writes.range(first..).map(|(name, value)| (name, value.is_some()));
        let mine = |(name, _): &(&(KeyspaceId, Vec<u8>), bool)| name.0 == keyspace;
        for ((_, key), kept) in logged.take_while(mine).chain(buffered.take_while(mine)) {
            if kept {
                directory.insert(key);
            } else {
                directory.remove(key);
            }
        }
        directory
    }
}
