//! What is live in a segment, in frames of moves.

use std::sync::Arc;

use strongroom_aries::{After, Record};
use strongroom_merkle::KeyHash;
use strongroom_wal::{Frame, Lsn};

use super::{Effort, Living};
use crate::commit::job::Move;
use crate::id::KeyspaceId;
use crate::shared::Shared;

/// Entries of one frame of moves: few enough to be changed in place.
const FRAME_ENTRIES: usize = 4096;

/// The live values of a segment, in frames; only what is among `living` is looked at, if that is known.
/// A segment that cannot be read stays where it is: it is not for the cleaner to drop what a backup may
/// repair.
pub(crate) fn moves(
    shared: &Arc<Shared>,
    segment: u64,
    effort: Effort,
    living: Option<&Living>,
) -> impl Iterator<Item = Vec<Move>> {
    let size = shared.log.segment_size();
    let end = Lsn((segment + 1) * size);
    // What came out of one frame fits one frame again; together they must not outgrow it.
    let frame_max = effort.frame_bytes().min(usize::try_from(size / 4).unwrap_or(0));
    let shared = Arc::clone(shared);
    let mut single = shared
        .log
        .frames(Lsn(segment * size))
        .map_while(Result::ok)
        .take_while(move |frame| frame.start() < end)
        .flat_map(move |frame| live_in(&shared, &frame, living))
        .peekable();
    std::iter::from_fn(move || {
        let mut frame: Vec<Move> = Vec::new();
        let mut size = 0;
        while frame.len() < FRAME_ENTRIES
            && let Some(m) = single.next_if(|m| frame.is_empty() || size + m.size() <= frame_max)
        {
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
fn live_in(shared: &Shared, frame: &Frame, living: Option<&Living>) -> Vec<Move> {
    let candidates = frame.records().filter_map(|(lsn, bytes)| candidate(shared, lsn, bytes));
    let may_live = |c: &Candidate<'_>| living.is_none_or(|living| living.contains(c.at));
    let mut all: Vec<Candidate<'_>> = candidates.filter(may_live).collect();
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
