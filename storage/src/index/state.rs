//! All keyspaces at one position of the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_aries::TxnId;
use strongroom_merkle::{Digest, Join, KeyHash, Trie, composite};
use strongroom_wal::Lsn;

use super::keyspace::{Keyspace, as_list, lookup};
use super::{Changes, DELETED, Indexed, LiveBytes, Touch};
use crate::id::{Class, KeyspaceId};
use crate::pages::{Handle, PageError, Pool, TreeId, TreePages};

pub(crate) type Keyspaces = BTreeMap<KeyspaceId, Arc<Keyspace>>;

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

    /// A transaction ends that did not commit: what it has left of keyspaces that went meanwhile, whose
    /// entries nothing committed stands behind any more, goes with it. `pending` is what is about to
    /// become of uncommitted entries.
    pub(crate) fn forget_gone(
        &self,
        pool: &Pool,
        txn: TxnId,
        pending: &mut BTreeMap<u32, Changes>,
    ) -> Result<(), PageError> {
        let is_gone = |handle: u32| !self.keyspaces.values().any(|k| k.handle == handle);
        let own = |put: &Option<Indexed>| put.is_some_and(|e| e.slot.version == txn.0);
        for (_, changes) in pending.iter_mut().filter(|(handle, _)| is_gone(**handle)) {
            let left = changes.values_mut().filter(|touch| own(&touch.put));
            left.for_each(|touch| touch.put = None);
        }
        for (handle, trie) in self.pending.iter().filter(|(handle, _)| is_gone(**handle)) {
            for page in trie.pages() {
                for leaf in pool.load(page.handle)?.iter().filter(|l| l.value.version == txn.0) {
                    let touch = Touch { key: leaf.key.into(), put: None };
                    pending.entry(*handle).or_default().entry(leaf.hash).or_insert(touch);
                }
            }
        }
        Ok(())
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
