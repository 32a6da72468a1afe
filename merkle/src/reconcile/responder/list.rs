//! Compares a bucket with the fingerprints of the other side's leaves.
//!
//! Each leaf that is looked at either has a fingerprint in the request or takes 24 bytes of the
//! answer, so the work is bounded by the length of both.

use super::answers::{Done, Message};
use crate::digest::KeyHash;
use crate::pages::Pages;
use crate::reconcile::ReconcileError;
use crate::reconcile::bucket::Bucket;
use crate::reconcile::session::Session;
use crate::reconcile::wire::{Resume, Tell};

/// A list that is being answered. The key hashes behind its fingerprints are not known here, so
/// which of them are absent is only said at the end, of all of them.
pub(super) struct Listing {
    /// Ascending, each with its place in the question.
    theirs: Vec<(u64, u32)>,
    absent: Vec<bool>,
    /// The last leaf that was looked at.
    after: Option<KeyHash>,
}

impl Listing {
    pub(super) fn new(fingerprints: &[u64]) -> Self {
        let mut theirs: Vec<(u64, u32)> = fingerprints.iter().copied().zip(0..).collect();
        theirs.sort_unstable();
        Self { theirs, absent: vec![true; fingerprints.len()], after: None }
    }

    /// Goes on behind the last leaf, as far as there is room.
    pub(super) fn answer<P: Pages>(
        &mut self,
        session: &Session,
        bucket: &Bucket<'_, P>,
        message: &mut Message,
    ) -> Result<Done, ReconcileError> {
        let bits = self.absent.len().div_ceil(8);
        if message.room_for(bits) < KeyHash::BYTES {
            return Ok(Done::UpTo(self.after.map(Resume::List)));
        }
        let most = message.room_for(0) / KeyHash::BYTES;
        let mut keys = Vec::new();
        let mut cut = false;
        session.fingerprints(bucket.leaves(self.after.as_ref()), |leaf, print| {
            let found = self.is_theirs(print);
            cut = !found && keys.len() == most;
            if !cut {
                let hash = leaf.key_hash();
                self.after = Some(hash);
                if !found {
                    keys.push(hash);
                }
            }
            !cut
        })?;
        let bytes = KeyHash::BYTES * keys.len();
        if cut || message.room_for(bits) < bytes {
            message.tell(bytes, Tell::Keys(keys));
            return Ok(Done::UpTo(self.after.map(Resume::List)));
        }
        let absent = std::mem::take(&mut self.absent);
        message.tell(bits + bytes, Tell::Exact { keys, absent });
        Ok(Done::Yes)
    }

    /// Whether a fingerprint is among the other side's, which is then none that is absent here.
    fn is_theirs(&mut self, print: u64) -> bool {
        let first = self.theirs.partition_point(|(other, _)| *other < print);
        let same = self.theirs[first..].iter().take_while(|(other, _)| *other == print);
        same.map(|(_, at)| self.absent[*at as usize] = false).count() > 0
    }
}
