//! Pages read into memory behind the opening, so that the first look at each need not wait for the
//! disk. Nothing depends on it.

use std::sync::{Arc, Weak};

use super::cell::{Cell, Handle};
use super::pool::Pool;
use super::preload::Preload;
use crate::index::State;

/// Pages that are read before it is asked again whether to go on.
const PIECE: usize = 512;

/// Reads the pages of a state that are on disk only, if the pool may hold all, until there is
/// something else to do. What cannot be read is left to whoever needs it.
pub(crate) fn warm(pool: &Pool, state: Arc<State>, is_over: impl Fn() -> bool) {
    let pages = state.trees().flat_map(|(_, trie)| trie.pages());
    let mut absent: Vec<(u64, u64, Weak<Cell>)> = pages
        .filter_map(|page| {
            let image = page.handle.absent()?;
            Some((image.segment.no, image.offset, Arc::downgrade(page.handle)))
        })
        .collect();
    // Who changes the state meanwhile is not to copy it.
    drop(state);
    if absent.len() + pool.resident() > pool.capacity() {
        return;
    }
    absent.sort_unstable_by_key(|(segment, offset, _)| (*segment, *offset));
    for piece in absent.chunks(PIECE) {
        let cells: Vec<Handle> = piece.iter().filter_map(|(_, _, cell)| cell.upgrade()).collect();
        if is_over() || Preload::new(pool, cells.iter()).work().is_err() {
            return;
        }
    }
}
