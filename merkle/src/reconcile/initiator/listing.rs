//! The answer to one list, which may come in several messages.
//!
//! Only its last message says which of the listed leaves are absent there, so what arrives before is
//! remembered as far as it is a leaf of the list: a key that is fetched is not deleted.

use super::buckets::Part;
use crate::digest::KeyHash;
use crate::pages::Pages;
use crate::reconcile::ReconcileError;
use crate::reconcile::bucket::Bucket;
use crate::trie::{Held, Leaves};
use crate::view::View;

/// A list of which an answer has begun.
pub(super) struct Listing {
    pub(super) part: Part,
    /// How far the answer has got.
    at: Option<KeyHash>,
    /// Keys up to there were taken; further than `at` when the list was asked for again.
    taken: Option<KeyHash>,
    /// Those of them that are leaves of the list.
    own: Vec<KeyHash>,
}

/// What a message of the answer brings.
pub(super) struct Brought<'a> {
    pub(super) fetch: &'a [KeyHash],
    pub(super) delete: Vec<KeyHash>,
}

impl Listing {
    pub(super) fn new(part: Part) -> Self {
        Self { part, at: None, taken: None, own: Vec::new() }
    }

    /// The answer comes from the beginning again.
    pub(super) fn restart(&mut self) {
        self.at = None;
    }

    /// Takes keys up to `upto`; more follow.
    pub(super) fn part<'a, P: Pages>(
        &mut self,
        view: &View<P>,
        keys: &'a [KeyHash],
        upto: KeyHash,
    ) -> Result<Brought<'a>, ReconcileError> {
        if self.at.is_some_and(|at| upto <= at) || !self.part.base.contains(&upto) {
            return Err(ReconcileError::NoProgress);
        }
        let new = self.new_keys(keys)?;
        if keys.last().is_some_and(|last| *last > upto) {
            return Err(ReconcileError::Unasked);
        }
        let bucket = Bucket::of(view, self.part.base)?;
        if !new.is_empty() {
            for leaf in bucket.leaves(self.taken.as_ref()) {
                let hash = leaf.map_err(|_| ReconcileError::Unreadable)?.key_hash();
                if hash > upto {
                    break;
                }
                if new.binary_search(&hash).is_ok() {
                    self.own.push(hash);
                }
            }
        }
        self.at = Some(upto);
        self.taken = self.taken.max(Some(upto));
        Ok(Brought { fetch: new, delete: Vec::new() })
    }

    /// Takes the last keys, and which leaves are absent.
    pub(super) fn end<'a, P: Pages>(
        &self,
        view: &View<P>,
        keys: &'a [KeyHash],
        absent: &[bool],
    ) -> Result<Brought<'a>, ReconcileError> {
        let new = self.new_keys(keys)?;
        let leaves = read(Bucket::of(view, self.part.base)?.leaves(None))?;
        if leaves.len() != absent.len() {
            return Err(ReconcileError::Unasked);
        }
        let delete = leaves
            .into_iter()
            .zip(absent)
            .filter(|(hash, absent)| {
                let fetched =
                    self.own.binary_search(hash).is_ok() || keys.binary_search(hash).is_ok();
                **absent && !fetched
            })
            .map(|(hash, _)| hash)
            .collect();
        Ok(Brought { fetch: new, delete })
    }

    /// Those of the keys that were not taken before. All must be of the list and behind what the
    /// answer has said so far.
    fn new_keys<'a>(&self, keys: &'a [KeyHash]) -> Result<&'a [KeyHash], ReconcileError> {
        let asked =
            |key: &KeyHash| self.part.base.contains(key) && self.at.is_none_or(|at| at < *key);
        if !keys.iter().all(asked) {
            return Err(ReconcileError::Unasked);
        }
        let taken = keys.partition_point(|key| self.taken.is_some_and(|taken| *key <= taken));
        Ok(&keys[taken..])
    }
}

/// The hashes of all of these leaves.
fn read<P: Pages>(leaves: Leaves<'_, P>) -> Result<Vec<KeyHash>, ReconcileError> {
    let hash = |leaf: Held<P::Value>| leaf.key_hash();
    leaves.map(|leaf| leaf.map(hash).map_err(|_| ReconcileError::Unreadable)).collect()
}
