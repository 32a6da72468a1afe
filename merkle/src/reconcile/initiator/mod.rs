//! The asking side: keeps what is still to be asked and what was found.
//!
//! - [`task`]: questions, and which of them come first;
//! - [`absorb`]: what answers say.

mod absorb;
mod task;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use super::bucket::Bucket;
use super::session::{DIGEST_BYTES, FINGERPRINT_BYTES, Session};
use super::wire::{Ask, RequestBuilder, Response};
use super::{Differences, KeyspaceDiff, KeyspaceId, MAX_TRIPS, ReconcileError};
use crate::pages::Pages;
use crate::view::View;
use task::{Task, census_tasks, first_probes};

/// Finds out in which keys the local side differs from a [`Responder`](super::Responder)'s.
///
/// Memory: the local tries (shared), the differences found, and a queue of questions of a few times
/// what a response can raise.
pub struct Initiator<P: Pages> {
    tries: BTreeMap<KeyspaceId, View<P>>,
    salt: [u8; 16],
    session: Session,
    queue: VecDeque<Task>,
    /// Questions that came up in the response at hand.
    fresh: Vec<Task>,
    sent: Option<Sent>,
    /// Deletions are candidates until it is known what is fetched.
    found: BTreeMap<KeyspaceId, KeyspaceDiff>,
    missing_here: BTreeSet<KeyspaceId>,
    extra_here: BTreeSet<KeyspaceId>,
    differences: usize,
    trips: u32,
    failed: Option<ReconcileError>,
}

/// The request that is out.
struct Sent {
    bytes: Vec<u8>,
    tasks: Vec<Task>,
}

impl<P: Pages> Initiator<P> {
    /// Begins a reconciliation of these keyspaces, with a fixed salt.
    pub fn new(local: BTreeMap<KeyspaceId, View<P>>) -> Self {
        Self::with_salt(local, [0; 16])
    }

    /// Begins with a salt, best a random one: no peer can then prepare a difference that the short
    /// digests hide, and a second try does not repeat the bad luck of the first.
    pub fn with_salt(local: BTreeMap<KeyspaceId, View<P>>, salt: [u8; 16]) -> Self {
        let mut queue = census_tasks(&local);
        queue.extend(first_probes(&local));
        Self {
            tries: local,
            salt,
            session: Session::new(&salt),
            queue,
            fresh: Vec::new(),
            sent: None,
            found: BTreeMap::new(),
            missing_here: BTreeSet::new(),
            extra_here: BTreeSet::new(),
            differences: 0,
            trips: 0,
            failed: None,
        }
    }

    /// The next request to carry to the responder, at most
    /// [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES); `None` when there is nothing more to ask,
    /// and [`finish`](Self::finish) has the outcome. Gives the same bytes until they are answered,
    /// so that a request can be sent again. When a page cannot be loaded it is `None` as well, and
    /// `finish` says so.
    pub fn next_request(&mut self) -> Option<Vec<u8>> {
        if self.failed.is_some() {
            return None;
        }
        if self.sent.is_none() {
            match self.build() {
                Ok(sent) => self.sent = sent,
                Err(error) => self.failed = Some(error),
            }
        }
        self.sent.as_ref().map(|sent| sent.bytes.clone())
    }

    /// Takes the response to the last request.
    ///
    /// # Errors
    /// When it is none. The reconciliation is over then; a new one has to be begun.
    pub fn on_response(&mut self, response: &[u8]) -> Result<(), ReconcileError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let sent = self.sent.take().ok_or(ReconcileError::NoRequest)?;
        let outcome = Response::decode(response).and_then(|it| self.absorb(&sent.tasks, &it));
        self.failed = outcome.err();
        outcome
    }

    /// Round trips so far.
    pub fn trips(&self) -> u32 {
        self.trips
    }

    /// What differs.
    ///
    /// # Errors
    /// What ended the reconciliation early, or `Unfinished`.
    pub fn finish(self) -> Result<Differences, ReconcileError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if self.sent.is_some() || !self.queue.is_empty() {
            return Err(ReconcileError::Unfinished);
        }
        let mut keyspaces = self.found;
        keyspaces.retain(|id, diff| {
            diff.fetch.sort_unstable();
            diff.fetch.dedup();
            diff.delete.retain(|key| diff.fetch.binary_search(key).is_err());
            diff.delete.sort_unstable();
            diff.delete.dedup();
            let differs = !diff.fetch.is_empty() || !diff.delete.is_empty();
            differs && !self.extra_here.contains(id)
        });
        Ok(Differences {
            keyspaces,
            missing_here: self.missing_here.into_iter().collect(),
            extra_here: self.extra_here.into_iter().collect(),
        })
    }

    /// Fills a request with as many questions as go into it.
    fn build(&mut self) -> Result<Option<Sent>, ReconcileError> {
        let mut request = RequestBuilder::new();
        let mut tasks = Vec::new();
        while let Some(task) = self.queue.pop_front() {
            if task.keyspace().is_some_and(|id| self.extra_here.contains(&id)) {
                continue;
            }
            let asked = self.ask(task, request.room())?.filter(|(ask, _)| request.push(ask));
            let Some((_, task)) = asked else {
                self.queue.push_front(task);
                break;
            };
            tasks.push(task);
        }
        if tasks.is_empty() {
            let crowded = !self.queue.is_empty();
            return if crowded { Err(ReconcileError::TooCrowded) } else { Ok(None) };
        }
        if self.trips == MAX_TRIPS {
            return Err(ReconcileError::TooManyTrips);
        }
        self.trips += 1;
        Ok(Some(Sent { bytes: request.finish(&self.salt), tasks }))
    }

    /// The question for `task`, and the part of the task that it covers: as much as goes into
    /// `room` bytes; the rest goes back to the queue. `None` when none of it does.
    fn ask(&mut self, task: Task, room: usize) -> Result<Option<(Ask, Task)>, ReconcileError> {
        match task {
            Task::Census { after, upto } => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let to = upto.map_or(Bound::Unbounded, Bound::Included);
                let ids = self.tries.range((from, to)).map(|(id, _)| *id).collect();
                Ok(Some((Ask::Census { after, upto, ids }, task)))
            }
            Task::Probe { keyspace, base, width, first, end } => {
                let most = room.saturating_sub(Ask::MAX_FIXED_BYTES) / DIGEST_BYTES;
                let stop = end.min(first.saturating_add(u32::try_from(most).unwrap_or(u32::MAX)));
                let Some(trie) = self.tries.get(&keyspace).filter(|_| stop > first) else {
                    return Ok(None);
                };
                if stop < end {
                    self.queue.push_front(Task::Probe { keyspace, base, width, first: stop, end });
                }
                let digests = self.session.buckets(trie, base, width, first..stop)?;
                let task = Task::Probe { keyspace, base, width, first, end: stop };
                Ok(Some((Ask::Probe { keyspace, base, width, first, digests }, task)))
            }
            Task::List { keyspace, base, after } => {
                let Some(trie) = self.tries.get(&keyspace) else { return Ok(None) };
                let most = room / FINGERPRINT_BYTES;
                let mut fingerprints = Vec::new();
                let leaves = Bucket::of(trie, base)?.leaves(after.as_ref());
                self.session.fingerprints(leaves, |_, print| {
                    fingerprints.push(print);
                    fingerprints.len() <= most
                })?;
                let fits = fingerprints.len() <= most;
                Ok(fits.then_some((Ask::List { keyspace, base, after, fingerprints }, task)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::pages::MemPages;
    use crate::reconcile::bucket::Base;
    use crate::trie::{Change, Trie};

    const KEYSPACE: KeyspaceId = [5; 16];

    /// An initiator of so many keys that has nothing to ask.
    fn initiator(keys: u16) -> Initiator<MemPages<()>> {
        let keys: Vec<[u8; 2]> = (0..keys).map(u16::to_le_bytes).collect();
        let mut changes: Vec<_> =
            keys.iter().map(|key| Change::new(key, Some((Digest([1; 32]), ())))).collect();
        let mut view = View::new(Trie::new(), MemPages::new());
        view.trie.apply(&view.pages, &mut changes).unwrap();
        let mut initiator = Initiator::new(BTreeMap::from([(KEYSPACE, view)]));
        initiator.queue.clear();
        initiator
    }

    // What does not fit waits; a question about nothing would be asked for ever.
    #[test]
    fn a_probe_takes_as_many_buckets_as_there_is_room_for() {
        let task =
            |first, end| Task::Probe { keyspace: KEYSPACE, base: Base::ALL, width: 4, first, end };
        for (buckets, asked) in [(0, 0), (1, 1), (9, 9), (13, 13), (14, 13)] {
            let mut initiator = initiator(400);
            // Not enough for another.
            let room = Ask::MAX_FIXED_BYTES + DIGEST_BYTES * buckets + DIGEST_BYTES - 1;
            let end = 3 + u32::try_from(asked).unwrap();
            match initiator.ask(task(3, 16), room).unwrap() {
                None => assert!(asked == 0),
                Some((Ask::Probe { first: 3, width: 4, digests, .. }, now)) => {
                    assert_eq!(digests.len(), asked);
                    assert_eq!(format!("{now:?}"), format!("{:?}", task(3, end)));
                }
                Some((ask, _)) => panic!("{ask:?}"),
            }
            let left = initiator.queue.pop_front().map(|task| format!("{task:?}"));
            let rest = (0 < asked && asked < 13).then(|| format!("{:?}", task(end, 16)));
            assert_eq!(left, rest, "{buckets}");
        }
    }

    // A list is asked for whole: the answer says what is absent by its place in it.
    #[test]
    fn a_list_is_asked_for_whole_or_not_at_all() {
        let task = Task::List { keyspace: KEYSPACE, base: Base::ALL, after: None };
        let ask = |room| match initiator(400).ask(task, room).unwrap() {
            Some((Ask::List { fingerprints, .. }, _)) => Some(fingerprints.len()),
            None => None,
            Some((ask, _)) => panic!("{ask:?}"),
        };
        assert_eq!(ask(400 * FINGERPRINT_BYTES), Some(400));
        assert_eq!(ask(400 * FINGERPRINT_BYTES - 1), None);
    }
}
