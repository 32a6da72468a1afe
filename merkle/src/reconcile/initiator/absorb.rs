//! What answers say: differences that are found, and questions that come up.

use super::Initiator;
use super::task::Task;
use crate::digest::KeyHash;
use crate::pages::Pages;
use crate::reconcile::bucket::{Base, Bucket};
use crate::reconcile::wire::{Response, Resume, Tell};
use crate::reconcile::{
    KeyspaceId, MAX_BUCKET_BITS, MAX_DIFFERENCES, MAX_LISTED_LEAVES, ReconcileError,
};
use crate::trie::{Held, Leaves};

impl<P: Pages> Initiator<P> {
    pub(super) fn absorb(
        &mut self,
        tasks: &[Task],
        response: &Response,
    ) -> Result<(), ReconcileError> {
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
            .take_while(|(leaf, _)| upto.is_none_or(|upto| leaf.key_hash() <= upto))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::pages::MemPages;
    use crate::reconcile::MAX_WIDTH_BITS;
    use crate::reconcile::wire::{Ask, Request};
    use crate::trie::{Change, Trie};
    use crate::view::View;
    use std::collections::BTreeMap;

    // What a hostile peer makes up must not fill the memory.
    #[test]
    fn differences_are_noted_up_to_their_bound() {
        let mut initiator = Initiator::<MemPages<()>>::new(BTreeMap::new());
        assert_eq!(initiator.note(MAX_DIFFERENCES - 1), Ok(()));
        assert_eq!(initiator.note(1), Ok(()));
        assert_eq!(initiator.note(1), Err(ReconcileError::TooManyDifferences));
    }

    // As much as goes into each answer is said to differ, whatever is asked: what is asked next has to
    // be about that, and not about what comes after it, or the questions would pile up.
    #[test]
    fn questions_of_a_hostile_peer_do_not_pile_up() {
        const ID: KeyspaceId = [5; 16];
        let keys: Vec<[u8; 2]> = (0..40_000u16).map(u16::to_le_bytes).collect();
        let leaf = Some((Digest([1; 32]), ()));
        let mut changes: Vec<_> = keys.iter().map(|key| Change::new(key, leaf)).collect();
        let mut view = View::new(Trie::new(), MemPages::new());
        view.trie.apply(&view.pages, &mut changes).unwrap();
        let mut initiator = Initiator::new([(ID, view)].into());
        // Three of the widest fill an answer.
        let digests = vec![1; 1 << MAX_WIDTH_BITS];
        for _ in 0..7 {
            let request = Request::decode(&initiator.next_request().unwrap()).unwrap();
            let mut response = Response::default();
            for (no, ask) in (0..).zip(&request.asks) {
                let tell = match ask {
                    Ask::Census { .. } => None,
                    Ask::List { fingerprints, .. } => {
                        Some(Tell::Exact { keys: vec![], absent: vec![false; fingerprints.len()] })
                    }
                    Ask::Probe { first, .. } => {
                        let width = MAX_WIDTH_BITS;
                        response.tells.extend((*first..first + 3).map(|bucket| {
                            (no, Tell::Refine { bucket, width, digests: digests.clone() })
                        }));
                        response.resume = Some(Resume::Probe(first + 3));
                        break;
                    }
                };
                response.tells.extend(tell.map(|tell| (no, tell)));
                response.answered += 1;
            }
            initiator.on_response(&response.encode()).unwrap();
            assert!(initiator.queue.len() <= 4 * digests.len(), "{}", initiator.queue.len());
        }
    }

    // Whoever names other keyspaces than were asked for would have them created here.
    #[test]
    fn a_census_names_keyspaces_of_its_own_range() {
        let id = |byte| [byte; 16];
        for (named, within) in [(1, false), (2, false), (3, true), (6, true), (7, false)] {
            let mut initiator = Initiator::<MemPages<()>>::new(BTreeMap::new());
            let tells = [(0, Tell::Missing(vec![id(named)]))];
            let absorbed = initiator.absorb_census(Some(id(2)), Some(id(6)), &tells);
            assert_eq!(absorbed.is_ok(), within, "{named}");
            assert_eq!(initiator.missing_here.contains(&id(named)), within, "{named}");
        }
    }
}
