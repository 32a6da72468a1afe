//! What is rebuilt from the pages rather than logged: the ordered directories, and the counts of
//! live bytes by log segment.

use std::sync::Arc;

use strongroom_merkle::Page;

use super::redo::unreadable;
use crate::directory::{Directory, sort_keys};
use crate::error::OpenError;
use crate::index::{Keyspace, LiveBytes, Slot, State};
use crate::pages::{Handle, Pool};

/// Builds the directory of every keyspace; answers the live bytes of all.
pub(super) fn build(
    pool: &Pool,
    state: &mut State,
    segment_size: u64,
) -> Result<LiveBytes, OpenError> {
    let mut live = LiveBytes::new(segment_size);
    for keyspace in state.keyspaces.values_mut() {
        let directory = of_keyspace(pool, keyspace, &mut live)?;
        Arc::make_mut(keyspace).directory = directory;
    }
    Ok(live)
}

fn of_keyspace(
    pool: &Pool,
    keyspace: &Keyspace,
    live: &mut LiveBytes,
) -> Result<Directory, OpenError> {
    let pages: Vec<&Handle> = keyspace.trie.pages().map(|page| page.handle).collect();
    let (left, right) = pages.split_at(pages.len() / 2);
    let segment_size = live.segment_size();
    let (left, right) = rayon::join(
        || Names::read(pool, left, segment_size),
        || Names::read(pool, right, segment_size),
    );
    let (left, right) = (left?, right?);
    live.merge(&left.live);
    live.merge(&right.live);
    let mut keys: Vec<&[u8]> = Vec::with_capacity(keyspace.trie.len());
    keys.extend(left.keys().chain(right.keys()));
    sort_keys(&mut keys);
    Ok(Directory::from_sorted(keys))
}

/// Some pages and what is in them. Keys are read where they lie: to copy a million of them would take
/// longer than the rest.
struct Names {
    pages: Vec<Page<Slot>>,
    live: LiveBytes,
}

impl Names {
    fn read(pool: &Pool, cells: &[&Handle], segment_size: u64) -> Result<Self, OpenError> {
        let mut live = LiveBytes::new(segment_size);
        let mut pages = Vec::with_capacity(cells.len());
        for cell in cells {
            let page = pool.load(cell).map_err(unreadable)?;
            page.iter().for_each(|leaf| live.add(&leaf.value, leaf.key));
            pages.push(page);
        }
        Ok(Self { pages, live })
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.pages.iter().flat_map(|page| page.iter().map(|leaf| leaf.key))
    }
}
