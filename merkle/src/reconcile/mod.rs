//! Reconciliation: two sides find out in which keys their tries differ, by messages alone.
//!
//! The [`Initiator`] (a secondary) asks, the [`Responder`] (its primary) answers from a pinned
//! snapshot and keeps nothing between requests. Neither does I/O: the caller carries the bytes.
//!
//! ```text
//! while let Some(request) = initiator.next_request() {
//!     initiator.on_response(&carry(request))?;
//! }
//! let differences = initiator.finish()?;
//! ```
//!
//! How: key hashes fall into *buckets* by their first bits. The first request carries short
//! digests of about the square root of the number of keys; the answer refines the buckets that
//! differ; the second request lists short fingerprints of what is left in them, and the answer
//! names the keys. Further trips follow only when a message is full or a bucket is still large.
//! Digests and fingerprints are short and salted. A collision can hide a difference, so the proof
//! of success is the root: compare it once the differences are applied, and begin again with
//! another salt if it is not the one expected.
//!
//! Bounds: a message has at most [`MAX_MESSAGE_BYTES`]; the initiator gives up beyond
//! [`MAX_DIFFERENCES`] or [`MAX_TRIPS`]. Whatever the peer sends, every trip either gets on or ends
//! in a [`ReconcileError`].

mod bucket;
mod codec;
mod initiator;
mod responder;
mod session;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;

pub use initiator::Initiator;
pub use responder::Responder;

use crate::digest::KeyHash;

/// Names a keyspace on the wire.
pub type KeyspaceId = [u8; 16];

/// The longest message of either side, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;
/// The most keys and keyspaces to fetch that an initiator takes note of (24 bytes each).
pub const MAX_DIFFERENCES: usize = 1 << 25;
/// The most requests of one reconciliation.
pub const MAX_TRIPS: u32 = 1 << 17;
/// The most questions in one request.
const MAX_ASKS: usize = 1 << 16;
/// Up to so many leaves of its own an initiator lists; larger buckets it cuts up further.
const MAX_LISTED_LEAVES: usize = 1 << 10;
/// The most bits that the buckets of one probe may add to its base.
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
}

/// What to change in one keyspace to make it the responder's. Both lists ascend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceDiff {
    /// Keys to fetch from the responder: new there, or of another value.
    pub fetch: Vec<KeyHash>,
    /// Keys to delete here: not there any more.
    pub delete: Vec<KeyHash>,
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
    /// Made by a later version.
    #[error("message of version {0} is not known here: upgrade this side")]
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
    /// More than [`MAX_DIFFERENCES`].
    #[error("more differences than can be held: copy the keyspaces whole instead")]
    TooManyDifferences,
    /// More than [`MAX_TRIPS`].
    #[error("too many trips: copy the keyspaces whole instead")]
    TooManyTrips,
    /// More keys than a message holds share 56 bits of their hashes.
    #[error("too many keys of nearly equal hash: copy the keyspace whole instead")]
    TooCrowded,
    /// A page of this side could not be loaded.
    #[error("a page of this side cannot be read: see to the store, then begin again")]
    Unreadable,
    /// `finish` was called while there was more to ask.
    #[error("reconciliation is not finished: go on until next_request returns None")]
    Unfinished,
}
