//! What answers say: differences that are found, and buckets that have to be listed.

use super::Initiator;
use super::buckets::{Children, Part};
use super::listing::Listing;
use super::queue::{Census, Probe, Question, Sent};
use crate::digest::KeyHash;
use crate::pages::Pages;
use crate::reconcile::ReconcileError;
use crate::reconcile::bucket::{Base, Bucket};
use crate::reconcile::wire::{Response, Resume, Tell};

impl<P: Pages> Initiator<P> {
    /// Takes the next message of the answer to the oldest request.
    pub(super) fn absorb(&mut self, response: &Response) -> Result<(), ReconcileError> {
        let sent = self.sent.front_mut().ok_or(ReconcileError::NoRequest)?;
        let (before, asked) = (sent.answered, sent.asked());
        let answered = response.answered;
        let over = answered == asked;
        if !(before..=asked).contains(&answered) || (over && response.resume.is_some()) {
            return Err(ReconcileError::Unasked);
        }
        if answered == before && response.resume.is_none() {
            return Err(ReconcileError::NoProgress);
        }
        let mut tells = &response.tells[..];
        for number in before..answered {
            let question = self.next_question()?;
            self.absorb_whole(question, take_tells(&mut tells, number))?;
        }
        if let Some(resume) = response.resume {
            let question = self.next_question()?;
            let rest = self.absorb_part(question, take_tells(&mut tells, answered), resume)?;
            self.sent.front_mut().ok_or(ReconcileError::NoRequest)?.unpop(rest);
        }
        if over {
            self.sent.pop_front();
        }
        if tells.is_empty() { self.check_bounds() } else { Err(ReconcileError::Unasked) }
    }

    fn next_question(&mut self) -> Result<Question, ReconcileError> {
        self.sent.front_mut().and_then(Sent::pop).ok_or(ReconcileError::NoRequest)
    }

    /// What a hostile peer makes up must not fill the memory.
    fn check_bounds(&mut self) -> Result<(), ReconcileError> {
        let queued = self.queue.buckets.bytes() + self.found.gone().bytes();
        if self.found.held() > self.limits.differences || queued > self.limits.queue_bytes {
            return Err(ReconcileError::TooManyDifferences);
        }
        Ok(())
    }

    /// Takes the answer to a question, or the rest of it.
    fn absorb_whole(
        &mut self,
        question: Question,
        tells: &[(u32, Tell)],
    ) -> Result<(), ReconcileError> {
        match (question, tells) {
            (
                Question::List(Part { slot, .. }) | Question::Probe(Probe { slot, .. }),
                [(_, Tell::Unknown)],
            ) => {
                self.found.add_extra(slot);
                Ok(())
            }
            (Question::Census(census), tells) => self.absorb_census(census, tells),
            (Question::Probe(probe), tells) => self.absorb_probe(probe, tells),
            (Question::List(part), [(_, Tell::Exact { keys, absent })]) => {
                let listing = self.listing(part);
                let brought = listing.end(&self.tries[part.slot].1, keys, absent)?;
                self.found.add_keys(part.slot, brought.fetch.iter().copied(), brought.delete);
                Ok(())
            }
            (Question::List(_), _) => Err(ReconcileError::Unasked),
        }
    }

    /// Takes the answer to a question up to `resume`; gives what is left of the question.
    fn absorb_part(
        &mut self,
        question: Question,
        tells: &[(u32, Tell)],
        resume: Resume,
    ) -> Result<Question, ReconcileError> {
        match (question, resume, tells) {
            (Question::Census(census), Resume::Census(id), tells) => {
                let Census { after, upto } = census;
                if after.is_some_and(|after| id <= after) || upto.is_some_and(|upto| upto <= id) {
                    return Err(ReconcileError::NoProgress);
                }
                self.absorb_census(Census { after, upto: Some(id) }, tells)?;
                Ok(Question::Census(Census { after: Some(id), upto }))
            }
            (Question::Probe(probe), Resume::Probe(bucket), tells) => {
                if bucket <= probe.first || probe.end <= bucket {
                    return Err(ReconcileError::NoProgress);
                }
                self.absorb_probe(Probe { end: bucket, ..probe }, tells)?;
                Ok(Question::Probe(Probe { first: bucket, ..probe }))
            }
            (Question::List(part), Resume::List(key), [(_, Tell::Keys(keys))]) => {
                self.absorb_keys(part, keys, key)?;
                Ok(question)
            }
            _ => Err(ReconcileError::Unasked),
        }
    }

    fn absorb_census(
        &mut self,
        census: Census,
        tells: &[(u32, Tell)],
    ) -> Result<(), ReconcileError> {
        let Census { after, upto } = census;
        let ids = match tells {
            [] => return Ok(()),
            [(_, Tell::Missing(ids))] => ids,
            _ => return Err(ReconcileError::Unasked),
        };
        for id in ids {
            let within =
                after.is_none_or(|after| after < *id) && upto.is_none_or(|upto| *id <= upto);
            if !within || self.tries.binary_search_by_key(id, |(own, _)| *own).is_ok() {
                return Err(ReconcileError::Unasked);
            }
        }
        self.found.add_missing(ids);
        Ok(())
    }

    fn absorb_probe(&mut self, probe: Probe, tells: &[(u32, Tell)]) -> Result<(), ReconcileError> {
        let mut from = probe.first;
        for (_, tell) in tells {
            let Tell::Refine { bucket, width, digests } = tell else {
                return Err(ReconcileError::Unasked);
            };
            if !(from..probe.end).contains(bucket) {
                return Err(ReconcileError::Unasked);
            }
            from = bucket + 1;
            let base = Base::ALL.child(probe.width, *bucket);
            self.absorb_refined(Part { slot: probe.slot, base }, *width, digests)?;
        }
        Ok(())
    }

    /// Decides what to do about the buckets that one is cut into, given the responder's digests.
    fn absorb_refined(
        &mut self,
        part: Part,
        width: u8,
        digests: &[u64],
    ) -> Result<(), ReconcileError> {
        let view = &self.tries[part.slot].1;
        let mut listed = Children::new(part, width);
        let mut gone = Children::new(part, width);
        for (index, theirs) in (0..).zip(digests) {
            let bucket = Bucket::of(view, part.base.child(width, index))?;
            match *theirs {
                theirs if theirs == self.session.bucket(&bucket) => {}
                0 => gone.insert(index),
                _ => listed.insert(index),
            }
        }
        self.queue.buckets.push(listed);
        self.found.gone().push(gone);
        Ok(())
    }

    fn absorb_keys(
        &mut self,
        part: Part,
        keys: &[KeyHash],
        upto: KeyHash,
    ) -> Result<(), ReconcileError> {
        let mut listing = self.listing(part);
        let brought = listing.part(&self.tries[part.slot].1, keys, upto)?;
        self.found.add_keys(part.slot, brought.fetch.iter().copied(), brought.delete);
        self.listing = Some(listing);
        Ok(())
    }

    /// What came of the answer to this list.
    fn listing(&mut self, part: Part) -> Listing {
        self.listing.take().filter(|at| at.part == part).unwrap_or_else(|| Listing::new(part))
    }
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
    use crate::reconcile::Responder;
    use crate::trie::{Change, Trie};
    use crate::view::View;

    fn side(value: u8) -> View<MemPages<()>> {
        let keys: Vec<[u8; 4]> = (0..100_000u32).map(u32::to_le_bytes).collect();
        let leaf = Some((Digest([value; 32]), ()));
        let mut changes: Vec<_> = keys.iter().map(|key| Change::new(key, leaf)).collect();
        let mut view = View::new(Trie::new(), MemPages::new());
        view.trie.apply(&view.pages, &mut changes).unwrap();
        view
    }

    // What is known to differ waits in a bit for each bucket, and in a few bytes for each that the
    // first request was about.
    #[test]
    fn buckets_that_wait_to_be_listed_take_a_bit_each() {
        let mut initiator = Initiator::new([([5; 16], side(1))].into());
        let responder = Responder::new([([5; 16], side(2))].into());
        let request = initiator.next_request().unwrap();
        for message in responder.answer(&request).unwrap() {
            initiator.on_response(&message.unwrap()).unwrap();
        }
        // 2^8 buckets of 400 leaves, refined to 2^6 of six, a few of which are empty.
        assert_eq!(initiator.queue.buckets.bytes(), 256 * (size_of::<Children>() + 8));
        let mut lists = 0;
        while let Some(part) = initiator.queue.pop_list() {
            assert_eq!(part.base.len(), 14);
            lists += 1;
        }
        assert!((16_000..1 << 14).contains(&lists), "{lists}");
    }
}
