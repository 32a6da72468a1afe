//! What is rebuilt from the pages rather than logged: the ordered directories, and the counts of
//! live bytes by log segment.

use std::sync::Arc;

use super::redo::unreadable;
use crate::directory::{Directory, sort_keys};
use crate::error::OpenError;
use crate::index::{Keyspace, LiveBytes, State};
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
    let mut keys: Vec<&[u8]> = left.keys().chain(right.keys()).collect();
    sort_keys(&mut keys);
    Ok(Directory::from_sorted(keys))
}

/// Keys of some pages, in one arena: a million small allocations would take longer than the rest.
struct Names {
    arena: Vec<u8>,
    ends: Vec<usize>,
    live: LiveBytes,
}

impl Names {
    fn read(pool: &Pool, pages: &[&Handle], segment_size: u64) -> Result<Self, OpenError> {
        let live = LiveBytes::new(segment_size);
        let mut names = Self { arena: Vec::new(), ends: Vec::new(), live };
        for cell in pages {
            for leaf in pool.load(cell).map_err(unreadable)?.iter() {
                names.live.add(&leaf.value, leaf.key);
                names.arena.extend_from_slice(leaf.key);
                names.ends.push(names.arena.len());
            }
        }
        Ok(names)
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, to)| &self.arena[from..*to])
    }
}
