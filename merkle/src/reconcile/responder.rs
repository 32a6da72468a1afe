//! The answering side: stateless between requests, over a pinned snapshot.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::bucket::{Base, Bucket};
use super::session::{DIGEST_BYTES, Session};
use super::wire::{Ask, Request, Response, Resume, Tell};
use super::{KeyspaceId, MAX_MESSAGE_BYTES, ReconcileError};
use crate::digest::KeyHash;
use crate::pages::Pages;
use crate::trie::Held;
use crate::view::View;

/// Answers an [`Initiator`](super::Initiator)'s requests.
///
/// Answers of one reconciliation should be over one snapshot: over a changing store it still ends,
/// with differences that belong to no single moment.
pub struct Responder<P: Pages> {
    tries: BTreeMap<KeyspaceId, View<P>>,
}

/// A bucket of a probe that differs.
struct Differing {
    bucket: u32,
    /// Bits to cut it by in the answer.
    width: u8,
}

/// A response being filled.
struct Answer {
    response: Response,
    /// Bytes left in the message.
    room: usize,
}

/// Whether a question was answered in full.
enum Done {
    Yes,
    /// Up to there; `None`: not at all.
    UpTo(Option<Resume>),
}

impl<P: Pages> Responder<P> {
    /// A responder over these keyspaces. Tries are cheap to clone: hand over a snapshot.
    pub fn new(tries: BTreeMap<KeyspaceId, View<P>>) -> Self {
        Self { tries }
    }

    /// Answers one request. Memory and work are bounded whatever the request says: what does not
    /// fit is left for the next one.
    ///
    /// # Errors
    /// When the bytes are no request, or a page cannot be loaded.
    pub fn answer(&self, request: &[u8]) -> Result<Vec<u8>, ReconcileError> {
        let request = Request::decode(request)?;
        let session = Session::new(&request.salt);
        let mut differing = self.compare(&session, &request.asks)?.into_iter();
        let mut answer = Answer {
            response: Response::default(),
            room: MAX_MESSAGE_BYTES - Response::MAX_FIXED_BYTES,
        };
        for ask in &request.asks {
            let differing = differing.next().unwrap_or_default();
            match self.answer_one(&session, ask, &differing, &mut answer)? {
                Done::Yes => answer.response.answered += 1,
                Done::UpTo(resume) => {
                    answer.response.resume = resume;
                    break;
                }
            }
        }
        Ok(answer.response.encode())
    }

    /// The buckets that differ, for each question; none for those that are no probe.
    fn compare(
        &self,
        session: &Session,
        asks: &[Ask],
    ) -> Result<Vec<Vec<Differing>>, ReconcileError> {
        let (mut compared, mut differ) = (0, 0);
        let mut lists = false;
        let mut found: Vec<Vec<(Differing, Base, usize)>> = Vec::with_capacity(asks.len());
        for ask in asks {
            let mut buckets = Vec::new();
            lists |= matches!(ask, Ask::List { .. });
            if let Ask::Probe { keyspace, base, width, first, digests } = ask
                && let Some(trie) = self.tries.get(keyspace)
            {
                for (index, theirs) in (*first..).zip(digests) {
                    let child = base.child(*width, index);
                    let bucket = Bucket::of(trie, child)?;
                    compared += 1;
                    if session.bucket(&bucket) != *theirs {
                        differ += 1;
                        let count = if *theirs == 0 { 0 } else { bucket.count() };
                        buckets.push((Differing { bucket: index, width: 0 }, child, count));
                    }
                }
            }
            found.push(buckets);
        }
        let each = differences_each(compared, differ);
        for (differing, base, count) in found.iter_mut().flatten() {
            differing.width = refine_width(*base, *count, each);
        }
        let mut found: Vec<Vec<Differing>> = found
            .into_iter()
            .map(|buckets| buckets.into_iter().map(|(differing, ..)| differing).collect())
            .collect();
        narrow(&mut found, if lists { MAX_MESSAGE_BYTES / 2 } else { MAX_MESSAGE_BYTES });
        Ok(found)
    }

    fn answer_one(
        &self,
        session: &Session,
        ask: &Ask,
        differing: &[Differing],
        answer: &mut Answer,
    ) -> Result<Done, ReconcileError> {
        Ok(match ask {
            Ask::Census { after, upto, ids } => self.census(*after, *upto, ids, answer),
            Ask::Probe { keyspace, base, width, first, .. } => match self.tries.get(keyspace) {
                None => answer.unknown(),
                Some(trie) => {
                    for each in differing {
                        let base = base.child(*width, each.bucket);
                        if answer.room < each.bytes() {
                            let resume = Resume::Probe(each.bucket);
                            return Ok(Done::UpTo((each.bucket > *first).then_some(resume)));
                        }
                        let digests =
                            session.buckets(trie, base, each.width, 0..1 << each.width)?;
                        let (bucket, width) = (each.bucket, each.width);
                        answer.tell(each.bytes(), Tell::Refine { bucket, width, digests });
                    }
                    Done::Yes
                }
            },
            Ask::List { keyspace, base, after, fingerprints } => match self.tries.get(keyspace) {
                None => answer.unknown(),
                Some(trie) => {
                    list(session, &Bucket::of(trie, *base)?, after.as_ref(), fingerprints, answer)?
                }
            },
        })
    }

    fn census(
        &self,
        after: Option<KeyspaceId>,
        upto: Option<KeyspaceId>,
        ids: &[KeyspaceId],
        answer: &mut Answer,
    ) -> Done {
        let mut missing = Vec::new();
        let mut last = None;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let to = upto.map_or(Bound::Unbounded, Bound::Included);
        let mut done = Done::Yes;
        for id in self.tries.range((from, to)).map(|(id, _)| *id) {
            if ids.binary_search(&id).is_err() {
                if answer.room < Tell::MAX_FIXED_BYTES + 16 * (missing.len() + 1) {
                    done = Done::UpTo(last.map(Resume::Census));
                    break;
                }
                missing.push(id);
            }
            last = Some(id);
        }
        if !missing.is_empty() {
            answer.tell(Tell::MAX_FIXED_BYTES + 16 * missing.len(), Tell::Missing(missing));
        }
        done
    }
}

impl Differing {
    /// Bytes that the answer about the bucket takes, at most.
    fn bytes(&self) -> usize {
        Tell::MAX_FIXED_BYTES + (DIGEST_BYTES << self.width)
    }
}

impl Answer {
    fn tell(&mut self, bytes: usize, tell: Tell) {
        self.room -= bytes;
        self.response.tells.push((self.response.answered, tell));
    }

    fn unknown(&mut self) -> Done {
        if self.room < Tell::MAX_FIXED_BYTES {
            return Done::UpTo(None);
        }
        self.tell(Tell::MAX_FIXED_BYTES, Tell::Unknown);
        Done::Yes
    }
}

/// Compares the leaves of `bucket` beyond `after` with what the initiator has.
///
/// Each leaf that is looked at either has a fingerprint in the request or takes 24 bytes of the
/// answer, so the work is bounded by the length of both.
fn list<P: Pages>(
    session: &Session,
    bucket: &Bucket<'_, P>,
    after: Option<&KeyHash>,
    fingerprints: &[u64],
    answer: &mut Answer,
) -> Result<Done, ReconcileError> {
    let fixed = Tell::MAX_FIXED_BYTES + fingerprints.len().div_ceil(8);
    let Some(room) = answer.room.checked_sub(fixed) else { return Ok(Done::UpTo(None)) };
    let mut theirs: Vec<(u64, usize)> =
        fingerprints.iter().enumerate().map(|(at, print)| (*print, at)).collect();
    theirs.sort_unstable();
    let mut absent = vec![true; fingerprints.len()];
    let mut keys = Vec::new();
    let mut last: Option<Held<P::Value>> = None;
    let mut cut = false;
    session.fingerprints(bucket.leaves(after), |leaf, print| {
        let first = theirs.partition_point(|(other, _)| *other < print);
        let same = theirs[first..].iter().take_while(|(other, _)| *other == print);
        let found = same.map(|(_, at)| absent[*at] = false).count() > 0;
        cut = !found && room < KeyHash::BYTES * (keys.len() + 1);
        if !cut {
            last = Some(leaf.clone());
            if !found {
                keys.push(leaf.key_hash());
            }
        }
        !cut
    })?;
    let resume = last.filter(|_| cut).map(|leaf| Resume::List(leaf.key_hash()));
    if cut && resume.is_none() {
        return Ok(Done::UpTo(None));
    }
    answer.tell(fixed + KeyHash::BYTES * keys.len(), Tell::Exact { keys, absent });
    Ok(if cut { Done::UpTo(resume) } else { Done::Yes })
}

/// About how many differences a bucket has that differs, when `differ` of `compared` do.
///
/// Scattered at random: few buckets hit means hardly any is hit twice; when all are hit, the number
/// is open upwards, and eight, about ln(2 * 1024), is the least that makes it likely.
fn differences_each(compared: usize, differ: usize) -> usize {
    match differ {
        differ if differ * 2 <= compared => 1,
        differ if differ < compared => 2,
        _ => 8,
    }
}

/// Bits by which to cut a bucket of `count` leaves with so many differences.
fn refine_width(base: Base, count: usize, differences: usize) -> u8 {
    /// Up to so many leaves it is cheaper to list them all.
    const LIST_AT_ONCE_LEAVES: usize = 16;
    if count <= LIST_AT_ONCE_LEAVES {
        return 0;
    }
    base.width_for(count.saturating_mul(differences))
}

/// Cuts buckets less finely until the answer fits into `budget` bytes, if that is possible.
fn narrow(found: &mut [Vec<Differing>], budget: usize) {
    let budget = budget - Response::MAX_FIXED_BYTES;
    loop {
        let bytes: usize = found.iter().flatten().map(Differing::bytes).sum();
        let widest = found.iter().flatten().map(|differing| differing.width).max().unwrap_or(0);
        if bytes <= budget || widest == 0 {
            return;
        }
        for differing in found.iter_mut().flatten() {
            differing.width = differing.width.min(widest - 1);
        }
    }
}
