//! The asking side: keeps what is still to be asked and what was found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use super::bucket::{Base, Bucket};
use super::session::{DIGEST_BYTES, FINGERPRINT_BYTES, Session};
use super::wire::{Ask, RequestBuilder, Response, Resume, Tell};
use super::{
    Differences, KeyspaceDiff, KeyspaceId, MAX_BUCKET_BITS, MAX_DIFFERENCES, MAX_LISTED_LEAVES,
    MAX_TRIPS, ReconcileError,
};
use crate::digest::KeyHash;
use crate::page::spot;
use crate::pages::Pages;
use crate::trie::{Held, Leaves};
use crate::view::View;

/// The most bytes of digests in the first request. With many keyspaces each gets fewer.
const FIRST_DIGESTS_BYTES: usize = 64 << 10;
/// The most keyspaces named in one question.
const CENSUS_IDS: usize = 1 << 12;

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

/// A question to ask.
#[derive(Clone, Copy, Debug)]
enum Task {
    Census { after: Option<KeyspaceId>, upto: Option<KeyspaceId> },
    Probe { keyspace: KeyspaceId, base: Base, width: u8, first: u32, end: u32 },
    List { keyspace: KeyspaceId, base: Base, after: Option<KeyHash> },
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

    fn absorb(&mut self, tasks: &[Task], response: &Response) -> Result<(), ReconcileError> {
        let answered = usize::try_from(response.answered).unwrap_or(usize::MAX);
        if answered > tasks.len() || (answered == tasks.len() && response.resume.is_some()) {
            return Err(ReconcileError::Unasked);
        }
        if answered == 0 && response.resume.is_none() {
            return Err(ReconcileError::NoProgress);
        }
        let mut tells = &response.tells[..];
        for (index, task) in (0..).zip(&tasks[..answered]) {
            let tells = take_tells(&mut tells, index);
            self.absorb_one(*task, tells, None)?;
        }
        let mut again = &tasks[answered..];
        let mut resumed = None;
        if let (Some(resume), Some((task, rest))) = (response.resume, again.split_first()) {
            let task = *task;
            let tells = take_tells(&mut tells, response.answered);
            self.absorb_one(task, tells, Some(resume))?;
            resumed = Some(task.beyond(resume).ok_or(ReconcileError::Unasked)?);
            again = rest;
        }
        // Depth first: no new buckets are opened while there are some to be listed, which is what
        // bounds the queue.
        for task in self.fresh.drain(..).chain(resumed).chain(again.iter().copied()).rev() {
            self.queue.push_front(task);
        }
        if tells.is_empty() { Ok(()) } else { Err(ReconcileError::Unasked) }
    }

    /// Takes the answer to one question, which covers it up to `resume`.
    fn absorb_one(
        &mut self,
        task: Task,
        tells: &[(u32, Tell)],
        resume: Option<Resume>,
    ) -> Result<(), ReconcileError> {
        if let (Some(id), [(_, Tell::Unknown)], None) = (task.keyspace(), tells, resume) {
            self.extra_here.insert(id);
            return Ok(());
        }
        match (task, resume) {
            (Task::Census { .. }, None | Some(Resume::Census(_)))
            | (Task::Probe { .. }, None | Some(Resume::Probe(_)))
            | (Task::List { .. }, None | Some(Resume::List(_))) => {}
            _ => return Err(ReconcileError::Unasked),
        }
        // Checked before anything is taken over: an answer up to a point is one up to there.
        let beyond = match resume {
            Some(resume) => Some(task.beyond(resume).ok_or(ReconcileError::NoProgress)?),
            None => None,
        };
        match (task, beyond) {
            (Task::Census { after, upto }, beyond) => {
                let upto = match beyond {
                    Some(Task::Census { after, .. }) => after,
                    _ => upto,
                };
                self.absorb_census(after, upto, tells)
            }
            (Task::Probe { keyspace, base, width, first, end }, beyond) => {
                let end = match beyond {
                    Some(Task::Probe { first, .. }) => first,
                    _ => end,
                };
                self.absorb_probe(keyspace, (base, width), first..end, tells)
            }
            (Task::List { keyspace, base, after }, beyond) => {
                let upto = match beyond {
                    Some(Task::List { after, .. }) => after,
                    _ => None,
                };
                let [(_, Tell::Exact { keys, absent })] = tells else {
                    return Err(ReconcileError::Unasked);
                };
                self.absorb_list((keyspace, base), (after, upto), keys, absent)
            }
        }
    }

    fn absorb_census(
        &mut self,
        after: Option<KeyspaceId>,
        upto: Option<KeyspaceId>,
        tells: &[(u32, Tell)],
    ) -> Result<(), ReconcileError> {
        let ids = match tells {
            [] => return Ok(()),
            [(_, Tell::Missing(ids))] => ids,
            _ => return Err(ReconcileError::Unasked),
        };
        let asked = |id: &KeyspaceId| {
            after.is_none_or(|after| after < *id)
                && upto.is_none_or(|upto| *id <= upto)
                && !self.tries.contains_key(id)
        };
        if !ids.iter().all(asked) {
            return Err(ReconcileError::Unasked);
        }
        self.note(ids.len())?;
        self.missing_here.extend(ids);
        Ok(())
    }

    fn absorb_probe(
        &mut self,
        keyspace: KeyspaceId,
        (base, base_width): (Base, u8),
        asked: std::ops::Range<u32>,
        tells: &[(u32, Tell)],
    ) -> Result<(), ReconcileError> {
        let mut from = asked.start;
        for (_, tell) in tells {
            let Tell::Refine { bucket, width, digests } = tell else {
                return Err(ReconcileError::Unasked);
            };
            let deep = base.len() + base_width + width > MAX_BUCKET_BITS;
            if *bucket < from || *bucket >= asked.end || deep {
                return Err(ReconcileError::Unasked);
            }
            from = bucket + 1;
            let base = base.child(base_width, *bucket);
            for (index, theirs) in (0..).zip(digests) {
                self.absorb_bucket(keyspace, base.child(*width, index), *theirs)?;
            }
        }
        Ok(())
    }

    /// Decides what to do about a bucket, given the responder's digest of it.
    fn absorb_bucket(
        &mut self,
        keyspace: KeyspaceId,
        base: Base,
        theirs: u64,
    ) -> Result<(), ReconcileError> {
        let trie = self.tries.get(&keyspace).ok_or(ReconcileError::Unasked)?;
        let bucket = Bucket::of(trie, base)?;
        if self.session.bucket(&bucket) == theirs {
            return Ok(());
        }
        let count = bucket.count();
        if theirs == 0 {
            let leaves = read(bucket.leaves(None))?;
            let keys = leaves.iter().map(Held::key_hash);
            self.found.entry(keyspace).or_default().delete.extend(keys);
        } else if count <= MAX_LISTED_LEAVES || base.len() == MAX_BUCKET_BITS {
            self.fresh.push(Task::List { keyspace, base, after: None });
        } else {
            let width = base.width_for(count);
            let task = Task::Probe { keyspace, base, width, first: 0, end: 1 << width };
            self.fresh.push(task);
        }
        Ok(())
    }

    fn absorb_list(
        &mut self,
        (keyspace, base): (KeyspaceId, Base),
        (after, upto): (Option<KeyHash>, Option<KeyHash>),
        keys: &[KeyHash],
        absent: &[bool],
    ) -> Result<(), ReconcileError> {
        let trie = self.tries.get(&keyspace).ok_or(ReconcileError::Unasked)?;
        let leaves = read(Bucket::of(trie, base)?.leaves(after.as_ref()))?;
        let asked = |key: &KeyHash| {
            base.contains(key)
                && after.is_none_or(|after| after < *key)
                && upto.is_none_or(|upto| *key <= upto)
        };
        if leaves.len() != absent.len() || !keys.iter().all(asked) {
            return Err(ReconcileError::Unasked);
        }
        let gone = leaves
            .iter()
            .zip(absent)
            .take_while(|(leaf, _)| upto.is_none_or(|upto| leaf.spot() <= spot(&upto)))
            .filter(|(_, absent)| **absent)
            .map(|(leaf, _)| leaf.key_hash());
        let diff = self.found.entry(keyspace).or_default();
        diff.delete.extend(gone);
        diff.fetch.extend(keys);
        self.note(keys.len())
    }

    fn note(&mut self, differences: usize) -> Result<(), ReconcileError> {
        self.differences += differences;
        if self.differences <= MAX_DIFFERENCES {
            Ok(())
        } else {
            Err(ReconcileError::TooManyDifferences)
        }
    }
}

impl Task {
    fn keyspace(&self) -> Option<KeyspaceId> {
        match self {
            Self::Census { .. } => None,
            Self::Probe { keyspace, .. } | Self::List { keyspace, .. } => Some(*keyspace),
        }
    }

    /// What of the question is left after an answer up to `resume`; `None` when that answer is not
    /// one to this question or does not get on with it.
    fn beyond(self, resume: Resume) -> Option<Self> {
        match (self, resume) {
            (Self::Census { after, upto }, Resume::Census(id)) => {
                let gets_on = after.is_none_or(|after| after < id);
                let more = upto.is_none_or(|upto| id < upto);
                (gets_on && more).then_some(Self::Census { after: Some(id), upto })
            }
            (Self::Probe { keyspace, base, width, first, end }, Resume::Probe(bucket)) => {
                let rest = Self::Probe { keyspace, base, width, first: bucket, end };
                (first < bucket && bucket < end).then_some(rest)
            }
            (Self::List { keyspace, base, after }, Resume::List(key)) => {
                let gets_on = after.is_none_or(|after| after < key) && base.contains(&key);
                gets_on.then_some(Self::List { keyspace, base, after: Some(key) })
            }
            _ => None,
        }
    }
}

/// All of these leaves.
fn read<P: Pages>(leaves: Leaves<'_, P>) -> Result<Vec<Held<P::Value>>, ReconcileError> {
    leaves.map(|leaf| leaf.map_err(|_| ReconcileError::Unreadable)).collect()
}

/// Takes the parts that answer question `index` off the front of `tells`.
fn take_tells<'a>(tells: &mut &'a [(u32, Tell)], index: u32) -> &'a [(u32, Tell)] {
    let len = tells.iter().take_while(|(ask, _)| *ask == index).count();
    let (taken, rest) = tells.split_at(len);
    *tells = rest;
    taken
}

/// Questions that together cover all ids there can be.
fn census_tasks<P: Pages>(local: &BTreeMap<KeyspaceId, View<P>>) -> VecDeque<Task> {
    let ids: Vec<KeyspaceId> = local.keys().copied().collect();
    let mut after = None;
    let mut tasks = VecDeque::new();
    for chunk in ids.chunks(CENSUS_IDS) {
        let upto = chunk.last().copied().filter(|last| Some(last) != ids.last());
        tasks.push_back(Task::Census { after, upto });
        after = upto;
    }
    if tasks.is_empty() {
        tasks.push_back(Task::Census { after: None, upto: None });
    }
    tasks
}

/// One probe a keyspace, as fine as the bytes for all of them allow.
fn first_probes<P: Pages>(local: &BTreeMap<KeyspaceId, View<P>>) -> Vec<Task> {
    let mut widths: Vec<(KeyspaceId, u8)> =
        local.iter().map(|(id, trie)| (*id, Base::ALL.width_for(trie.len()))).collect();
    let bytes = |widths: &[(KeyspaceId, u8)]| -> usize {
        widths.iter().map(|(_, width)| DIGEST_BYTES << width).sum()
    };
    while bytes(&widths) > FIRST_DIGESTS_BYTES && widths.iter().any(|(_, width)| *width > 0) {
        for (_, width) in &mut widths {
            *width = width.saturating_sub(1);
        }
    }
    let probe = |(keyspace, width)| Task::Probe {
        keyspace,
        base: Base::ALL,
        width,
        first: 0,
        end: 1 << width,
    };
    widths.into_iter().map(probe).collect()
}
