//! The Merkle index of a keyspace, as reconciliation and proofs take it: the trie together with the
//! pool that its pages come from.

use std::sync::Arc;

use strongroom_merkle::{Page, Pages, View};

use crate::index::{Keyspace, Slot};
use crate::pages::{Cell, PageError, Pool};

/// The Merkle index of a keyspace in a snapshot. Reading it may read pages from the disk.
pub type Index = View<IndexPages>;

/// Where the pages of an [`Index`] come from.
#[derive(Clone)]
pub struct IndexPages {
    pool: Arc<Pool>,
}

/// The index of a keyspace.
pub(crate) fn index_of(keyspace: &Keyspace, pool: &Arc<Pool>) -> Index {
    let pages = IndexPages { pool: Arc::clone(pool) };
    View::new(keyspace.trie.clone(), pages)
}

impl Pages for IndexPages {
    type Handle = Arc<Cell>;
    type Value = Slot;
    type Error = PageError;

    fn load(&self, handle: &Arc<Cell>) -> Result<Page<Slot>, PageError> {
        self.pool.load(handle)
    }

    fn prefetch(&self, handle: &Arc<Cell>, _: u32) {
        handle.prefetch_page();
    }
}
