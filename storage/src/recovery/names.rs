//! The ordered directories: blocks of names of the last checkpoint, and what the log changed since.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::redo::unreadable;
use crate::directory::{Directory, Edit, Leaf};
use crate::error::OpenError;
use crate::index::State;
use crate::pages::{Image, ListedNames, PageError, Pool, Runs, decode_names};
use crate::worker::Worker;

/// Directories by number of the keyspace.
pub(super) type Directories = BTreeMap<u32, Directory>;

/// Reads the blocks that a map lists. They keep their images.
pub(super) fn load(
    pool: &Pool,
    listed: &[(ListedNames, Arc<Image>)],
) -> Result<Directories, OpenError> {
    let numbered = listed.iter().enumerate();
    let runs = Runs::new(numbered.map(|(at, (_, image))| (Arc::clone(image), at)).collect());
    let read = || {
        let mut blocks = Vec::new();
        runs.work(|at, image, bytes| {
            blocks.push((*at, block(&listed[*at].0, image, bytes)?));
            Ok(())
        })?;
        Ok::<_, PageError>(blocks)
    };
    let (left, right) = rayon::join(read, read);
    let mut blocks = left.map_err(unreadable)?;
    blocks.extend(right.map_err(unreadable)?);
    blocks.sort_unstable_by_key(|(at, _)| *at);
    let placed = blocks.iter().map(|(at, block)| (block.number(), Arc::clone(&listed[*at].1)));
    pool.blocks.replace(placed.collect());
    let mut by_keyspace: BTreeMap<u32, Vec<Leaf>> = BTreeMap::new();
    for (at, block) in blocks {
        by_keyspace.entry(listed[at].0.keyspace).or_default().push(block);
    }
    let whole = |(keyspace, blocks): (u32, Vec<Leaf>)| {
        let directory = Directory::from_blocks(&blocks).ok_or_else(|| damaged("out of order"))?;
        Ok((keyspace, directory))
    };
    by_keyspace.into_iter().map(whole).collect()
}

fn block(listed: &ListedNames, image: &Image, bytes: &[u8]) -> Result<Leaf, PageError> {
    let block = image.same(bytes).and_then(|()| decode_names(bytes, listed.keyspace));
    block.map_err(|e| image.damaged(e))
}

fn damaged(why: &'static str) -> OpenError {
    OpenError::Damaged { file: "names of a keyspace".to_owned(), why }
}

/// Names that came and went while history was repeated, in the order of the log, by number of the
/// keyspace.
#[derive(Default)]
pub(crate) struct Moved(BTreeMap<u32, Vec<Named>>);

/// A name, and whether it was there afterwards.
type Named = (Box<[u8]>, bool);

impl Moved {
    pub(super) fn add(&mut self, keyspace: u32, names: &[Edit<'_>]) {
        if !names.is_empty() {
            let owned = names.iter().map(|(key, there)| (Box::from(*key), *there));
            self.0.entry(keyspace).or_default().extend(owned);
        }
    }

    /// Makes the changes. What happened last to a name counts.
    pub(super) fn apply(self, directories: &mut Directories) {
        for (keyspace, mut moved) in self.0 {
            moved.reverse();
            moved.sort_by(|a, b| a.0.cmp(&b.0));
            moved.dedup_by(|earlier, last| earlier.0 == last.0);
            let edits: Vec<Edit<'_>> = moved.iter().map(|(key, there)| (&**key, *there)).collect();
            directories.entry(keyspace).or_default().apply_with(&Worker, &edits);
        }
    }
}

/// Gives the keyspaces of a state their directories.
pub(super) fn complete(state: &mut State, mut directories: Directories) -> Result<(), OpenError> {
    for keyspace in state.keyspaces.values_mut() {
        let directory = directories.remove(&keyspace.handle).unwrap_or_default();
        if directory.len() != keyspace.trie.len() {
            return Err(damaged("not as many as there are entries"));
        }
        Arc::make_mut(keyspace).directory = directory;
    }
    Ok(())
}
