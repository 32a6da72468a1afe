//! A page with one leaf more, or one less: what stays is copied in long runs.

use std::ops::Range;
use std::sync::Arc;

use super::group::entry;
use super::packed::{At, ENTRIES_AT, LEN_AT, Loose, head, short};
use super::{Page, PageValue};

impl<V: PageValue> Page<V> {
    /// Puts a leaf where [`find`](Self::find) says that it would be. The page is to be sealed
    /// afterwards.
    pub(crate) fn insert(&mut self, i: usize, leaf: &Loose<'_, V>) {
        self.splice(i..i, Some(leaf));
    }

    /// Takes a leaf away; it is not the last one. The page is to be sealed afterwards.
    pub(crate) fn remove(&mut self, i: usize) {
        self.splice(i..i + 1, None);
    }

    /// Replaces leaves by one, or by none.
    fn splice(&mut self, gone: Range<usize>, new: Option<&Loose<'_, V>>) {
        let (old, len) = (self.at(), self.len());
        let count = len - gone.len() + usize::from(new.is_some());
        let taken = self.key_start(&old, gone.end) - self.key_start(&old, gone.start);
        let keys = self.bytes.len() - old.keys() - taken + new.map_or(0, |leaf| leaf.key.len());
        let keyed = keys > 0;
        let at = At::<V>::of(count, keyed);
        let mut bytes = Vec::with_capacity(at.keys() + keys);
        bytes.extend_from_slice(&self.bytes[..ENTRIES_AT]);
        bytes[LEN_AT] = head(count, keyed);
        bytes.extend_from_slice(self.entries()[..gone.start].as_flattened());
        if let Some(leaf) = new {
            bytes.extend_from_slice(&entry(&leaf.hash, &leaf.digest));
        }
        bytes.extend_from_slice(self.entries()[gone.end..].as_flattened());
        bytes.resize(at.values, 0);
        let values = &self.bytes[old.values..][..V::BYTES * len];
        bytes.extend_from_slice(&values[..V::BYTES * gone.start]);
        if let Some(leaf) = new {
            let here = bytes.len();
            bytes.resize(here + V::BYTES, 0);
            leaf.value.put(&mut bytes[here..]);
        }
        bytes.extend_from_slice(&values[V::BYTES * gone.end..]);
        if keyed {
            self.splice_keys(&mut bytes, gone, new.map(|leaf| leaf.key));
        }
        self.bytes = Arc::from(bytes);
    }

    /// Appends the kept keys, some of them replaced, behind where each ends.
    fn splice_keys(&self, bytes: &mut Vec<u8>, gone: Range<usize>, new: Option<&[u8]>) {
        let (old, key) = (self.at(), new.unwrap_or_default());
        let (front, back) = (self.key_start(&old, gone.start), self.key_start(&old, gone.end));
        // By how much the keys that follow have moved; wraps as it is also negative.
        let moved = key.len().wrapping_sub(back - front);
        let before = (0..gone.start).map(|i| self.end(&old, i));
        let after = (gone.end..self.len()).map(|i| self.end(&old, i).wrapping_add(moved));
        for end in before.chain(new.map(|key| front + key.len())).chain(after) {
            bytes.extend_from_slice(&short(end).to_le_bytes());
        }
        let keys = &self.bytes[old.keys()..];
        bytes.extend_from_slice(&keys[..front]);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&keys[back..]);
    }
}
