//! All keyspaces at one position of the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_merkle::{Change, Digest, Join, KeyHash, Trie, composite};
use strongroom_wal::Lsn;

use super::{Changes, DELETED, Indexed, LiveBytes, Slot, Touch};
use crate::directory::{Directory, Edit};
use crate::id::{Class, KeyspaceId};
use crate::pages::{Handle, PageError, Pool, TreeId, TreePages};

pub(crate) type Keyspaces = BTreeMap<KeyspaceId, Arc<Keyspace>>;

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
                live.sub(old);
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
                live.sub(&leaf.value);
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
fn lookup(
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
fn as_list(tree: TreeId, changes: &Changes) -> Vec<Change<'_, Slot>> {
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

/// All keyspaces at one position of the log.
#[derive(Clone)]
pub(crate) struct State {
    /// End of the last frame that is in it.
    pub(crate) lsn: Lsn,
    pub(crate) keyspaces: Keyspaces,
    /// What transactions wrote that have not ended, by the number of the keyspace. No reader but
    /// the transaction itself looks here, and no root counts it.
    pub(crate) pending: BTreeMap<u32, Trie<Handle>>,
    pub(crate) replicated_root: Digest,
    pub(crate) all_root: Digest,
}

impl State {
    pub(crate) fn empty(lsn: Lsn) -> Self {
        let mut state = Self {
            lsn,
            keyspaces: BTreeMap::new(),
            pending: BTreeMap::new(),
            replicated_root: Digest::default(),
            all_root: Digest::default(),
        };
        state.seal_roots();
        state
    }

    pub(crate) fn get(
        &self,
        pool: &Pool,
        keyspace: KeyspaceId,
        key: &[u8],
    ) -> Result<Option<Indexed>, PageError> {
        match self.keyspaces.get(&keyspace) {
            Some(k) => k.get(pool, &KeyHash::of(key)),
            None => Ok(None),
        }
    }

    /// The committed entry of a key, given the number of its keyspace.
    pub(crate) fn get_committed(
        &self,
        pool: &Pool,
        handle: u32,
        hash: &KeyHash,
    ) -> Result<Option<Indexed>, PageError> {
        match self.keyspaces.values().find(|k| k.handle == handle) {
            Some(k) => k.get(pool, hash),
            None => Ok(None),
        }
    }

    /// What a transaction that has not ended wrote to a key.
    pub(crate) fn get_pending(
        &self,
        pool: &Pool,
        handle: u32,
        hash: &KeyHash,
    ) -> Result<Option<Indexed>, PageError> {
        match self.pending.get(&handle) {
            Some(trie) => lookup(trie, pool, pending_tree(handle), hash),
            None => Ok(None),
        }
    }

    /// Applies changes that became final at `at`, by the number of the keyspace; see
    /// [`Keyspace::apply`].
    pub(crate) fn apply<J: Join>(
        &mut self,
        pool: &Pool,
        join: &J,
        changes: &BTreeMap<u32, Changes>,
        at: Lsn,
        live: &mut LiveBytes,
    ) -> Result<(), PageError> {
        for keyspace in self.keyspaces.values_mut() {
            if let Some(changes) = changes.get(&keyspace.handle) {
                Arc::make_mut(keyspace).apply(pool, join, changes, at, live)?;
            }
        }
        Ok(())
    }

    /// Applies changes to what is uncommitted.
    pub(crate) fn apply_pending<J: Join>(
        &mut self,
        pool: &Pool,
        join: &J,
        handle: u32,
        changes: &Changes,
        at: Lsn,
    ) -> Result<(), PageError> {
        let pages = TreePages { pool, tree: pending_tree(handle), lsn: at };
        let trie = self.pending.entry(handle).or_default();
        trie.apply_with(&pages, join, &mut as_list(pages.tree, changes))?;
        if trie.is_empty() {
            self.pending.remove(&handle);
        }
        Ok(())
    }

    /// Everything that a transaction has written, by the number of the keyspace.
    pub(crate) fn pending_of(
        &self,
        pool: &Pool,
        txn: u64,
    ) -> Result<BTreeMap<u32, Changes>, PageError> {
        let mut all = BTreeMap::new();
        for (handle, trie) in &self.pending {
            let mut changes = Changes::default();
            for page in trie.pages() {
                for leaf in pool.load(page.handle)?.iter().filter(|l| l.value.version == txn) {
                    let slot = leaf.value.committed();
                    let put = (leaf.value.len != DELETED)
                        .then_some(Indexed { digest: leaf.digest, slot });
                    let touch = Touch { key: leaf.key.into(), put };
                    changes.insert(leaf.hash, touch);
                }
            }
            if !changes.is_empty() {
                all.insert(*handle, changes);
            }
        }
        Ok(all)
    }

    /// Root over the keyspaces of a class.
    pub(crate) fn root(&self, class: Class) -> Digest {
        composite(
            self.keyspaces
                .iter()
                .filter(|(_, k)| k.class == class)
                .map(|(id, k)| (id.0, k.trie.root())),
        )
    }

    /// Computes the two roots that frames promise.
    pub(crate) fn seal_roots(&mut self) {
        self.replicated_root = self.root(Class::Replicated);
        self.all_root = composite(self.keyspaces.iter().map(|(id, k)| (id.0, k.trie.root())));
    }

    /// Every tree, of what is committed and of what is not.
    pub(crate) fn trees(&self) -> impl Iterator<Item = (TreeId, &Trie<Handle>)> {
        let committed = self.keyspaces.values().map(|k| (k.tree(), &k.trie));
        let pending = self.pending.iter().map(|(handle, trie)| (pending_tree(*handle), trie));
        committed.chain(pending)
    }
}

fn pending_tree(handle: u32) -> TreeId {
    TreeId { keyspace: handle, pending: true }
}
