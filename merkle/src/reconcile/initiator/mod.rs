//! The asking side: keeps what is still to be asked and what was found.
//!
//! - [`queue`]: questions, and which of them come first;
//! - [`buckets`]: buckets that wait to be listed or read out, compactly;
//! - [`request`]: fills requests;
//! - [`absorb`]: what answers say;
//! - [`listing`]: the answer to a list, over several messages;
//! - [`found`]: what was found and not taken yet.

mod absorb;
mod buckets;
mod found;
mod listing;
mod queue;
mod request;

use std::collections::{BTreeMap, VecDeque};

use super::limits::Limits;
use super::session::Session;
use super::wire::Response;
use super::{Differences, KeyspaceId, ReconcileError};
use crate::pages::Pages;
use crate::view::View;
use found::Found;
use listing::Listing;
use queue::{Queue, Sent};

/// Leaves of buckets that the responder has nothing in that are read out at a time.
const READ_AT_ONCE: usize = 1 << 16;

/// Finds out in which keys the local side differs from a [`Responder`](super::Responder)'s.
///
/// Memory: the local tries (shared), what was found and not taken (24 bytes a key, at most
/// [`MAX_DIFFERENCES`](super::MAX_DIFFERENCES)), two bits for each bucket that differs, and up to
/// some 2 MiB for each request that is not answered.
pub struct Initiator<P: Pages> {
    /// Ascending; a keyspace's place here stands for its id.
    tries: Vec<(KeyspaceId, View<P>)>,
    limits: Limits,
    salt: [u8; 16],
    session: Session,
    queue: Queue,
    /// Requests that are not answered in full, the oldest first.
    sent: VecDeque<Sent>,
    /// The list whose answer has begun.
    listing: Option<Listing>,
    found: Found,
    trips: u32,
    responses: u32,
    failed: Option<ReconcileError>,
}

impl<P: Pages> Initiator<P> {
    /// Begins a reconciliation of these keyspaces, with a fixed salt.
    pub fn new(local: BTreeMap<KeyspaceId, View<P>>) -> Self {
        Self::with_salt(local, [0; 16])
    }

    /// Begins with a salt, best a random one: no peer can then prepare a difference that the short
    /// digests hide, and a second try does not repeat the bad luck of the first.
    pub fn with_salt(local: BTreeMap<KeyspaceId, View<P>>, salt: [u8; 16]) -> Self {
        Self::with_limits(local, salt, Limits::FULL)
    }

    pub(super) fn with_limits(
        local: BTreeMap<KeyspaceId, View<P>>,
        salt: [u8; 16],
        limits: Limits,
    ) -> Self {
        let tries: Vec<_> = local.into_iter().collect();
        Self {
            queue: Queue::new(&tries, limits),
            tries,
            limits,
            salt,
            session: Session::new(&salt),
            sent: VecDeque::new(),
            listing: None,
            found: Found::default(),
            trips: 0,
            responses: 0,
            failed: None,
        }
    }

    /// The next request to carry to the responder, at most
    /// [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES). It need not wait for answers that are still
    /// out; how many requests to have out at a time is the caller's to bound. `None` when there is
    /// nothing to ask at the moment, and, once nothing is [unanswered](Self::unanswered), for good:
    /// [`finish`](Self::finish) then has the outcome. When a page cannot be loaded it is `None` as
    /// well, and `finish` says so.
    pub fn next_request(&mut self) -> Option<Vec<u8>> {
        if self.failed.is_some() {
            return None;
        }
        match self.build() {
            Ok(built) => {
                let (bytes, sent) = built?;
                self.trips = self.trips.max(if sent.lists.is_empty() { 1 } else { 2 });
                self.sent.push_back(sent);
                Some(bytes)
            }
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    /// Number of requests whose answers have not come in full.
    pub fn unanswered(&self) -> usize {
        self.sent.len()
    }

    /// Takes the next message of the answer to the oldest request that is not answered.
    ///
    /// # Errors
    /// When it is none. The reconciliation is over then; a new one has to be begun.
    pub fn on_response(&mut self, response: &[u8]) -> Result<(), ReconcileError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if self.sent.is_empty() {
            return Err(ReconcileError::NoRequest);
        }
        self.responses += 1;
        let outcome = if self.responses > self.limits.responses {
            Err(ReconcileError::TooManyResponses)
        } else {
            Response::decode(response).and_then(|it| self.absorb(&it))
        };
        self.failed = outcome.err();
        outcome
    }

    /// Has everything that is not answered asked again: for when the connection was lost. What was
    /// answered is not lost with it; messages of the old connection must not be handed in any more.
    pub fn ask_again(&mut self) {
        while let Some(sent) = self.sent.pop_back() {
            self.queue.put_back(sent);
        }
        if let Some(listing) = &mut self.listing {
            listing.restart();
        }
    }

    /// Round trips of the deepest question so far: 1 for what is known from the start, 2 for what
    /// was learnt from an answer. What had to be asked again does not count.
    pub fn trips(&self) -> u32 {
        self.trips
    }

    /// Keys and keyspaces found and not taken.
    pub fn held(&self) -> usize {
        self.found.held()
    }

    /// Takes out what was found so far: nothing when there is nothing at the moment. Each difference
    /// is given once, and a key is never both in `fetch` and in `delete`.
    ///
    /// # Errors
    /// When the reconciliation is over, or a page cannot be loaded.
    pub fn drain(&mut self) -> Result<Differences, ReconcileError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let taken = self.found.take(&self.tries, READ_AT_ONCE);
        self.failed = taken.as_ref().err().copied();
        taken
    }

    /// What differs, but for what was taken before.
    ///
    /// # Errors
    /// What ended the reconciliation early, or `Unfinished`.
    pub fn finish(mut self) -> Result<Differences, ReconcileError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if !self.sent.is_empty() || !self.queue.is_empty() {
            return Err(ReconcileError::Unfinished);
        }
        // One more than may be, to see that there are too many.
        let most = self.limits.differences.saturating_add(1).saturating_sub(self.held());
        let differences = self.found.take(&self.tries, most)?;
        if differences.len() > self.limits.differences {
            return Err(ReconcileError::TooManyDifferences);
        }
        Ok(differences)
    }
}
