//! The blocks of the ordered directories that a checkpoint lists and writes.
//!
//! Blocks never change, so that what is to be written is held without holding anybody up.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::in_pieces;
use crate::budget::Budget;
use crate::directory::Leaf;
use crate::index::State;
use crate::pages::{Image, ListedNames, Pool, WRITE_RUN, encode_names};

/// See the module's text.
pub(super) struct Names {
    blocks: Vec<Block>,
}

/// A block, in the order of the map.
struct Block {
    keyspace: u32,
    number: u64,
    place: Place,
}

enum Place {
    Wanting(Leaf),
    Placed(Arc<Image>),
}

impl Names {
    /// The blocks of a state; to be written are those without an image, those whose image is in doubt
    /// and those whose image lies in one of the `sparse` page segments.
    pub(super) fn of(state: &State, pool: &Pool, sparse: &HashSet<u64>) -> Self {
        let mut keyspaces: Vec<_> = state.keyspaces.values().collect();
        keyspaces.sort_by_key(|keyspace| keyspace.handle);
        let stays =
            |image: &Arc<Image>| !image.is_doubtful() && !sparse.contains(&image.segment.no);
        let blocks = keyspaces.into_iter().flat_map(|keyspace| {
            keyspace.directory.blocks().into_iter().map(|block| Block {
                keyspace: keyspace.handle,
                number: block.number(),
                place: match pool.blocks.get(block.number()).filter(stays) {
                    Some(image) => Place::Placed(image),
                    None => Place::Wanting(block.clone()),
                },
            })
        });
        Self { blocks: blocks.collect() }
    }

    /// Gives an image to every block that wants one.
    pub(super) fn write(&mut self, pool: &Pool, budget: &Budget) -> io::Result<()> {
        let mut wanting: Vec<&mut Block> =
            self.blocks.iter_mut().filter(|b| matches!(b.place, Place::Wanting(_))).collect();
        let mut runs = wanting.chunks_mut(WRITE_RUN);
        in_pieces(pool, budget, || runs.next().map(|run| write_run(pool, run)).transpose())
    }

    /// The blocks in the order of a map, and the images that it lists. From now on these are what the
    /// pool knows of.
    pub(super) fn finish(self, pool: &Pool) -> (Vec<ListedNames>, Vec<Arc<Image>>) {
        let mut listed = Vec::with_capacity(self.blocks.len());
        let mut images = Vec::with_capacity(self.blocks.len());
        let mut all = HashMap::with_capacity(self.blocks.len());
        for Block { keyspace, number, place } in self.blocks {
            let Place::Placed(image) = place else { continue };
            let (segment, offset, len) = (image.segment.no, image.offset, image.len);
            listed.push(ListedNames { keyspace, segment, offset, len, crc: image.crc });
            images.push(Arc::clone(&image));
            all.insert(number, image);
        }
        pool.blocks.replace(all);
        (listed, images)
    }
}

/// Writes as much as one call writes; answers how many bytes that was.
fn write_run(pool: &Pool, run: &mut [&mut Block]) -> io::Result<u64> {
    let encoded: Vec<Vec<u8>> = run
        .iter()
        .filter_map(|block| match &block.place {
            Place::Wanting(leaf) => Some(encode_names(block.keyspace, leaf)),
            Place::Placed(_) => None,
        })
        .collect();
    let mut bytes = 0;
    for (block, image) in run.iter_mut().zip(pool.files.append(&encoded)?) {
        bytes += u64::from(image.len);
        block.place = Place::Placed(image);
    }
    Ok(bytes)
}
