//! Reconciliation: two sides find out in which keys their tries differ, by messages alone.
//!
//! The [`Initiator`] (a secondary) asks, the [`Responder`] (its primary) answers from a pinned
//! snapshot and keeps nothing between requests. Neither does I/O: the caller carries the bytes.
//!
//! ```text
//! loop {
//!     while initiator.unanswered() < WINDOW && let Some(request) = initiator.next_request() {
//!         send(request);
//!     }
//!     if initiator.unanswered() == 0 { break }
//!     initiator.on_response(&receive())?;         // the next message of responder.answer(request)?
//!     take_over(initiator.drain()?);              // or leave it all to finish
//! }
//! let differences = initiator.finish()?;
//! ```
//!
//! How: key hashes fall into *buckets* by their first bits. The first requests carry short
//! digests of about the square root of the number of keys; the answer refines the buckets that
//! differ; the next requests list short fingerprints of what is left in them, and the answer
//! names the keys. What is asked never depends on more than one answer, so there are two *turns*,
//! two round trips, whatever differs: requests go out without waiting for each other, and the
//! answer to one is as many messages as it takes.
//!
//! Digests and fingerprints are short and salted. A collision can hide a difference, so the proof
//! of success is the root: compare it once the differences are applied, and begin again with
//! another salt if it is not the one expected.
//!
//! Bounds: a message has at most [`MAX_MESSAGE_BYTES`], both sides make them one at a time, and the
//! initiator holds at most [`MAX_DIFFERENCES`] that were not taken out of it. Whatever the peer
//! sends, every message either gets on or ends in a [`ReconcileError`], and so do more than
//! [`MAX_RESPONSES`] of them.

mod bucket;
mod codec;
mod initiator;
mod limits;
mod responder;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;

pub use initiator::Initiator;
pub use responder::{Answers, Responder};

use crate::digest::KeyHash;
use wire::VERSION;

/// Names a keyspace on the wire.
pub type KeyspaceId = [u8; 16];

/// The longest message of either side, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The most keys and keyspaces that an initiator holds until they are taken (24 bytes each).
pub const MAX_DIFFERENCES: usize = 1 << 25;
/// The most messages of answers of one reconciliation; 2^32 keys fill less than half of them.
pub const MAX_RESPONSES: u32 = 1 << 18;
/// The most bytes of buckets that wait to be listed or read out.
const MAX_QUEUE_BYTES: usize = 1 << 26;
/// The most questions in one request.
const MAX_ASKS: usize = 1 << 16;
/// The most bits that the buckets of one probe or refinement may add to its base.
const MAX_WIDTH_BITS: u8 = 15;
/// The most bits of a key hash that tell buckets apart.
const MAX_BUCKET_BITS: u8 = 56;

/// In which keys the initiator's side differs from the responder's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// By keyspace that both have; only those that differ.
    pub keyspaces: BTreeMap<KeyspaceId, KeyspaceDiff>,
    /// Keyspaces that the responder has and the initiator lacks: create and fetch them whole.
    pub missing_here: Vec<KeyspaceId>,
    /// Keyspaces that the initiator has and the responder lacks: drop them.
    pub extra_here: Vec<KeyspaceId>,
}

impl Differences {
    /// True when both sides are the same.
    pub fn is_empty(&self) -> bool {
        self.keyspaces.is_empty() && self.missing_here.is_empty() && self.extra_here.is_empty()
    }

    /// Number of keys and keyspaces.
    pub fn len(&self) -> usize {
        let keys: usize = self.keyspaces.values().map(KeyspaceDiff::len).sum();
        keys + self.missing_here.len() + self.extra_here.len()
    }
}

/// What to change in one keyspace to make it the responder's. Both lists ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceDiff {
    /// Keys to fetch from the responder: new there, or of another value.
    pub fetch: Vec<KeyHash>,
    /// Keys to delete here: not there any more.
    pub delete: Vec<KeyHash>,
}

impl KeyspaceDiff {
    fn len(&self) -> usize {
        self.fetch.len() + self.delete.len()
    }
}

/// Why a reconciliation, or one message of it, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileError {
    /// Longer than [`MAX_MESSAGE_BYTES`].
    #[error("message of {0} bytes, at most 1 MiB is allowed: drop the connection")]
    TooLong(usize),
    /// Not the bytes of a message of the expected kind.
    #[error("malformed message: drop the connection, then begin again")]
    Malformed,
    /// Made by another version.
    #[error("message of version {0}, this side speaks {VERSION}: run the same version on both")]
    Version(u8),
    /// Well-formed, but no answer to the request that was sent.
    #[error("answer does not fit the request: drop the connection, then begin again")]
    Unasked,
    /// The answer would have the initiator ask the same again.
    #[error("peer answers without getting on: drop the connection, then begin again")]
    NoProgress,
    /// A response came though no request was out.
    #[error("response without a request: send what next_request returns first")]
    NoRequest,
    /// More than [`MAX_DIFFERENCES`] at a time.
    #[error("more differences than can be held: take them out sooner, or copy the keyspaces whole")]
    TooManyDifferences,
    /// More than [`MAX_RESPONSES`].
    #[error("answers without end: drop the connection, then begin again")]
    TooManyResponses,
    /// More keys than a message holds share 56 bits of their hashes.
    #[error("too many keys of nearly equal hash: copy the keyspace whole instead")]
    TooCrowded,
    /// A page of this side could not be loaded.
    #[error("a page of this side cannot be read: see to the store, then begin again")]
    Unreadable,
    /// `finish` was called while there was more to ask.
    #[error("reconciliation is not finished: go on until nothing is unanswered")]
    Unfinished,
}
