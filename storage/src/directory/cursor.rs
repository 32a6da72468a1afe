//! Walking over keys in order.

use super::Directory;
use super::leaf::Leaf;
use super::node::{Inner, Node};

/// Stands between two keys of a directory.
pub(crate) struct Cursor<'a> {
    /// Path from the root; each with the place of the next child.
    path: Vec<(&'a Inner, usize)>,
    leaf: Option<&'a Leaf>,
    /// Place of the next key in the block.
    at: usize,
    key: Vec<u8>,
}

impl<'a> Cursor<'a> {
    /// Stands before the first key that is not below `start`.
    pub(super) fn new(directory: &'a Directory, start: &[u8]) -> Self {
        let mut cursor = Self { path: Vec::new(), leaf: None, at: 0, key: Vec::new() };
        let mut node = directory.root.as_ref();
        while let Some(Node::Inner(inner)) = node {
            let place = inner.place(start);
            cursor.path.push((inner, place + 1));
            node = inner.child(place);
        }
        if let Some(Node::Leaf(leaf)) = node {
            cursor.enter(leaf);
            cursor.at = leaf.find(start).unwrap_or_else(|at| at);
        }
        cursor
    }

    fn enter(&mut self, leaf: &'a Leaf) {
        self.leaf = Some(leaf);
        self.at = 0;
        self.key.clear();
        self.key.extend_from_slice(leaf.prefix());
    }

    /// Steps over the next key and answers with it.
    pub(crate) fn advance(&mut self) -> Option<&[u8]> {
        loop {
            let leaf = self.leaf?;
            if self.at < leaf.count() {
                self.key.truncate(leaf.prefix().len());
                self.key.extend_from_slice(leaf.rest(self.at));
                self.at += 1;
                return Some(&self.key);
            }
            self.leaf = None;
            while let Some((inner, place)) = self.path.last_mut() {
                match inner.child(*place) {
                    None => {
                        self.path.pop();
                    }
                    Some(Node::Inner(below)) => {
                        *place += 1;
                        self.path.push((below, 0));
                    }
                    Some(Node::Leaf(next)) => {
                        *place += 1;
                        self.enter(next);
                        break;
                    }
                }
            }
        }
    }
}
