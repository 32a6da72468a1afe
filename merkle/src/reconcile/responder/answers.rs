//! The messages of one answer, each made when it is asked for.

use std::ops::Bound;

use super::list::Listing;
use super::{Differing, Responder};
use crate::pages::Pages;
use crate::reconcile::bucket::{Base, Bucket};
use crate::reconcile::session::{DIGEST_BYTES, Session};
use crate::reconcile::wire::{Ask, Response, Resume, Tell};
use crate::reconcile::{KeyspaceId, ReconcileError};
use crate::view::View;

/// The messages of the answer to one request, in order, each at most
/// [`MAX_MESSAGE_BYTES`](crate::reconcile::MAX_MESSAGE_BYTES). At least one; ends after an error.
pub struct Answers<'a, P: Pages> {
    responder: &'a Responder<P>,
    session: Session,
    asks: Vec<Ask>,
    /// For each question.
    differing: Vec<Vec<Differing>>,
    /// The question that is answered next.
    at: usize,
    reached: Reached,
    over: bool,
}

/// How far a question is answered.
enum Reached {
    Nothing,
    /// Up to there.
    Census(KeyspaceId),
    /// So many of the buckets that differ.
    Probe(usize),
    List(Listing),
}

/// A message being filled.
pub(super) struct Message {
    response: Response,
    /// Number of the question that is being answered.
    ask: u32,
    /// Bytes left.
    room: usize,
}

/// Whether a question was answered in full.
pub(super) enum Done {
    Yes,
    /// The message is full. Up to there; `None`: not at all.
    UpTo(Option<Resume>),
}

impl<P: Pages> Iterator for Answers<'_, P> {
    type Item = Result<Vec<u8>, ReconcileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let response = self.fill();
        self.over = self.at == self.asks.len() || response.is_err();
        Some(response.map(|response| response.encode()))
    }
}

impl<'a, P: Pages> Answers<'a, P> {
    pub(super) fn new(
        responder: &'a Responder<P>,
        session: Session,
        asks: Vec<Ask>,
        differing: Vec<Vec<Differing>>,
    ) -> Self {
        let reached = Reached::Nothing;
        Self { responder, session, asks, differing, at: 0, reached, over: false }
    }

    /// The next message.
    fn fill(&mut self) -> Result<Response, ReconcileError> {
        let room = self.responder.limits.message_bytes - Response::MAX_FIXED_BYTES;
        let mut message = Message { response: Response::default(), ask: 0, room };
        while self.at < self.asks.len() {
            message.ask = u32::try_from(self.at).unwrap_or(u32::MAX);
            match self.go_on(&mut message)? {
                Done::Yes => {
                    self.at += 1;
                    self.reached = Reached::Nothing;
                }
                Done::UpTo(resume) => {
                    message.response.resume = resume;
                    break;
                }
            }
        }
        message.response.answered = u32::try_from(self.at).unwrap_or(u32::MAX);
        Ok(message.response)
    }

    /// Goes on with the question at hand, as far as there is room.
    fn go_on(&mut self, message: &mut Message) -> Result<Done, ReconcileError> {
        let tries = &self.responder.tries;
        match &self.asks[self.at] {
            Ask::Census { after, upto, ids } => {
                Ok(self.responder.census((*after, *upto), ids, &mut self.reached, message))
            }
            Ask::Probe { keyspace, width, first, .. } => match tries.get(keyspace) {
                None => Ok(message.unknown()),
                Some(trie) => refine(
                    &self.session,
                    (trie, *width, *first),
                    &self.differing[self.at],
                    &mut self.reached,
                    message,
                ),
            },
            Ask::List { keyspace, base, fingerprints } => match tries.get(keyspace) {
                None => Ok(message.unknown()),
                Some(trie) => {
                    let bucket = Bucket::of(trie, *base)?;
                    let mut listing = match std::mem::replace(&mut self.reached, Reached::Nothing) {
                        Reached::List(listing) => listing,
                        _ => Listing::new(fingerprints),
                    };
                    let done = listing.answer(&self.session, &bucket, message)?;
                    self.reached = Reached::List(listing);
                    Ok(done)
                }
            },
        }
    }
}

impl<P: Pages> Responder<P> {
    fn census(
        &self,
        (after, upto): (Option<KeyspaceId>, Option<KeyspaceId>),
        ids: &[KeyspaceId],
        reached: &mut Reached,
        message: &mut Message,
    ) -> Done {
        let before = if let Reached::Census(id) = reached { Some(*id) } else { None };
        let from = before.or(after).map_or(Bound::Unbounded, Bound::Excluded);
        let to = upto.map_or(Bound::Unbounded, Bound::Included);
        let most = message.room_for(0) / size_of::<KeyspaceId>();
        let mut missing = Vec::new();
        let mut last = before;
        let mut cut = false;
        for id in self.tries.range((from, to)).map(|(id, _)| *id) {
            if ids.binary_search(&id).is_err() {
                cut = missing.len() == most;
                if cut {
                    break;
                }
                missing.push(id);
            }
            last = Some(id);
        }
        if !missing.is_empty() {
            let bytes = size_of::<KeyspaceId>() * missing.len();
            message.tell(bytes, Tell::Missing(missing));
        }
        if !cut {
            return Done::Yes;
        }
        if let Some(last) = last {
            *reached = Reached::Census(last);
        }
        Done::UpTo(last.map(Resume::Census))
    }
}

/// Tells about the buckets that differ, of those from `first` on of the `2^width`.
fn refine<P: Pages>(
    session: &Session,
    (trie, width, first): (&View<P>, u8, u32),
    differing: &[Differing],
    reached: &mut Reached,
    message: &mut Message,
) -> Result<Done, ReconcileError> {
    let told = if let Reached::Probe(told) = reached { *told } else { 0 };
    for (index, each) in differing.iter().enumerate().skip(told) {
        let bytes = DIGEST_BYTES << each.width;
        if message.room_for(0) < bytes {
            *reached = Reached::Probe(index);
            let begun = each.bucket > first;
            return Ok(Done::UpTo(begun.then_some(Resume::Probe(each.bucket))));
        }
        let base = Base::ALL.child(width, each.bucket);
        let digests = session.buckets(trie, base, each.width, 0..1 << each.width)?;
        let (bucket, width) = (each.bucket, each.width);
        message.tell(bytes, Tell::Refine { bucket, width, digests });
    }
    Ok(Done::Yes)
}

impl Message {
    /// Bytes left for the items of a part of which so many are spoken for.
    pub(super) fn room_for(&self, spoken_for: usize) -> usize {
        self.room.saturating_sub(Tell::MAX_FIXED_BYTES + spoken_for)
    }

    /// Adds a part whose items take so many bytes.
    pub(super) fn tell(&mut self, bytes: usize, tell: Tell) {
        self.room -= Tell::MAX_FIXED_BYTES + bytes;
        self.response.tells.push((self.ask, tell));
    }

    fn unknown(&mut self) -> Done {
        if self.room < Tell::MAX_FIXED_BYTES {
            return Done::UpTo(None);
        }
        self.tell(0, Tell::Unknown);
        Done::Yes
    }
}
