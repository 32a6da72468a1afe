//! The ordered directory of a keyspace's keys: serves LIST and prefix scans.
//!
//! A persistent B+ tree whose leaves are packed blocks of keys: some 70 bytes a key of 64. A
//! clone is O(1) and never changes; an edit copies only the nodes on its path that a clone still
//! shares, a batch of edits each of them once. Nodes that run small are merged with a neighbour.
//! Checkpoints write the blocks as they are ([`image`]).
//!
//! It promises: the keys that were inserted and not removed, once each, in the order of their
//! bytes.

mod cursor;
mod image;
mod leaf;
mod node;
mod pack;
#[cfg(test)]
mod tests;

pub(crate) use cursor::Cursor;
pub(crate) use leaf::Leaf;
use leaf::{Batch, LEAF_MAX, bound_between};
use node::{Node, Outcome};
use pack::Packer;
use strongroom_merkle::{Join, Sequential};

/// From this many edits on, two halves of a batch are worth two threads.
const JOIN_FROM: usize = 256;

/// A key, and whether it is inserted or removed.
pub(crate) type Edit<'a> = (&'a [u8], bool);

/// See the module's text. Keys are at most 32 KiB.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    root: Option<Node>,
    len: usize,
}

impl Directory {
    /// Builds from keys in order, each once.
    pub(crate) fn from_sorted<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> Self {
        // Room for a few more keys, so that the first inserts do not all split.
        let mut packer = Packer::new(LEAF_MAX * 3 / 4);
        let mut len = 0;
        let mut leaves: Vec<(Box<[u8]>, Node)> = Vec::new();
        let mut last: Option<Leaf> = None;
        let mut add = |leaf: Leaf| {
            let bound = last.as_ref().map(|last| bound_between(last, &leaf)).unwrap_or_default();
            last = Some(leaf.clone());
            leaves.push((bound, Node::Leaf(leaf)));
        };
        for key in keys {
            len += 1;
            packer.push(key).map(&mut add);
        }
        packer.finish().map(&mut add);
        Self { root: Node::tower(leaves), len }
    }

    /// Adds a key; nothing happens if it is there.
    pub(crate) fn insert(&mut self, key: &[u8]) {
        self.apply(&[(key, true)]);
    }

    /// Removes a key; nothing happens if it is not there.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.apply(&[(key, false)]);
    }

    /// Inserts and removes keys, given in their order, each once.
    pub(crate) fn apply(&mut self, edits: &[Edit<'_>]) {
        self.apply_with(&Sequential, edits);
    }

    /// As [`apply`](Self::apply), with two halves of a large batch in `join`.
    pub(crate) fn apply_with<J: Join>(&mut self, join: &J, edits: &[Edit<'_>]) {
        debug_assert!(edits.is_sorted_by(|a, b| a.0 < b.0));
        let Some(mut root) = self.root.take() else {
            let inserted = edits.iter().filter(|(_, insert)| *insert);
            *self = Self::from_sorted(inserted.map(|(key, _)| *key));
            return;
        };
        let mut batch = Batch::new();
        let outcome = if edits.len() < JOIN_FROM {
            root.apply(edits, &mut batch)
        } else {
            root.apply_with(join, edits, &mut batch)
        };
        self.len = self.len + batch.inserted - batch.removed;
        self.root = match outcome {
            Outcome::Gone => None,
            Outcome::Kept | Outcome::Small => Some(root),
            Outcome::Grown(more) => {
                Node::tower(std::iter::once((Box::default(), root)).chain(more).collect())
            }
        };
        // A root that lost all but one child hands over to it.
        while let Some(Node::Inner(inner)) = &self.root
            && let Some(only) = inner.only()
        {
            self.root = Some(only.clone());
        }
    }

    /// Whether the key is there.
    #[cfg(test)]
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        let mut node = self.root.as_ref();
        while let Some(Node::Inner(inner)) = node {
            node = inner.child(inner.place(key));
        }
        matches!(node, Some(Node::Leaf(leaf)) if leaf.find(key).is_ok())
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes that were asked of the allocator. Walks over all blocks: not for a hot path.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.root.as_ref().map_or(0, Node::heap_bytes)
    }

    /// Stands before the first key that is not below `start`.
    pub(crate) fn cursor(&self, start: &[u8]) -> Cursor<'_> {
        Cursor::new(self, start)
    }

    /// All keys in order.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Vec<u8>> {
        let mut cursor = self.cursor(b"");
        std::iter::from_fn(move || cursor.advance().map(<[u8]>::to_vec))
    }

    /// Keys that start with `prefix`, in order, strictly after `after`, at most `limit`.
    pub(crate) fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let mut cursor = self.cursor(after.map_or(prefix, |a| a.max(prefix)));
        while keys.len() < limit
            && let Some(key) = cursor.advance()
            && key.starts_with(prefix)
        {
            if after.is_none_or(|a| key > a) {
                keys.push(key.to_vec());
            }
        }
        keys
    }

    /// Names one level below `prefix`, folders with a trailing slash, in order, strictly after
    /// `after`, at most `limit`. Whole folders are stepped over, not walked through.
    pub(crate) fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut start = [prefix, after.unwrap_or_default()].concat();
        if after.is_some_and(|a| a.ends_with(b"/")) {
            skip_folder(&mut start);
        }
        let mut cursor = self.cursor(&start);
        while names.len() < limit
            && let Some(key) = cursor.advance()
            && let Some(rest) = key.strip_prefix(prefix)
        {
            let slash = rest.iter().position(|b| *b == b'/');
            let name = slash.map_or(rest, |slash| &rest[..=slash]);
            if !name.is_empty() && after.is_none_or(|a| name > a) {
                names.push(name.to_vec());
            }
            if slash.is_some() {
                start = [prefix, name].concat();
                skip_folder(&mut start);
                cursor = self.cursor(&start);
            }
        }
        names
    }
}

/// Turns `.../folder/` into the first possible key after everything in the folder.
fn skip_folder(folder: &mut [u8]) {
    if let Some(slash) = folder.last_mut() {
        *slash = b'/' + 1;
    }
}
