//! The cleaner: makes log segments free by moving the few live values that keep them.
//!
//! It works behind each checkpoint, on sealed segments that neither recovery nor a change stream
//! within its bound needs. A chosen segment is read once; each value in it that the index still
//! points to is logged again at the end of the log, verbatim. Once the next checkpoint's pages point
//! there, the old segment holds nothing live and is given back.
//!
//! Cleaning segments of which a share `u` is live costs `u / (1 - u)` bytes written for each byte
//! freed (M. Rosenblum and J. Ousterhout, "The Design and Implementation of a Log-Structured File
//! System", TOCS 10(1), 1992). Under load only half-empty segments are touched, and only once the
//! log is twice what is live: at most one byte for each byte freed. An idle store goes further.

use std::sync::Arc;

use strongroom_aries::{After, Record};
use strongroom_merkle::KeyHash;
use strongroom_wal::{Frame, LogReader, Lsn};

use crate::commit::job::Move;
use crate::id::KeyspaceId;
use crate::index::LiveBytes;
use crate::shared::Shared;

/// Live bytes moved behind one checkpoint under load, at most.
const BUDGET_BUSY_BYTES: u64 = 32 << 20;
/// The same while the store is idle.
const BUDGET_IDLE_BYTES: u64 = 256 << 20;
/// Bytes of values in one frame of moves: commits wait for one, at most.
const FRAME_BYTES: usize = 128 << 10;

/// How hard to work for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// There is traffic: only what pays.
    Busy,
    /// There is none: as little room as can be.
    Idle,
}

impl Effort {
    /// Segments are cleaned of which less than this is live, percent.
    fn live_percent(self) -> u64 {
        match self {
            Effort::Busy => 50,
            Effort::Idle => 92,
        }
    }

    fn budget(self) -> u64 {
        match self {
            Effort::Busy => BUDGET_BUSY_BYTES,
            Effort::Idle => BUDGET_IDLE_BYTES,
        }
    }
}

/// Segments to clean, the emptiest first, within the budget.
pub(crate) fn choose(
    log: &LogReader,
    live: &LiveBytes,
    needed_from: Lsn,
    effort: Effort,
) -> Vec<u64> {
    let size = log.segment_size();
    let sealed = log.oldest().0 / size..needed_from.0 / size;
    let bytes = log.segments_len() as u64 * size;
    if effort == Effort::Busy && bytes < 2 * live.total() {
        return Vec::new();
    }
    let mut sparse: Vec<(u64, u64)> = sealed
        .map(|segment| (live.of_segment(segment), segment))
        .filter(|(bytes, _)| *bytes > 0 && *bytes * 100 < size * effort.live_percent())
        .collect();
    sparse.sort_unstable();
    let mut budget = effort.budget();
    let within = |(bytes, segment): (u64, u64)| {
        budget = budget.checked_sub(bytes)?;
        Some(segment)
    };
    sparse.into_iter().map_while(within).collect()
}

/// The live values of a segment, in frames. A segment that cannot be read stays where it is: it is
/// not for the cleaner to drop what a backup may repair.
pub(crate) fn moves(shared: &Arc<Shared>, segment: u64) -> impl Iterator<Item = Vec<Move>> + use<> {
    let size = shared.log.segment_size();
    let end = Lsn((segment + 1) * size);
    // What came out of one frame fits one frame again; together they must not outgrow it.
    let frame_max = FRAME_BYTES.min(usize::try_from(size / 4).unwrap_or(0));
    let shared = Arc::clone(shared);
    let mut single = shared
        .log
        .frames(Lsn(segment * size))
        .map_while(Result::ok)
        .take_while(move |frame| frame.start() < end)
        .flat_map(move |frame| live_in(&shared, &frame))
        .peekable();
    std::iter::from_fn(move || {
        let mut frame: Vec<Move> = Vec::new();
        let mut size = 0;
        while let Some(m) = single.next_if(|m| frame.is_empty() || size + m.size() <= frame_max) {
            size += m.size();
            frame.push(m);
        }
        (!frame.is_empty()).then_some(frame)
    })
}

/// Entries looked up in one look at the published state: few enough not to be in a change's way.
const LOOK: usize = 64;

/// A value of a frame.
struct Candidate<'f> {
    handle: u32,
    keyspace: KeyspaceId,
    key: &'f [u8],
    value: &'f [u8],
    at: Lsn,
}

/// Values of a frame that the index points to now. No state is held from one look to the next.
fn live_in(shared: &Shared, frame: &Frame) -> Vec<Move> {
    let mut all: Vec<Candidate<'_>> =
        frame.records().filter_map(|(lsn, bytes)| candidate(shared, lsn, bytes)).collect();
    all.sort_by_key(|c| c.handle);
    let mut live = Vec::new();
    for group in all.chunk_by(|a, b| a.handle == b.handle).flat_map(|group| group.chunks(LOOK)) {
        let state = shared.glance();
        let Some(keyspace) = state.keyspaces.get(&group[0].keyspace) else { continue };
        if keyspace.handle != group[0].handle {
            continue;
        }
        // Entries whose pages cannot be read keep their values, and so their segment.
        let hashes: Vec<KeyHash> = group.iter().map(|c| KeyHash::of(c.key)).collect();
        let found = keyspace.get_many(&shared.pool, hashes.iter().copied());
        let Ok(entries) = found else { continue };
        for ((entry, hash), of) in entries.into_iter().zip(hashes).zip(group) {
            if let Some(entry) = entry.filter(|entry| entry.slot.at == of.at) {
                let Candidate { keyspace, key, value, .. } = *of;
                live.push(Move { keyspace, key: key.into(), hash, entry, value: value.to_vec() });
            }
        }
    }
    live
}

fn candidate<'f>(shared: &Shared, lsn: Lsn, bytes: &'f [u8]) -> Option<Candidate<'f>> {
    let (handle, key, value, offset) = match Record::decode(bytes).ok()? {
        Record::Update(u) => match u.after {
            After::Value(value) => (u.keyspace, u.key, value, u.value_offset()),
            After::Deleted => return None,
        },
        Record::Relocation(r) => (r.keyspace, r.key, r.value, r.value_offset()),
        _ => return None,
    };
    let (keyspace, _) = shared.keyspace(handle)?;
    Some(Candidate { handle, keyspace, key, value, at: Lsn(lsn.0 + offset as u64) })
}
