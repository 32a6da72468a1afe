//! The trees of the last checkpoint, as its map lists them. Pages are read when they are needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_aries::PageId;
use strongroom_merkle::{KeyHash, Trie};
use strongroom_wal::Lsn;

use crate::error::OpenError;
use crate::id::Catalog;
use crate::index::{Keyspace, LiveBytes, State};
use crate::logged::Streamed;
use crate::master::Master;
use crate::pages::{Handle, Image, Listed, ListedNames, PageMap, Pool, TreeId, segment_name};

/// See the module's text.
pub(crate) struct Loaded {
    /// Keyspaces without their directories.
    pub(super) state: State,
    pub(super) catalog: Catalog,
    pub(super) images: Vec<Arc<Image>>,
    /// How many pages there are.
    pub(super) pages: usize,
    /// Blocks of the directories, as the map lists them, each with its image.
    pub(super) names: Vec<(ListedNames, Arc<Image>)>,
    /// Live bytes by log segment.
    pub(super) live: LiveBytes,
    /// Large transactions that were committed before the checkpoint.
    pub(super) streamed: Vec<Streamed>,
    pub(super) trees: Trees,
}

/// The trees as the checkpoint has them: what a record's page is called goes by these.
#[derive(Default)]
pub(super) struct Trees(BTreeMap<TreeId, Trie<Handle>>);

impl Loaded {
    /// What the last checkpoint's map lists; `None` when no checkpoint was ever made. The log is not
    /// asked.
    pub(crate) fn of(pool: &Pool, master: &Master) -> Result<Option<Self>, OpenError> {
        let checkpointed = master.checkpoint > Lsn::ZERO;
        checkpointed.then(|| Self::from_map(pool, master)).transpose()
    }

    /// No checkpoint was ever made.
    pub(super) fn empty(at: Lsn, segment_size: u64) -> Self {
        Self {
            state: State::empty(at),
            catalog: Catalog::new(),
            images: Vec::new(),
            pages: 0,
            names: Vec::new(),
            live: LiveBytes::new(segment_size),
            streamed: Vec::new(),
            trees: Trees::default(),
        }
    }

    fn from_map(pool: &Pool, master: &Master) -> Result<Self, OpenError> {
        let at = master.map;
        let damaged = |why| OpenError::Damaged { file: segment_name(at.segment), why };
        let len = u32::try_from(at.len).map_err(|_| damaged("the page map is too long"))?;
        // The master record knows no checksum of the map, which is read at once.
        let image = adopt(pool, at.segment, at.offset, len, [0; 4])?;
        let bytes = image.read().map_err(OpenError::io("read the page map"))?;
        let map = PageMap::decode(&bytes).map_err(|e| damaged(e.0))?;
        let mut loaded = Self::empty(master.checkpoint, master.segment_size);
        loaded.live = LiveBytes::of(master.segment_size, map.live.iter().copied());
        let streamed =
            |(first, committed): &(Lsn, Lsn)| Streamed { first: *first, committed: *committed };
        loaded.streamed = map.streamed.iter().map(streamed).collect();
        for k in &map.keyspaces {
            loaded.catalog.insert(k.handle, (k.id, k.class));
            if k.live {
                let mut keyspace = Keyspace::new(k.handle, k.class, master.checkpoint);
                keyspace.trie = loaded.tree(pool, &map, keyspace.tree())?;
                loaded.state.keyspaces.insert(k.id, Arc::new(keyspace));
            }
            let pending = TreeId { keyspace: k.handle, pending: true };
            let trie = loaded.tree(pool, &map, pending)?;
            if !trie.is_empty() {
                loaded.state.pending.insert(k.handle, trie);
            }
        }
        loaded.pages = map.pages.len();
        for names in &map.names {
            let image = adopt(pool, names.segment, names.offset, names.len, names.crc)?;
            loaded.images.push(Arc::clone(&image));
            loaded.names.push((*names, image));
        }
        loaded.images.push(image);
        loaded.state.seal_roots();
        Ok(loaded)
    }

    fn tree(
        &mut self,
        pool: &Pool,
        map: &PageMap,
        tree: TreeId,
    ) -> Result<Trie<Handle>, OpenError> {
        let all = map.of_tree(tree);
        let mut pages = Vec::with_capacity(all.len());
        self.images.reserve(all.len());
        for listed in all {
            let Listed { segment, offset, len, crc, entries, page_lsn, digest, .. } = *listed;
            let image = adopt(pool, segment, offset, len, crc)?;
            self.images.push(Arc::clone(&image));
            let prefix = listed.prefix();
            let handle = pool.adopt(tree, prefix, page_lsn, image);
            pages.push((prefix, digest, entries, handle));
        }
        let made = Trie::from_pages(pages).map_err(|_| OpenError::Damaged {
            file: "page map".to_owned(),
            why: "its pages are no tree",
        })?;
        self.trees.0.insert(tree, made.clone());
        Ok(made)
    }
}

impl Trees {
    /// The pages of all of them.
    pub(super) fn cells(&self) -> impl Iterator<Item = &Handle> {
        self.0.values().flat_map(|trie| trie.pages().map(|page| page.handle))
    }

    /// The page that holds, or would hold, an entry, and its LSN. An entry in a part of a tree that
    /// had no page gets one that no checkpoint can have written.
    pub(super) fn page_of(&self, keyspace: u32, pending: bool, hash: &KeyHash) -> (PageId, Lsn) {
        let tree = TreeId { keyspace, pending };
        if let Some(cell) = self.0.get(&tree).and_then(|trie| trie.page_of(hash)) {
            return (cell.id(), cell.page_lsn());
        }
        let path = u64::from(hash.0[0]) << 56;
        (PageId { keyspace, pending, path, depth: 8 }, Lsn::ZERO)
    }
}

fn adopt(
    pool: &Pool,
    segment: u64,
    offset: u64,
    len: u32,
    crc: [u8; 4],
) -> Result<Arc<Image>, OpenError> {
    pool.files.adopt(segment, offset, len, crc).map_err(|e| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            OpenError::Damaged { file: segment_name(segment), why: "the file is too short" }
        }
        std::io::ErrorKind::NotFound => {
            OpenError::Damaged { file: segment_name(segment), why: "it is missing" }
        }
        _ => OpenError::Io { what: "open a page segment", cause: e },
    })
}
