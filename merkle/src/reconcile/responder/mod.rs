//! The answering side: keeps nothing between requests, over a pinned snapshot.
//!
//! - [`answers`]: the messages of one answer, one after the other;
//! - [`list`]: which keys of a bucket the other side lacks.

mod answers;
mod list;

use std::collections::BTreeMap;

pub use answers::Answers;

use super::bucket::{Base, Bucket};
use super::limits::Limits;
use super::session::Session;
use super::wire::{Ask, Request};
use super::{KeyspaceId, ReconcileError};
use crate::pages::Pages;
use crate::view::View;

/// Answers an [`Initiator`](super::Initiator)'s requests.
///
/// Answers of one reconciliation should be over one snapshot: over a changing store it still ends,
/// with differences that belong to no single moment.
pub struct Responder<P: Pages> {
    tries: BTreeMap<KeyspaceId, View<P>>,
    limits: Limits,
}

/// A bucket of a probe that differs.
struct Differing {
    bucket: u32,
    /// Bits to cut it by in the answer.
    width: u8,
}

impl<P: Pages> Responder<P> {
    /// A responder over these keyspaces. Tries are cheap to clone: hand over a snapshot.
    pub fn new(tries: BTreeMap<KeyspaceId, View<P>>) -> Self {
        Self { tries, limits: Limits::FULL }
    }

    #[cfg(test)]
    pub(super) fn with_limits(tries: BTreeMap<KeyspaceId, View<P>>, limits: Limits) -> Self {
        Self { tries, limits }
    }

    /// Answers one request, message by message. What is kept meanwhile is bounded by the length of
    /// the request, and what is told by what is here: nothing is told twice.
    ///
    /// # Errors
    /// When the bytes are no request, or a page cannot be loaded.
    pub fn answer(&self, request: &[u8]) -> Result<Answers<'_, P>, ReconcileError> {
        let request = Request::decode(request)?;
        let session = Session::new(&request.salt);
        let differing = self.compare(&session, &request.asks)?;
        Ok(Answers::new(self, session, request.asks, differing))
    }

    /// The buckets that differ, for each question; none for those that are no probe.
    fn compare(
        &self,
        session: &Session,
        asks: &[Ask],
    ) -> Result<Vec<Vec<Differing>>, ReconcileError> {
        let (mut compared, mut differ) = (0, 0);
        let mut found: Vec<Vec<(Differing, Base, usize)>> = Vec::with_capacity(asks.len());
        for ask in asks {
            let mut buckets = Vec::new();
            if let Ask::Probe { keyspace, width, first, digests } = ask
                && let Some(trie) = self.tries.get(keyspace)
            {
                for (index, theirs) in (*first..).zip(digests) {
                    let child = Base::ALL.child(*width, index);
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
        let widened = |(differing, base, count): (Differing, Base, usize)| {
            let width = refine_width(base, count, each).min(self.limits.width());
            Differing { width, ..differing }
        };
        Ok(found.into_iter().map(|buckets| buckets.into_iter().map(widened).collect()).collect())
    }
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
