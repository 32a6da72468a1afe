//! What was found and not taken yet.

use std::collections::{BTreeMap, BTreeSet};

use super::buckets::{Buckets, Part};
use crate::digest::KeyHash;
use crate::pages::Pages;
use crate::reconcile::bucket::Bucket;
use crate::reconcile::{Differences, KeyspaceDiff, KeyspaceId, ReconcileError};
use crate::view::View;

/// Differences by the places of their keyspaces.
#[derive(Default)]
pub(super) struct Found {
    diffs: BTreeMap<usize, KeyspaceDiff>,
    missing_here: Vec<KeyspaceId>,
    /// Keyspaces that the responder lacks. They are known until the end: nothing in them counts.
    extra_here: BTreeSet<usize>,
    /// Those of them that were not taken.
    extra_left: Vec<usize>,
    /// Buckets that the responder has nothing in. There may be as many leaves in them as there are
    /// here, so they are read out only when they are taken.
    gone: Buckets,
    /// The one that is being read out, and its last leaf that was.
    reading: Option<(Part, Option<KeyHash>)>,
    held: usize,
}

impl Found {
    /// Keys and keyspaces held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn is_extra(&self, slot: usize) -> bool {
        self.extra_here.contains(&slot)
    }

    pub(super) fn gone(&mut self) -> &mut Buckets {
        &mut self.gone
    }

    pub(super) fn add_keys(
        &mut self,
        slot: usize,
        fetch: impl IntoIterator<Item = KeyHash>,
        delete: impl IntoIterator<Item = KeyHash>,
    ) {
        let diff = self.diffs.entry(slot).or_default();
        let before = diff.len();
        diff.fetch.extend(fetch);
        diff.delete.extend(delete);
        self.held += diff.len() - before;
    }

    pub(super) fn add_missing(&mut self, ids: &[KeyspaceId]) {
        self.missing_here.extend(ids);
        self.held += ids.len();
    }

    pub(super) fn add_extra(&mut self, slot: usize) {
        if self.extra_here.insert(slot) {
            self.extra_left.push(slot);
            self.held += 1;
            self.held -= self.diffs.remove(&slot).map_or(0, |diff| diff.len());
        }
    }

    /// Takes everything that is held, and at most `most` leaves that are gone; nothing only if
    /// nothing is left.
    pub(super) fn take<P: Pages>(
        &mut self,
        tries: &[(KeyspaceId, View<P>)],
        most: usize,
    ) -> Result<Differences, ReconcileError> {
        let mut left = most;
        while left > 0 && self.read_gone(tries, &mut left)? {}
        self.held = 0;
        let mut differences = Differences {
            missing_here: std::mem::take(&mut self.missing_here),
            extra_here: self.extra_left.drain(..).map(|slot| tries[slot].0).collect(),
            ..Differences::default()
        };
        differences.extra_here.sort_unstable();
        for (slot, mut diff) in std::mem::take(&mut self.diffs) {
            diff.fetch.sort_unstable();
            diff.delete.sort_unstable();
            if diff != KeyspaceDiff::default() {
                differences.keyspaces.insert(tries[slot].0, diff);
            }
        }
        Ok(differences)
    }

    /// Reads out at most `left` leaves of a bucket that is gone; false when there is none.
    fn read_gone<P: Pages>(
        &mut self,
        tries: &[(KeyspaceId, View<P>)],
        left: &mut usize,
    ) -> Result<bool, ReconcileError> {
        let next = || self.gone.pop().map(|part| (part, None));
        let Some((part, after)) = self.reading.take().or_else(next) else { return Ok(false) };
        if self.is_extra(part.slot) {
            return Ok(true);
        }
        let bucket = Bucket::of(&tries[part.slot].1, part.base)?;
        let leaves = bucket.leaves(after.as_ref()).take(*left);
        let keys = leaves
            .map(|leaf| leaf.map(|leaf| leaf.key_hash()).map_err(|_| ReconcileError::Unreadable))
            .collect::<Result<Vec<_>, _>>()?;
        *left -= keys.len();
        if *left == 0 {
            self.reading = Some((part, keys.last().copied().or(after)));
        }
        self.add_keys(part.slot, [], keys);
        Ok(true)
    }
}
