//! What is rebuilt from the pages rather than logged: the ordered directories, and the counts of
//! live bytes by log segment.

use std::sync::Arc;

use super::redo::unreadable;
use crate::directory::{Directory, sort_keys};
use crate::error::OpenError;
use crate::index::{Keyspace, LiveBytes, State};
use crate::pages::Pool;

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
    // One arena for all keys: a million small allocations would take longer than the rest.
    let mut arena: Vec<u8> = Vec::new();
    let mut ends = Vec::with_capacity(keyspace.trie.len());
    for page in keyspace.trie.pages() {
        for leaf in pool.load(page.handle).map_err(unreadable)?.iter() {
            live.add(&leaf.value, leaf.key);
            arena.extend_from_slice(leaf.key);
            ends.push(arena.len());
        }
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let mut keys: Vec<&[u8]> = starts.zip(&ends).map(|(from, to)| &arena[from..*to]).collect();
    sort_keys(&mut keys);
    Ok(Directory::from_sorted(keys))
}
