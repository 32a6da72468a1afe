//! Bounds that tests can lower, and what follows from the length of a message for what goes into
//! one.

use super::session::{DIGEST_BYTES, FINGERPRINT_BYTES};
use super::wire::{Ask, RequestBuilder, Response, Tell};
use super::{MAX_DIFFERENCES, MAX_MESSAGE_BYTES, MAX_QUEUE_BYTES, MAX_RESPONSES, MAX_WIDTH_BITS};

/// The most keyspaces named in one question.
const CENSUS_IDS: usize = 1 << 12;

/// See the constants of these names. Messages may be shorter, which shows with little data what
/// takes long ones much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) message_bytes: usize,
    pub(super) differences: usize,
    pub(super) queue_bytes: usize,
    pub(super) responses: u32,
}

impl Limits {
    pub(super) const FULL: Self = Self {
        message_bytes: MAX_MESSAGE_BYTES,
        differences: MAX_DIFFERENCES,
        queue_bytes: MAX_QUEUE_BYTES,
        responses: MAX_RESPONSES,
    };

    /// The most keyspaces named in one question.
    pub(super) fn census_ids(self) -> usize {
        CENSUS_IDS.min(self.message_bytes / 32)
    }

    /// Bytes of digests of all first probes, besides one for each. With many keyspaces each gets
    /// fewer.
    pub(super) fn first_digests_bytes(self) -> usize {
        self.message_bytes / 16
    }

    /// Of how many leaves an initiator makes one list while it can cut the bucket further. Several
    /// go into a request, and the bits of their answer into what others leave of a message.
    pub(super) fn listed_leaves(self) -> usize {
        self.message_bytes / 4 / FINGERPRINT_BYTES
    }

    /// The most leaves of a list.
    pub(super) fn most_listed_leaves(self) -> usize {
        let room = self.message_bytes - RequestBuilder::HEAD_BYTES - Ask::MAX_FIXED_BYTES;
        room / FINGERPRINT_BYTES
    }

    /// The most bits to refine a bucket by: the digests go into one message.
    pub(super) fn width(self) -> u8 {
        let room = self.message_bytes - Response::MAX_FIXED_BYTES - Tell::MAX_FIXED_BYTES;
        let bits = (room / DIGEST_BYTES).checked_ilog2().unwrap_or(0);
        u8::try_from(bits).unwrap_or(MAX_WIDTH_BITS).min(MAX_WIDTH_BITS)
    }
}
