//! Fills requests with what is to be asked.

use super::Initiator;
use super::buckets::Part;
use super::queue::{Census, Probe, Sent};
use crate::pages::Pages;
use crate::reconcile::bucket::{Base, Bucket};
use crate::reconcile::session::{DIGEST_BYTES, FINGERPRINT_BYTES};
use crate::reconcile::wire::{Ask, RequestBuilder};
use crate::reconcile::{KeyspaceId, MAX_BUCKET_BITS, ReconcileError};

impl<P: Pages> Initiator<P> {
    /// A request of as many questions as go into it; `None` when there are none at the moment.
    pub(super) fn build(&mut self) -> Result<Option<(Vec<u8>, Sent)>, ReconcileError> {
        let mut request = RequestBuilder::new(self.limits.message_bytes);
        let mut sent = Sent::default();
        let full = self.add_censuses(&mut request, &mut sent)
            || self.add_lists(&mut request, &mut sent)?
            || self.add_probes(&mut request, &mut sent)?;
        match (request.is_empty(), full) {
            (false, _) => Ok(Some((request.finish(&self.salt), sent))),
            (true, false) => Ok(None),
            (true, true) => Err(ReconcileError::TooCrowded),
        }
    }

    /// True, as from the others, when the request is full.
    fn add_censuses(&mut self, request: &mut RequestBuilder, sent: &mut Sent) -> bool {
        while let Some(census) = self.queue.census.pop_front() {
            let Census { after, upto } = census;
            let ids = self.ids(census);
            if !request.push(&Ask::Census { after, upto, ids }) {
                self.queue.census.push_front(census);
                return true;
            }
            sent.census.push_back(census);
        }
        false
    }

    /// The keyspaces here that a census is about.
    fn ids(&self, census: Census) -> Vec<KeyspaceId> {
        let before = |id: &KeyspaceId| census.after.is_some_and(|after| *id <= after);
        let within = |id: &KeyspaceId| census.upto.is_none_or(|upto| *id <= upto);
        let ids = &self.tries[self.tries.partition_point(|(id, _)| before(id))..];
        ids.iter().map(|(id, _)| *id).take_while(within).collect()
    }

    fn add_lists(
        &mut self,
        request: &mut RequestBuilder,
        sent: &mut Sent,
    ) -> Result<bool, ReconcileError> {
        while let Some(part) = self.queue.pop_list() {
            if self.found.is_extra(part.slot) {
                continue;
            }
            let (keyspace, trie) = &self.tries[part.slot];
            let bucket = Bucket::of(trie, part.base)?;
            let count = bucket.count();
            if count > self.limits.listed_leaves() && part.base.len() < MAX_BUCKET_BITS {
                for half in [1, 0] {
                    let base = part.base.child(1, half);
                    self.queue.lists.push_front(Part { base, ..part });
                }
                continue;
            }
            if count > self.limits.most_listed_leaves() {
                return Err(ReconcileError::TooCrowded);
            }
            let bytes = Ask::MAX_FIXED_BYTES + FINGERPRINT_BYTES * count;
            let mut fits = bytes <= request.room();
            if fits {
                let mut fingerprints = Vec::with_capacity(count);
                self.session.fingerprints(bucket.leaves(None), |_, print| {
                    fingerprints.push(print);
                    true
                })?;
                let keyspace = *keyspace;
                fits = request.push(&Ask::List { keyspace, base: part.base, fingerprints });
            }
            if !fits {
                self.queue.lists.push_front(part);
                return Ok(true);
            }
            sent.lists.push_back(part);
        }
        Ok(false)
    }

    /// Adds probes, the last of them perhaps in part.
    fn add_probes(
        &mut self,
        request: &mut RequestBuilder,
        sent: &mut Sent,
    ) -> Result<bool, ReconcileError> {
        while let Some(probe) = self.queue.probes.pop_front() {
            let Probe { slot, width, first, end } = probe;
            if self.found.is_extra(slot) {
                continue;
            }
            let most = request.room().saturating_sub(Ask::MAX_FIXED_BYTES) / DIGEST_BYTES;
            let stop = end.min(first.saturating_add(u32::try_from(most).unwrap_or(u32::MAX)));
            let mut fits = stop > first;
            if fits {
                let (keyspace, trie) = &self.tries[slot];
                let digests = self.session.buckets(trie, Base::ALL, width, first..stop)?;
                fits = request.push(&Ask::Probe { keyspace: *keyspace, width, first, digests });
            }
            if !fits {
                self.queue.probes.push_front(probe);
                return Ok(true);
            }
            sent.probes.push_back(Probe { end: stop, ..probe });
            if stop < end {
                self.queue.probes.push_front(Probe { first: stop, ..probe });
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::MemPages;
    use crate::reconcile::limits::Limits;
    use crate::reconcile::wire::Request;
    use crate::trie::Trie;
    use crate::view::View;

    // What does not fit waits; a question about nothing would be asked for ever.
    #[test]
    fn a_probe_takes_as_many_buckets_as_there_is_room_for() {
        let view = View::new(Trie::new(), MemPages::<()>::new());
        for message_bytes in [256, 300, 512, 777] {
            let limits = Limits { message_bytes, ..Limits::FULL };
            let here = [([5; 16], view.clone())].into();
            let mut initiator = Initiator::with_limits(here, [0; 16], limits);
            initiator.queue.probes = [Probe { slot: 0, width: 8, first: 3, end: 250 }].into();
            let mut next = 3;
            while let Some(request) = initiator.next_request() {
                assert!(request.len() <= message_bytes);
                for ask in Request::decode(&request).unwrap().asks {
                    if let Ask::Probe { width: 8, first, digests, .. } = ask {
                        assert!(first == next && !digests.is_empty());
                        next += u32::try_from(digests.len()).unwrap();
                    }
                }
            }
            assert_eq!((next, initiator.trips()), (250, 1));
            let asked = initiator.sent.iter().map(Sent::asked).sum::<u32>();
            let requests = u32::try_from(initiator.unanswered()).unwrap();
            // The census is one more.
            assert!(asked == requests || asked == requests + 1);
        }
    }
}
