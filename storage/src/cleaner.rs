//! The cleaner: makes log segments free by moving the few live values that keep them.
//!
//! It works behind each checkpoint, on sealed segments that neither recovery nor a change stream
//! within its bound needs. Live values of mostly dead segments are logged again at the end of the
//! log, verbatim; once the next checkpoint's pages point there, the old segment holds nothing live
//! and is given back. Cleaning a segment of which a share `u` is live costs `u / (1 - u)` bytes
//! written for each byte freed (M. Rosenblum and J. Ousterhout, "The Design and Implementation of a
//! Log-Structured File System", TOCS 10(1), 1992): at the bound below, at most one.

use std::collections::BTreeSet;

use strongroom_wal::{LogReader, Lsn};

use crate::index::LiveBytes;
use crate::job::{Move, Pinned};
use crate::shared::Shared;
use crate::system::move_size;
use crate::values::Values;

/// A segment is cleaned when less than this share of it is live: one in `LIVE_SHARE_MAX`.
const LIVE_SHARE_MAX: u64 = 2;
/// Live bytes moved behind one checkpoint, at most.
const BUDGET_BYTES: u64 = 64 << 20;
/// Bytes of values in one frame of moves.
const FRAME_BYTES: usize = 1 << 20;

/// Segments to clean, the emptiest first, within the budget.
pub(crate) fn choose(log: &LogReader, live: &LiveBytes, needed_from: Lsn) -> BTreeSet<u64> {
    let size = log.segment_size();
    let sealed = log.oldest().0 / size..needed_from.0 / size;
    let mut sparse: Vec<(u64, u64)> = sealed
        .map(|segment| (live.of_segment(segment), segment))
        .filter(|(bytes, _)| *bytes > 0 && *bytes < size / LIVE_SHARE_MAX)
        .collect();
    sparse.sort_unstable();
    let mut budget = BUDGET_BYTES;
    let within = |(bytes, segment): (u64, u64)| {
        budget = budget.checked_sub(bytes)?;
        Some(segment)
    };
    sparse.into_iter().map_while(within).collect()
}

/// The live values of these segments, in frames. A value that cannot be read stays where it is, and
/// its segment with it: it is not for the cleaner to drop what a backup may repair.
pub(crate) fn moves<'a>(
    shared: &Shared,
    pinned: &'a Pinned,
    segments: &'a BTreeSet<u64>,
) -> impl Iterator<Item = Vec<Move>> + use<'a> {
    let values = Values::new(shared.log.clone());
    let entries = pinned.state.keyspaces.iter().filter(|_| !segments.is_empty());
    let mut single = entries
        .flat_map(|(id, k)| k.trie.iter().map(move |entry| (*id, entry)))
        .filter(|(_, entry)| {
            entry.slot().len > 0 && segments.contains(&pinned.live.segment_of(entry.slot()))
        })
        .filter_map(move |(keyspace, entry)| {
            let value = values.read(entry.slot()).ok()?;
            Some(Move { keyspace, entry: entry.clone(), value })
        })
        .peekable();
    // What came out of one frame fits one frame again; together they must not outgrow it.
    let frame_max = FRAME_BYTES.min(usize::try_from(shared.log.segment_size() / 4).unwrap_or(0));
    std::iter::from_fn(move || {
        let mut frame: Vec<Move> = Vec::new();
        let mut size = 0;
        while let Some(m) = single.next_if(|m| frame.is_empty() || size + move_size(m) <= frame_max)
        {
            size += move_size(&m);
            frame.push(m);
        }
        (!frame.is_empty()).then_some(frame)
    })
}
