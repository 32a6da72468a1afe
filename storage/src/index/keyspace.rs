//! One keyspace at one position of the log: its tree of entries, and the names beside it.

use strongroom_merkle::{Change, Join, KeyHash, Trie};
use strongroom_wal::Lsn;

use super::{Changes, Indexed, LiveBytes, Slot};
use crate::directory::{Directory, Edit};
use crate::id::Class;
use crate::pages::{Handle, PageError, Pool, TreeId, TreePages};

/// One keyspace at one position.
#[derive(Clone)]
pub(crate) struct Keyspace {
    /// Its number in this store's log.
    pub(crate) handle: u32,
    pub(crate) class: Class,
    pub(crate) trie: Trie<Handle>,
    pub(crate) directory: Directory,
    /// Position at which a key last came or went: what a list is validated against.
    pub(crate) structure: Lsn,
}

impl Keyspace {
    pub(crate) fn new(handle: u32, class: Class, at: Lsn) -> Self {
        Self { handle, class, trie: Trie::new(), directory: Directory::default(), structure: at }
    }

    pub(crate) fn tree(&self) -> TreeId {
        TreeId { keyspace: self.handle, pending: false }
    }

    pub(crate) fn get(&self, pool: &Pool, hash: &KeyHash) -> Result<Option<Indexed>, PageError> {
        lookup(&self.trie, pool, self.tree(), hash)
    }

    /// Where the value lies whose key has this hash.
    pub(crate) fn get_by_hash(
        &self,
        pool: &Pool,
        hash: &KeyHash,
    ) -> Result<Option<Slot>, PageError> {
        let pages = TreePages { pool, tree: self.tree(), lsn: Lsn::ZERO };
        Ok(self.trie.leaf_of(&pages, hash)?.map(|held| held.value()))
    }

    /// The entries of many keys, in their order: much less work than to get one after the other.
    pub(crate) fn get_many(
        &self,
        pool: &Pool,
        hashes: impl Iterator<Item = KeyHash>,
    ) -> Result<Vec<Option<Indexed>>, PageError> {
        let pages = TreePages { pool, tree: self.tree(), lsn: Lsn::ZERO };
        let mut list: Vec<Change<'_, Slot>> =
            hashes.map(|hash| Change { hash, key: &[], put: None, before: None }).collect();
        self.trie.look_up(&pages, &mut list)?;
        Ok(list.into_iter().map(|c| c.before.map(Indexed::of)).collect())
    }

    /// Applies changes that became final at `at`, and counts live bytes by segment. When a page
    /// cannot be read, some may be made and are not counted: the keyspace is not to be used then.
    pub(crate) fn apply<J: Join>(
        &mut self,
        pool: &Pool,
        join: &J,
        changes: &Changes,
        at: Lsn,
        live: &mut LiveBytes,
    ) -> Result<(), PageError> {
        let mut names = self.apply_but_names(pool, join, changes, at, live)?;
        if !names.is_empty() {
            names.sort_unstable();
            self.directory.apply_with(join, &names);
        }
        Ok(())
    }

    /// As [`apply`](Self::apply), but the directory stays as it is: answers what is to be done to it,
    /// in no order.
    pub(crate) fn apply_but_names<'c, J: Join>(
        &mut self,
        pool: &Pool,
        join: &J,
        changes: &'c Changes,
        at: Lsn,
        live: &mut LiveBytes,
    ) -> Result<Vec<Edit<'c>>, PageError> {
        let applied = self.apply_tree(pool, join, changes, at)?;
        let mut names: Vec<Edit<'c>> = Vec::new();
        for (change, touch) in applied.iter().zip(changes.values()) {
            if let Some((_, old)) = &change.before {
                live.sub(old)?;
            }
            if let Some((_, new)) = &change.put {
                live.add(new);
            }
            if change.before.is_some() != change.put.is_some() {
                names.push((&touch.key, change.put.is_some()));
            }
        }
        if !names.is_empty() {
            self.structure = at;
        }
        Ok(names)
    }

    /// All of it is dead: it is dropped.
    pub(crate) fn uncount(&self, pool: &Pool, live: &mut LiveBytes) -> Result<(), PageError> {
        for page in self.trie.pages() {
            for leaf in pool.load(page.handle)?.iter() {
                live.sub(&leaf.value)?;
            }
        }
        Ok(())
    }

    /// Applies changes to the trie alone. They come back in the order of `changes`.
    fn apply_tree<'c, J: Join>(
        &mut self,
        pool: &Pool,
        join: &J,
        changes: &'c Changes,
        at: Lsn,
    ) -> Result<Vec<Change<'c, Slot>>, PageError> {
        let pages = TreePages { pool, tree: self.tree(), lsn: at };
        let mut list = as_list(self.tree(), changes);
        self.trie.apply_with(&pages, join, &mut list)?;
        Ok(list)
    }
}

/// An entry of a tree.
pub(super) fn lookup(
    trie: &Trie<Handle>,
    pool: &Pool,
    id: TreeId,
    hash: &KeyHash,
) -> Result<Option<Indexed>, PageError> {
    let pages = TreePages { pool, tree: id, lsn: Lsn::ZERO };
    let found = trie.get(&pages, hash)?;
    Ok(found.map(Indexed::of))
}

/// Pages keep the keys of what is uncommitted alone: what is committed has its key beside the value, in
/// the log.
pub(super) fn as_list(tree: TreeId, changes: &Changes) -> Vec<Change<'_, Slot>> {
    changes
        .iter()
        .map(|(hash, touch)| Change {
            hash: *hash,
            key: if tree.pending { &touch.key } else { &[] },
            put: touch.put.map(|entry| (entry.digest, entry.slot)),
            before: None,
        })
        .collect()
}
