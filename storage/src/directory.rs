//! The ordered directory of a keyspace's keys: serves LIST and prefix scans.
//!
//! A persistent B+ tree: a clone is O(1) and never changes, an edit copies only the nodes on its
//! path that a clone still shares. Nodes that run empty are removed; nodes are not merged, so the
//! tree's height is bounded by its insertions, which keep every split half full.

use std::sync::Arc;

/// A key, shared with the index entry.
pub(crate) type Key = Arc<[u8]>;

/// Entries of a node before it splits.
const NODE_MAX: usize = 64;

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Key>),
    /// Children with a lower bound of their keys; the first child's bound is not looked at.
    Inner(Vec<(Key, Arc<Node>)>),
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    root: Arc<Node>,
}

impl Default for Directory {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())) }
    }
}

impl Directory {
    /// Builds from keys in order.
    pub(crate) fn from_sorted(keys: &[Key]) -> Self {
        debug_assert!(keys.is_sorted());
        let mut level: Vec<(Key, Arc<Node>)> = keys
            .chunks(NODE_MAX * 3 / 4)
            .map(|run| (Arc::clone(&run[0]), Arc::new(Node::Leaf(run.to_vec()))))
            .collect();
        while level.len() > 1 {
            level = level
                .chunks(NODE_MAX * 3 / 4)
                .map(|run| (Arc::clone(&run[0].0), Arc::new(Node::Inner(run.to_vec()))))
                .collect();
        }
        level.pop().map_or_else(Self::default, |(_, root)| Self { root })
    }

    /// Adds a key; nothing happens if it is there.
    pub(crate) fn insert(&mut self, key: &Key) {
        if let Some((bound, right)) = insert(&mut self.root, key) {
            let left = std::mem::replace(&mut self.root, Arc::new(Node::Leaf(Vec::new())));
            let first = Arc::from(&[][..]);
            self.root = Arc::new(Node::Inner(vec![(first, left), (bound, right)]));
        }
    }

    /// Removes a key; nothing happens if it is not there.
    pub(crate) fn remove(&mut self, key: &[u8]) {
        if remove(&mut self.root, key) {
            *self = Self::default();
        }
        // A root that lost all but one child hands over to it.
        loop {
            let only = match &*self.root {
                Node::Inner(children) if children.len() == 1 => Arc::clone(&children[0].1),
                _ => return,
            };
            self.root = only;
        }
    }

    /// Keys from `start` on, in order.
    pub(crate) fn range<'a>(&'a self, start: &[u8]) -> Range<'a> {
        let mut range = Range { stack: Vec::new() };
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(keys) => {
                    let at = keys.partition_point(|k| &**k < start);
                    range.stack.push((node, at));
                    return range;
                }
                Node::Inner(children) => {
                    let at = child_for(children, start);
                    range.stack.push((node, at + 1));
                    node = &children[at].1;
                }
            }
        }
    }

    /// Keys that start with `prefix`, in order, strictly after `after`, at most `limit`.
    pub(crate) fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Key> {
        let start = after.map_or(prefix, |a| a.max(prefix));
        self.range(start)
            .skip_while(|k| after.is_some_and(|a| &***k <= a))
            .take_while(|k| k.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect()
    }

    /// Names one level below `prefix`, folders with a trailing slash, in order, strictly after
    /// `after`, at most `limit`. Whole folders are stepped over, not walked through.
    pub(crate) fn list(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut start = [prefix, after.unwrap_or_default()].concat();
        if after.is_some_and(|a| a.ends_with(b"/")) {
            skip_folder(&mut start);
        }
        'seek: while names.len() < limit {
            for key in self.range(&start) {
                let Some(rest) = key.strip_prefix(prefix) else { break 'seek };
                if rest.is_empty() || after.is_some_and(|a| rest <= a) {
                    continue;
                }
                if let Some(slash) = rest.iter().position(|b| *b == b'/') {
                    if after.is_none_or(|a| &rest[..=slash] > a) {
                        names.push(rest[..=slash].to_vec());
                    }
                    start = [prefix, &rest[..=slash]].concat();
                    skip_folder(&mut start);
                    continue 'seek;
                }
                names.push(rest.to_vec());
                if names.len() == limit {
                    break 'seek;
                }
            }
            break;
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

/// The child whose range holds `key`.
fn child_for(children: &[(Key, Arc<Node>)], key: &[u8]) -> usize {
    children[1..].partition_point(|(bound, _)| &**bound <= key)
}

fn insert(node: &mut Arc<Node>, key: &Key) -> Option<(Key, Arc<Node>)> {
    match Arc::make_mut(node) {
        Node::Leaf(keys) => {
            let at = keys.binary_search(key).err()?;
            keys.insert(at, Arc::clone(key));
            if keys.len() <= NODE_MAX {
                return None;
            }
            let right = keys.split_off(NODE_MAX / 2);
            Some((Arc::clone(&right[0]), Arc::new(Node::Leaf(right))))
        }
        Node::Inner(children) => {
            let at = child_for(children, key);
            let (bound, right) = insert(&mut children[at].1, key)?;
            children.insert(at + 1, (bound, right));
            if children.len() <= NODE_MAX {
                return None;
            }
            let right = children.split_off(NODE_MAX / 2);
            Some((Arc::clone(&right[0].0), Arc::new(Node::Inner(right))))
        }
    }
}

/// Removes the key below `node`; true when the node has run empty.
fn remove(node: &mut Arc<Node>, key: &[u8]) -> bool {
    match Arc::make_mut(node) {
        Node::Leaf(keys) => {
            if let Ok(at) = keys.binary_search_by(|k| (**k).cmp(key)) {
                keys.remove(at);
            }
            keys.is_empty()
        }
        Node::Inner(children) => {
            let at = child_for(children, key);
            if remove(&mut children[at].1, key) {
                children.remove(at);
            }
            children.is_empty()
        }
    }
}

/// Keys in order from a starting point.
pub(crate) struct Range<'a> {
    /// Path from the root; each with the next thing to visit in it.
    stack: Vec<(&'a Node, usize)>,
}

impl<'a> Iterator for Range<'a> {
    type Item = &'a Key;

    fn next(&mut self) -> Option<&'a Key> {
        loop {
            let (node, at) = self.stack.last_mut()?;
            match node {
                Node::Leaf(keys) => {
                    if let Some(key) = keys.get(*at) {
                        *at += 1;
                        return Some(key);
                    }
                    self.stack.pop();
                }
                Node::Inner(children) => {
                    if let Some((_, child)) = children.get(*at) {
                        *at += 1;
                        self.stack.push((child, 0));
                    } else {
                        self.stack.pop();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'a'), Just(b'b'), Just(b'0')], 1..7)
    }

    fn model_list(
        keys: &BTreeSet<Vec<u8>>,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        for rest in keys.iter().filter_map(|k| k.strip_prefix(prefix)) {
            let name = match rest.iter().position(|b| *b == b'/') {
                Some(slash) => &rest[..=slash],
                None => rest,
            };
            if !name.is_empty() && after.is_none_or(|a| name > a) {
                names.push(name.to_vec());
            }
        }
        names.sort();
        names.dedup();
        names.truncate(limit);
        names
    }

    proptest! {
        #[test]
        fn behaves_like_an_ordered_set(
            ops in proptest::collection::vec((any::<bool>(), key()), 0..300),
            prefix in proptest::collection::vec(prop_oneof![Just(b'/'), Just(b'a')], 0..3),
            after in proptest::option::of(key()),
            limit in 1usize..20,
        ) {
            let mut directory = Directory::default();
            let mut model = BTreeSet::new();
            let mut frozen = None;
            for (i, (add, k)) in ops.iter().enumerate() {
                if *add {
                    directory.insert(&Arc::from(k.as_slice()));
                    model.insert(k.clone());
                } else {
                    directory.remove(k);
                    model.remove(k);
                }
                if i == 50 {
                    frozen = Some((directory.clone(), model.clone()));
                }
            }
            for (directory, model) in frozen.into_iter().chain([(directory, model)]) {
                let all: Vec<Vec<u8>> = directory.range(b"").map(|k| k.to_vec()).collect();
                prop_assert_eq!(&all, &model.iter().cloned().collect::<Vec<_>>());
                let after = after.as_deref();
                let scanned: Vec<_> = directory.scan(&prefix, after, limit);
                let expected: Vec<_> = model
                    .iter()
                    .filter(|k| k.starts_with(&prefix) && after.is_none_or(|a| k.as_slice() > a))
                    .take(limit)
                    .collect();
                prop_assert!(scanned.iter().map(|k| &**k).eq(expected.iter().map(|k| k.as_slice())));
                prop_assert_eq!(
                    directory.list(&prefix, after, limit),
                    model_list(&model, &prefix, after, limit)
                );
                let sorted: Vec<Key> = model.iter().map(|k| Key::from(k.as_slice())).collect();
                let rebuilt: Vec<_> =
                    Directory::from_sorted(&sorted).range(b"").cloned().collect();
                prop_assert!(rebuilt.iter().map(|k| &**k).eq(model.iter().map(Vec::as_slice)));
            }
        }
    }

    #[test]
    fn large_sets_split_and_shrink() {
        let mut directory = Directory::default();
        let keys: Vec<Key> = (0..20_000u32)
            .map(|i| Key::from(format!("k{:05}", i * 7919 % 20_000).as_bytes()))
            .collect();
        for k in &keys {
            directory.insert(k);
        }
        assert!(directory.range(b"").map(|k| k.to_vec()).is_sorted());
        assert_eq!(directory.range(b"k10000").count(), 10_000);
        for k in &keys {
            directory.remove(k);
        }
        assert_eq!(directory.range(b"").count(), 0);
        directory.insert(&keys[0]);
        assert_eq!(directory.range(b"").count(), 1);
    }
}
